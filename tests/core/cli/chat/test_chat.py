"""`llms chat`."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from command_line import CommandLine, chunk

from llms_core.testing import Reply, ScriptedUpstream, Stall, completion, error, events

PROMPT = "\r\n> "


def contents(upstream: ScriptedUpstream, number: int = -1) -> list[Any]:
    """The contents of the messages that the provider got."""
    return [message["content"] for message in upstream.requests[number].json["messages"]]


def test_a_conversation_on_a_terminal(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """Each prompt is sent with everything before it. Ctrl-D leaves."""
    upstream.script(completion("Hello, Ann."), completion("Ann."))
    chat = asking.terminal("chat", "-s", "Be brief", "--no-markdown")
    chat.expect_exact("m. Ctrl-C cancels an answer, Ctrl-D leaves, !multi begins")
    chat.expect_exact(PROMPT)
    chat.sendline("I am Ann")
    chat.expect_exact("Hello, Ann.")
    chat.expect_exact(PROMPT)
    chat.sendline("Who am I?")
    chat.expect_exact("Ann.")
    chat.expect_exact(PROMPT)
    chat.sendeof()
    chat.wait()
    assert chat.exitstatus == 0
    assert contents(upstream) == ["Be brief", "I am Ann", "Hello, Ann.", "Who am I?"]


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_words_that_leave(asking: CommandLine, upstream: ScriptedUpstream, word: str) -> None:
    done = asking.run("chat", stdin=f"One\n{word}\nTwo\n")
    assert (done.returncode, done.stdout) == (0, "Hello!\n")
    assert len(upstream.requests) == 1


def test_ctrl_c_cancels_the_answer_and_not_the_chat(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """The provider's work ends at once; what had arrived belongs to the conversation."""
    upstream.script(Reply(events(chunk("Once upon")), Stall()), completion("Sure."))
    chat = asking.terminal("chat", "--no-markdown")
    chat.expect_exact(PROMPT)
    chat.sendline("A story")
    chat.expect_exact("Once upon")
    chat.sendintr()
    chat.expect_exact("(cancelled)")
    upstream.requests[0].wait_closed()
    chat.expect_exact(PROMPT)
    chat.sendline("Shorter")
    chat.expect_exact("Sure.")
    chat.expect_exact(PROMPT)
    chat.sendeof()
    chat.wait()
    assert contents(upstream) == ["A story", "Once upon", "Shorter"]
    [conversation] = json.loads(asking.run("log", "--json").stdout)
    turns = json.loads(asking.run("log", "--json", conversation["id"]).stdout)["turns"]
    assert [turn["finish_reason"] for turn in turns] == ["interrupted", "stop"]


def test_ctrl_c_takes_back_what_was_typed(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    chat = asking.terminal("chat", "--no-markdown")
    chat.expect_exact(PROMPT)
    chat.send("half a pro")
    chat.expect_exact("half a pro")
    chat.sendintr()
    chat.expect_exact(PROMPT)
    chat.sendline("Whole")
    chat.expect_exact("Hello!")
    chat.expect_exact(PROMPT)
    chat.sendeof()
    chat.wait()
    assert contents(upstream) == ["Whole"]


def test_several_lines(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """`!multi … !end`, with a mark if the text has `!end`; and what is pasted is one prompt."""
    asking.run("chat", stdin="!multi\nOne\n\nTwo\n!end\n!multi x\n!end\nThree\n!end x\n")
    assert [contents(upstream, number)[-1] for number in (0, 1)] == ["One\n\nTwo", "!end\nThree"]
    chat = asking.terminal("chat", "--no-markdown")
    chat.expect_exact("> ")
    chat.send("\x1b[200~Four\nFive\x1b[201~")
    chat.sendline("")
    chat.expect_exact("Hello!")
    chat.expect_exact("> ")
    chat.sendeof()
    chat.wait()
    assert contents(upstream, 2) == ["Four\nFive"]


def test_an_editor(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    editor = asking.folder / "editor.sh"
    editor.write_text('#!/bin/sh\necho "from the editor" > "$1"\n')
    editor.chmod(0o700)
    asking.env["VISUAL"] = str(editor)
    asking.run("chat", stdin="!edit\n")
    assert contents(upstream) == ["from the editor\n"]
    asking.env["VISUAL"] = str(asking.folder / "gone")
    done = asking.run("chat", stdin="!edit\nHi\n")
    assert done.returncode == 0
    assert "gone" in done.stderr
    assert contents(upstream) == ["Hi"]


def test_a_failure_ends_nothing(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """The prompt that failed is not part of the conversation."""
    upstream.script(error(401, "the key is wrong"), completion("Fine."))
    done = asking.run("chat", stdin="One\nTwo\n")
    assert (done.returncode, done.stdout) == (0, "Fine.\n")
    assert "first (auth 401): the key is wrong" in done.stderr
    assert contents(upstream) == ["Two"]


def test_a_conversation_is_continued(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """By `chat -c` and by `llms -c`, with its model; a system prompt replaces the earlier one."""
    asking.run("chat", "-m", "m", "-s", "Old", stdin="One\n")
    asking.run("chat", "-c", "-s", "New", stdin="Two\n")
    asking.run("-c", "Three")
    assert contents(upstream) == ["New", "One", "Hello!", "Two", "Hello!", "Three"]
    [conversation] = json.loads(asking.run("log", "--json").stdout)
    assert (conversation["turns"], conversation["title"]) == (3, "One")


def test_nothing_to_continue(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    none = "there is no conversation to continue: none has been logged yet"
    unknown = "no conversation 'abc' (`llms log` lists them)"
    for arguments, reason in {
        ("chat", "-c"): none,
        ("-c", "Hi"): none,
        ("chat", "--conversation", "abc"): unknown,
    }.items():
        done = asking.run(*arguments)
        assert (done.returncode, done.stderr) == (1, f"llms: {reason}\n")
    assert upstream.requests == []


@pytest.mark.slow
def test_prompts_are_remembered_for_the_next_chat(asking: CommandLine) -> None:
    """In a file that nobody else can read; not with --no-log."""
    history = asking.home / "chat-history"
    for arguments in (("--no-log",), ()):
        assert not history.exists()
        chat = asking.terminal("chat", "--no-markdown", *arguments)
        chat.expect_exact(PROMPT)
        chat.sendline("Remember me")
        chat.expect_exact("Hello!")
        chat.expect_exact(PROMPT)
        chat.sendeof()
        chat.wait()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    chat = asking.terminal("chat", "--no-markdown")
    chat.expect_exact(PROMPT)
    chat.send("\x1b[A")
    chat.expect_exact("Remember me")
    chat.close()


def test_one_connection_serves_the_whole_chat(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    asking.run("chat", stdin="One\nTwo\nThree\n")
    assert {seen.connection for seen in upstream.requests} == {1}
