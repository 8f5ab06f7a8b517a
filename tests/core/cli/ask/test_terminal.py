"""Answers on a terminal: Markdown, colours, and text as it is."""

from __future__ import annotations

import re
import threading

import pytest
from command_line import COLUMNS, LINES, CommandLine, chunk, streamed

from llms_core.testing import Reply, ScriptedUpstream, Wait, completion, events

ANSWER = """# Title

Some *text* and a [link](https://x.example/page).

```python
def f(x):
    return x
```

| a | b |
|---|---|
| 1 | 2 |

- one
- two

The end."""

#: Commands of a terminal, other than to choose colours and styles.
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-KMhl]|\r")
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def shown(line: CommandLine, *arguments: str, **env: str) -> str:
    """Everything that a terminal gets."""
    terminal = line.terminal(*arguments, **env)
    terminal.expect_exact(_end())
    output = terminal.before
    terminal.close()
    assert terminal.exitstatus == 0
    assert isinstance(output, str)
    return output


def _end() -> type:
    import pexpect

    return pexpect.EOF


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def visible(output: str) -> list[str]:
    """The lines on the screen, without styles; `transient` drawings of a block are followed by the block itself."""
    text = _STYLES.sub("", _MOVES.sub("", output))
    return [each.rstrip() for each in text.splitlines()]


def test_markdown_is_rendered(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """Blocks are styled, code is highlighted, and a link shows where it leads."""
    upstream.script(events(*streamed(*pieces(ANSWER))))
    output = shown(asking, "Hi")
    lines = visible(output)
    for expected in (
        "Some text and a link (https://x.example/page).",
        " def f(x):",
        " 1  2",
        " • one",
        "The end.",
    ):
        assert expected in lines
    assert "```" not in output
    assert "|---|" not in output
    assert re.search(r"\x1b\[[0-9;]*38;5;", output), "the code has colours"
    assert "\x1b]8;" not in output, "links of a model are not hidden behind their text"


def test_no_colour_if_none_is_wanted(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """NO_COLOR; styles are no colours."""
    upstream.script(events(*streamed(*pieces(ANSWER))))
    output = shown(asking, "Hi", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*(38;5|3[0-7]|4[0-7]|9[0-7])[;m]", output)
    assert " • one" in visible(output)


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(("--no-markdown",), {}), (("--verbose",), {}), ((), {"TERM": "dumb"})],
)
def test_the_text_as_it_is(
    asking: CommandLine, upstream: ScriptedUpstream, arguments: tuple[str, ...], env: dict[str, str]
) -> None:
    """Also where a log would be written into the drawing."""
    upstream.script(events(*streamed(*pieces(ANSWER))))
    output = shown(asking, "Hi", *arguments, **env)
    assert ANSWER.replace("\n", "\r\n") in output
    assert "\x1b" not in output


def test_without_rich_the_text_is_printed_as_it_is(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """It is in the extra `cli`."""
    (asking.home / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'rich' else find(name, *rest)\n"
    )
    upstream.script(events(*streamed(*pieces(ANSWER))))
    output = shown(asking, "Hi", PYTHONPATH=f"{asking.home}:{asking.env['PYTHONPATH']}")
    assert ANSWER.replace("\n", "\r\n") in output


def test_a_finished_block_is_never_drawn_again(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """Even if the answer is longer than the screen: what has scrolled off it stays as it is."""
    paragraphs = [f"Paragraph {number} of the answer." for number in range(3 * LINES)]
    upstream.script(events(*streamed(*(f"{each}\n\n" for each in paragraphs))))
    lines = visible(shown(asking, "Hi"))
    counts = [lines.count(each) for each in paragraphs[: 2 * LINES]]
    # Once while it was the last one, depending on how fast the answer comes, and once for good.
    assert max(counts) <= 2
    assert min(counts) >= 1


def test_the_last_block_is_drawn_while_it_grows(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    go = threading.Event()
    upstream.script(
        Reply(
            events(chunk("The beginning")), Wait(go), *events(*streamed(" and the end.")).parts[1:]
        )
    )
    terminal = asking.terminal("Hi")
    terminal.expect_exact("The beginning")
    go.set()
    terminal.expect_exact("The beginning and the end.")
    terminal.expect_exact(_end())
    terminal.close()
    assert terminal.exitstatus == 0


def test_nothing_of_an_answer_controls_the_terminal(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """Neither as text nor in Markdown."""
    hostile = "\x1b]0;title\x07 \x1b[2J `\x1b[8m` \u009b31m"
    for arguments in ((), ("--no-markdown",)):
        upstream.script(events(*streamed(hostile)))
        output = shown(asking, "Hi", *arguments)
        for code in ("\x1b]", "\x07", "\x1b[2J", "\x1b[8m", "\u009b"):
            assert code not in output


def test_json_is_not_rendered(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """--raw and --schema."""
    upstream.script(completion("**x**"), completion('{"a": "**x**"}'))
    assert '"content": "**x**"' in shown(asking, "Hi", "--raw")
    assert '{"a": "**x**"}\r\n' in shown(asking, "Hi", "--schema", '{"type": "object"}')


def test_long_lines_are_wrapped_by_the_terminal(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """Text as it is has no line breaks that the model did not write."""
    upstream.script(events(*streamed("x" * 2 * COLUMNS)))
    assert "x" * 2 * COLUMNS in shown(asking, "Hi", "--no-markdown")
