"""`llms log`: the conversations of `llms PROMPT` and `llms chat`."""

from __future__ import annotations

import click

from llms_core.cli.user_error import Failure
from llms_core.cli.verbosity import verbosity

_SWITCHES = ("on", "off")
_WORDS = (*_SWITCHES, "path")


@click.command(short_help="Show earlier prompts and their answers.")
@click.argument("what", required=False, metavar="[ID|off|on|path]")
@click.option("-n", "--count", default=20, show_default=True, help="How many conversations to list; 0 for all.")
@click.option("-q", "--query", default="", metavar="TEXT", help="List conversations that contain a text.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--delete", is_flag=True, help="Delete the conversation ID.")
@verbosity
def command(what: str | None, count: int, query: str, as_json: bool, delete: bool) -> None:
    """List the latest conversations, or show one: the beginning of its id is enough.

    `llms log off` stops logging until `llms log on`, and `llms log path` prints where the log is. The log is in the
    user's folder, and only the user can read it.

    \b
      llms log
      llms log -q "capital of France"
      llms log 3f2a --json
      llms log 3f2a --delete
    """
    from llms_core.cli.log import show, store, switch

    log = store.default()
    if delete and (what is None or what in _WORDS):
        raise click.UsageError("--delete needs the id of a conversation")
    if what in _SWITCHES:
        click.echo(switch.turn(what))
        return
    if what == "path":
        click.echo(log.path)
        return
    if what is None:
        show.conversations(log, log.summaries(limit=count or -1, query=query), as_json=as_json)
        return
    found = log.find(what)
    if found is None:
        raise _unknown(what)
    if delete:
        log.delete(found)
    else:
        show.conversation(found, log.turns(found), as_json=as_json)


def _unknown(what: str) -> Failure:
    """The error for what is neither a conversation nor a word of this command."""
    from difflib import get_close_matches

    similar = get_close_matches(what, _WORDS, n=1)
    if similar:
        return Failure(f"no conversation '{what}'; did you mean `llms log {similar[0]}`?")
    return Failure(f"no conversation '{what}' (`llms log` lists them)")
