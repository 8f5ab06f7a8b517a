"""`llms completion`: shells complete commands, options, providers and models, from files alone."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import warm_llms
from command_line import COLUMNS, TIMEOUT, CommandLine

from llms_core.cli import COMMANDS

if TYPE_CHECKING:
    import pexpect

pytestmark = pytest.mark.slow  # real processes

CONFIG: dict[str, Any] = {
    "providers": {
        "groq": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:1",
            "api_key": "sk-x",
            "models": {},
        },
        "off": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:1",
            "enabled": False,
            "models": {"hidden": "h"},
        },
        "keyed": {
            "type": "OpenAiProvider",
            "base_url": "http://localhost:1",
            "api_key": "$SOME_API_KEY",
            "models": {"keyed-model": "k"},
        },
    }
}
CONFIG["providers"]["groq"]["models"] = {"kimi-k2": "k", "gpt-oss:20b": "g", "gpt-oss:120b": "g2"}

#: Bash's own, as they are without a configuration.
WORDBREAKS = " \t\n\"'><=;|&(:"


@pytest.fixture
def shell(line: CommandLine) -> CommandLine:
    """A command line with a configuration and with `llms` on its path, as pip installs it."""
    line.configure(CONFIG)
    folder = line.home.parent / "bin"
    folder.mkdir()
    program = folder / "llms"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(warm_llms.command())} "$@"\n', "utf-8")
    program.chmod(0o755)
    line.env |= {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(line.home)}
    return line


def completed(line: CommandLine, text: str, word: str = "", **env: str) -> list[str]:
    """What the script for bash gets for a line that ends at the cursor."""
    asking = {
        "_LLMS_COMPLETE": "bash_complete",
        "COMP_LINE": text,
        "COMP_WORD": word,
        "COMP_WORDBREAKS": WORDBREAKS,
    }
    done = subprocess.run(
        ["llms"],
        cwd=line.folder,
        env={**line.env, **asking, **env},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [each.removeprefix("plain,") for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("llms ser", ["serve"]),
        ("llms en", ["enable"]),
        ("llms keys ", ["hash", "new"]),
        ("llms completion z", ["zsh"]),
        ("llms local ", ["pull"]),
        ("llms --ima", ["--image"]),
        ("llms --conf", ["--config"]),
        ("llms serve --wo", ["--workers"]),
        ("llms keys new --ad", ["--admin"]),
        ("llms -m kimi-k2 --us", ["--usage"]),
        ("llms -m ki", ["kimi-k2"]),
        ("llms --model ki", ["kimi-k2"]),
        ("llms -m gpt-oss:1", ["120b"]),
        ("llms chat -m ki", ["kimi-k2"]),
        ("llms route ki", ["kimi-k2"]),
        ("llms default ki", ["kimi-k2"]),
        ("llms ls ", ["groq", "off", "keyed"]),
        ("llms ls groq o", ["off"]),
        ("llms check ", ["groq"]),
        ("llms check groq ki", ["kimi-k2"]),
        ("llms disable ", ["groq"]),
        ("llms enable of", ["off"]),
        ("llms add anthr", ["anthropic"]),
        ("llms --config x.json --plu", ["--plugins"]),
        ("llms serve --config ", ["file,"]),
        ("llms --image ca", ["file,ca"]),
        ("llms --config ", ["file,"]),
        ("llms tell me a jo", []),
        ("llms serv ", []),
        ("llms -m nothing", []),
    ],
)
def test_the_word_at_the_cursor_is_completed(
    shell: CommandLine, text: str, expected: list[str]
) -> None:
    assert completed(shell, text) == expected


def test_every_command_is_completed(shell: CommandLine) -> None:
    """Those of plugins, too."""
    assert completed(shell, "llms ") == [*COMMANDS, "local"]


def test_a_quoted_word_with_a_colon_is_one_word(shell: CommandLine) -> None:
    """Bash divides words at colons only where they are not quoted."""
    assert completed(shell, 'llms -m "gpt-oss:1', '"gpt-oss:1') == ["gpt-oss:120b"]


def test_providers_are_enabled_by_their_keys(shell: CommandLine) -> None:
    """At once: what is kept depends on the variables."""
    assert completed(shell, "llms -m keyed") == []
    assert completed(shell, "llms -m keyed", SOME_API_KEY="sk-y") == ["keyed-model"]
    assert completed(shell, "llms -m keyed") == []


def test_a_changed_file_counts_at_once(shell: CommandLine) -> None:
    assert completed(shell, "llms -m ki") == ["kimi-k2"]
    config = json.loads(json.dumps(CONFIG))
    config["providers"]["groq"]["models"] = {"kimi-k3": "k"}
    shell.configure(config)
    assert completed(shell, "llms -m ki") == ["kimi-k3"]


def test_the_named_file_counts(shell: CommandLine) -> None:
    (shell.folder / "other.json").write_text(
        json.dumps({"providers": {"mine": {"type": "ollama"}}}), "utf-8"
    )
    assert completed(shell, "llms --config other.json ls ") == ["mine"]
    assert completed(shell, "llms ls --config other.json ") == ["mine"]
    assert completed(shell, "llms ls ") == ["groq", "off", "keyed"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llms.json", "{"),
        ("plugins.toml", "[plugin"),
        (".env", "nonsense"),
        ("completion.json", "[1]"),
    ],
)
def test_an_invalid_file_disturbs_nobody(shell: CommandLine, name: str, text: str) -> None:
    """What is said about it would be in the middle of the line that the user types."""
    (shell.home / name).write_text(text, "utf-8")
    assert completed(shell, "llms ser") == ["serve"]


def test_names_that_a_shell_would_run_are_not_completed(shell: CommandLine) -> None:
    """A file in the current folder may be somebody else's."""
    hostile = [
        "$(touch x)",
        "a;b",
        "a b",
        "`id`",
        "a\nplain,b",
        "\x1b[2J",
        "a'b",
        'a"b',
        "a|b",
        "*",
        "~",
        "a\\b",
        "#a",
    ]
    block = {
        "type": "OpenAiProvider",
        "base_url": "http://localhost:1",
        "models": dict.fromkeys([*hostile, "good"], "m"),
    }
    config = {"providers": {"good": block, **dict.fromkeys(hostile, block)}}
    (shell.folder / "llms.json").write_text(json.dumps(config), "utf-8")
    assert completed(shell, "llms ls ") == ["good"]
    assert completed(shell, "llms -m ") == ["good"]


def test_no_code_of_the_current_folder_runs(shell: CommandLine) -> None:
    (shell.folder / "evil.py").write_text("open('ran', 'w').close()\n", "utf-8")
    (shell.folder / "plugins.toml").write_text('[plugins]\nload = ["evil.py"]\n', "utf-8")
    assert completed(shell, "llms ser") == ["serve"]
    assert not (shell.folder / "ran").exists()


def test_what_is_kept_has_no_key_and_is_the_users_own(shell: CommandLine) -> None:
    completed(shell, "llms -m ")
    kept = shell.home / "completion.json"
    assert "sk-x" not in kept.read_text("utf-8")
    assert kept.stat().st_mode & 0o077 == 0


def test_nothing_is_loaded_that_takes_long(shell: CommandLine) -> None:
    """Once the names are known: neither plugins nor adapters."""
    completed(shell, "llms -m ki")
    program = (
        "import sys\nfrom llms_core.cli import main\nsys.argv[0] = 'llms'\n"
        "try: main()\nexcept SystemExit: pass\n"
        "slow = {'llms_core.startup', 'llms_core.plugins.loading', 'llms_providers', 'asyncio'}\n"
        "print(sorted(slow & sys.modules.keys()))"
    )
    asking = {
        "_LLMS_COMPLETE": "bash_complete",
        "COMP_LINE": "llms -m ki",
        "COMP_WORDBREAKS": WORDBREAKS,
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**shell.env, **asking},
        cwd=shell.folder,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "plain,kimi-k2\n[]\n"


# In shells


SETUP: Mapping[str, str] = {
    "bash": 'eval "$(llms completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(llms completion zsh)"',
    "fish": "llms completion fish | source",
}
START: Mapping[str, list[str]] = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}

Open = Callable[[str], "pexpect.spawn[str]"]


@contextmanager
def interactive(shell: CommandLine, name: str) -> Iterator[pexpect.spawn[str]]:
    """A shell on a terminal, in which completion has been set up."""
    import pexpect

    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    program, *arguments = START[name]
    env = {**shell.env, "PS1": "READY> ", "TERM": "dumb" if name == "fish" else "xterm"}
    child = pexpect.spawn(
        program,
        arguments,
        cwd=str(shell.folder),
        env=env,
        dimensions=(40, COLUMNS * 2),
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    try:
        child.sendline(f"{SETUP[name]}; echo IS''SET")
        child.expect_exact("ISSET")
        yield child
    finally:
        child.close(force=True)


@pytest.mark.parametrize("name", SETUP)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("llms ser", "llms serve"),
        ("llms -m ki", "llms -m kimi-k2"),
        ("llms -m gpt-oss:1", "llms -m gpt-oss:120b"),
        ("llms ls gr", "llms ls groq"),
        ("llms keys new --adm", "llms keys new --admin"),
        ("llms -m gpt-oss:120b --usa", "llms -m gpt-oss:120b --usage"),
    ],
)
def test_a_shell_completes_the_line(
    shell: CommandLine, name: str, typed: str, expected: str
) -> None:
    """As the user types it."""
    with interactive(shell, name) as child:
        child.send(f"{typed}\t")
        child.expect_exact(expected[len(typed) :])


def test_bash_lists_what_there_is(shell: CommandLine) -> None:
    """Twice the key."""
    with interactive(shell, "bash") as child:
        child.send("llms -m gpt-oss:\t\t")
        child.expect("120b +20b|20b +120b")
        child.sendcontrol("c")
        child.send("llms disable \t")
        child.expect_exact("groq")


def test_bash_completes_paths_of_files(shell: CommandLine) -> None:
    (shell.folder / "holiday.png").write_bytes(b"")
    with interactive(shell, "bash") as child:
        child.send("llms --image holi\t")
        child.expect_exact("day.png")


def test_the_line_that_bash_completed_runs(shell: CommandLine) -> None:
    """With the whole name, although bash divides it at its colon."""
    with interactive(shell, "bash") as child:
        child.sendline("llms route gpt-oss:1\t")
        child.expect_exact("1. groq: g2")


@pytest.mark.parametrize("name", SETUP)
def test_the_script_is_the_same_without_a_configuration(line: CommandLine, name: str) -> None:
    done = line.run("completion", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_LLMS_COMPLETE" in done.stdout


def test_another_shell_is_an_error(line: CommandLine) -> None:
    done = line.run("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
