"""`llms PROMPT`: what is a prompt, where the answer goes, and what the exit code tells."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import TIMEOUT, CommandLine, chunk

from llms_core.testing import Reply, ScriptedUpstream, Stall, completion, error, events

Make = Callable[..., Any]


def prompt_of(upstream: ScriptedUpstream, number: int = -1) -> Any:
    """The content of the last message that the provider got."""
    return upstream.requests[number].json["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("arguments", "prompt"),
    [
        (("tell me a joke",), "tell me a joke"),
        (("tell", "me", "a", "joke"), "tell me a joke"),
        (("--", "route", "me", "to", "Rome"), "route me to Rome"),
        (("-m", "m", "route", "me"), "route me"),
        (("What is", "-m", "m", "this?"), "What is this?"),
        (("hi", "--verbose", "there", "--config", "../home/llms.json"), "hi there"),
    ],
)
def test_words_are_joined_and_options_stand_anywhere(
    asking: CommandLine, upstream: ScriptedUpstream, arguments: tuple[str, ...], prompt: str
) -> None:
    """A first word that is a command's name is the command, unless an option or `--` stands before it."""
    upstream.default = completion("Hello!")
    done = asking.run(*arguments)
    assert (done.returncode, done.stdout) == (0, "Hello!\n")
    assert prompt_of(upstream) == prompt
    assert upstream.requests[0].json["model"] == "up-m"


def test_a_command_is_no_prompt(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    done = asking.run("route", "m")
    assert done.stdout == "1. first: up-m\n"
    assert upstream.requests == []


def test_a_command_of_a_plugin_is_no_prompt(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """llms_commands."""
    (asking.home / "mine.py").write_text(
        "from llms_core import hookimpl\n@hookimpl\ndef llms_commands(group):\n"
        "    group.command('mine')(lambda: print('done'))\n"
    )
    (asking.home / "plugins.toml").write_text('[plugins]\nload = ["mine.py"]\n')
    assert asking.run("mine").stdout == "done\n"
    asking.run("ours")
    assert prompt_of(upstream) == "ours"


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        ((), "from the pipe\n", "from the pipe"),
        (("explain",), "def f(): …\n\n", "explain\n\ndef f(): …"),
        (("explain",), "", "explain"),
    ],
)
def test_standard_input_follows_the_words(
    asking: CommandLine,
    upstream: ScriptedUpstream,
    arguments: tuple[str, ...],
    stdin: str,
    prompt: str,
) -> None:
    assert asking.run(*arguments, stdin=stdin).stdout == "Hello!\n"
    assert prompt_of(upstream) == prompt


def test_standard_input_that_is_no_text(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    done = asking.run("explain", stdin=b"\x89PNG\r\n")
    assert done.returncode == 2
    assert done.stderr.startswith("llms: standard input is not text in UTF-8 (pass a picture")
    assert upstream.requests == []


def test_an_empty_prompt_is_an_error(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """What is written into a file must not look like an answer."""
    for arguments in (("",), ("-m", "m"), ("-c",)):
        done = asking.run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no prompt" in done.stderr
    assert upstream.requests == []


def test_without_a_prompt_there_is_help(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    for arguments in ((), ("--help",), ("-h",), ("tell", "me", "--help")):
        done = asking.run(*arguments)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: llms [OPTIONS] PROMPT...")
        assert "--schema FILE" in done.stdout
        assert "\n  serve " in done.stdout
    assert upstream.requests == []


def test_into_a_pipe_the_answer_is_written_whole(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """It is requested whole, so that every failure leads to the next provider; nothing of an answer is lost."""
    upstream.script(completion("# A\n\nwith *Markdown*, \x1b[31mcodes\x1b[0m and 日本語"))
    done = asking.run("hi", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.stdout == "# A\n\nwith *Markdown*, \x1b[31mcodes\x1b[0m and 日本語\n"
    assert "stream" not in upstream.requests[0].json
    assert asking.shell("llms hi > out.txt; llms -s again hi | cat").stdout == "Hello!\n"
    assert (asking.folder / "out.txt").read_text() == "Hello!\n"


def test_on_a_terminal_the_answer_is_streamed(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """What has arrived is shown while the provider still works, without the codes that would control a terminal."""
    events_so_far = events(chunk("One "), chunk("\x1b]0;owned\x07two"))
    upstream.script(Reply(events_so_far, Stall()))
    terminal = asking.terminal("hi", "--no-markdown")
    terminal.expect_exact("One ]0;ownedtwo")
    assert upstream.requests[0].json["stream"] is True
    terminal.sendintr()
    terminal.expect_exact("\r\n")
    terminal.wait()
    assert terminal.exitstatus == 130


@pytest.mark.parametrize("arguments", [(), ("--no-markdown",)])
def test_ctrl_c_cancels_the_request(
    asking: CommandLine, upstream: ScriptedUpstream, arguments: tuple[str, ...]
) -> None:
    """The exit code is 130, and the provider sees its connection close."""
    upstream.script(Reply(events(chunk("One ")), Stall()))
    terminal = asking.terminal("hi", *arguments)
    terminal.expect_exact("One")
    terminal.sendintr()
    terminal.expect_exact("\r\n")
    terminal.wait()
    assert terminal.exitstatus == 130
    assert "Traceback" not in (terminal.before or "")
    upstream.requests[0].wait_closed()


def test_an_interrupted_command_in_a_pipe(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Stall()))
    process = asking.start("hi")
    upstream.wait_for_request(timeout=TIMEOUT)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (130, b"", b"")
    upstream.requests[0].wait_closed()


def test_a_reader_that_leaves_is_no_error(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """`| head -1`, and a full disk is one."""
    upstream.default = completion("line\n" * 100_000)
    done = asking.shell("llms hi | head -1")
    assert (done.stdout, done.stderr) == ("line\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_written(asking: CommandLine, unbuffered: str) -> None:
    asking.env["PYTHONUNBUFFERED"] = unbuffered
    done = asking.shell("llms hi > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "llms: the output cannot be written: No space left on device\n"
    assert asking.shell("llms hi >&-").stderr == ""


def test_failover_is_silent_unless_usage_is_wanted(
    line: CommandLine, upstreams: Make, provider: Make, config_of: Make
) -> None:
    bad, good = upstreams(), upstreams()
    bad.default = error(503, "try later")
    line.configure(config_of(first=provider(bad), second=provider(good)))
    done = line.run("hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello!\n", "")
    shown = line.run("hi", "--usage").stderr.splitlines()
    assert shown[0].startswith("second: up-m, 9 tokens in, 1 out, ")
    assert shown[1] == "  first (overloaded 503): try later"
    assert "first of 'm' failed: try later" in line.run("hi", "--verbose").stderr


def test_usage_has_the_cost(asking: CommandLine) -> None:
    """9 tokens at $1 and one at $2 per million."""
    assert ", 9 tokens in, 1 out, $0.000011, " in asking.run("hi", "--usage").stderr


def test_a_failure_has_every_providers_reason(
    line: CommandLine, upstreams: Make, provider: Make, config_of: Make
) -> None:
    first, second = upstreams(), upstreams()
    first.default = error(401, "the key is wrong")
    second.default = error(429, "too many requests")
    line.configure(
        config_of(first=provider(first), second=provider(second)), "[routing.retry]\nattempts = 0\n"
    )
    for arguments in ((), ("--raw",), ("--schema", '{"type": "object"}')):
        done = line.run("hi", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "llms: All providers failed for model 'm'\n"
            "  first (auth 401): the key is wrong\n"
            "  second (rate_limit 429): too many requests\n"
        )


def test_a_refusal_that_ends_the_search(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    upstream.script(error(400, "flagged", code="content_policy_violation"))
    done = asking.run("hi")
    assert done.returncode == 1
    assert done.stderr == "llms: the request failed\n  first (content_policy 400): flagged\n"


def test_a_model_that_nobody_has(asking: CommandLine) -> None:
    """SR-061: with similar names, or else where to look."""
    done = asking.run("-m", "mm", "hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "llms: Model 'mm' not found in any enabled provider\nSimilar models: m\n"
    done = asking.run("-m", "other", "hi")
    assert done.stderr == (
        "llms: Model 'other' not found in any enabled provider\n`llms ls` lists the models that are known.\n"
    )


def test_a_stream_that_breaks_off(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """What has arrived stays; the reason follows, and the exit code is 1."""
    upstream.default = events(chunk("The answer is"))
    terminal = asking.terminal("hi", "--no-markdown")
    terminal.expect_exact("The answer is\r\nllms: the answer broke off: ")
    terminal.wait()
    assert terminal.exitstatus == 1
