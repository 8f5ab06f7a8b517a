"""What click does not do for a shell: completing words with colons, such as names of models, in bash."""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from llms_core.cli.completion.variable import VARIABLE

# `nosort` needs bash 4.4, and `compopt` bash 4; the one of macOS is older, and completes without them.
_BASH = """\
%(complete_func)s() {
    local response type value
    response=$(env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORD="${COMP_WORDS[$COMP_CWORD]}" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1" 2>/dev/null) || return
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""

#: What stands for the rest of the word that is being completed; no word ends in it.
_CURSOR = "\N{OBJECT REPLACEMENT CHARACTER}"


class Bash(BashComplete):
    """Takes the words from the line: bash divides them at colons, and replaces only what follows the last one."""

    name = "bash"
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Check nothing: the script works with every version."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is being completed, and the beginning of that one."""
        *args, incomplete = split_arg_string(os.environ["COMP_LINE"] + _CURSOR)
        return args[1:], incomplete.removesuffix(_CURSOR)

    def complete(self) -> str:
        """Return a line for each completion, without what bash keeps."""
        args, incomplete = self.get_completion_args()
        items = self.get_completions(args, incomplete)
        kept = _kept(incomplete)
        return "\n".join(self.format_completion(_without(item, kept)) for item in items)


def register() -> None:
    """Make click use the classes of this module."""
    add_completion_class(Bash)


def script(command: click.Command, shell: str) -> str:
    """Return the script for a shell."""
    register()
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there are no completions for {shell}")
    return found(command, {}, "llms", VARIABLE).source()


def _kept(word: str) -> str:
    """The part of a word that bash does not replace: up to the last colon, unless the word is quoted."""
    is_quoted = os.environ.get("COMP_WORD", "").startswith(("'", '"'))
    if is_quoted or ":" not in os.environ.get("COMP_WORDBREAKS", ":"):
        return ""
    before, colon, _ = word.rpartition(":")
    return before + colon


def _without(item: CompletionItem, kept: str) -> CompletionItem:
    return CompletionItem(item.value.removeprefix(kept), type=item.type, help=item.help)
