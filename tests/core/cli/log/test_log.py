"""`llms log`, and what is logged."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from llms_core.cli.log import store
from llms_core.cli.log.store import Log, Turn
from llms_core.cli.user_error import Failure
from llms_core.errors import ConfigError
from llms_core.testing import ScriptedUpstream, completion, error


def listed(line: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(line.run("log", "--json", *arguments).stdout)
    return found


def test_a_prompt_and_its_answer_are_logged(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    upstream.script(completion("Because of *scattering*."))
    asking.run("Why is the\nsky blue?", "-s", "Be brief", "-o", "seed=1")
    [conversation] = listed(asking)
    assert (conversation["title"], conversation["turns"], conversation["model"]) == (
        "Why is the",
        1,
        "m",
    )
    shown = json.loads(asking.run("log", "--json", conversation["id"]).stdout)
    [turn] = shown["turns"]
    assert shown["id"] == conversation["id"]
    del turn["created"], turn["seconds"], turn["id"]
    assert turn == {
        "model": "m",
        "provider": "first",
        "upstream_model": "up-m",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Why is the\nsky blue?"},
        ],
        "answer": {"role": "assistant", "content": "Because of *scattering*."},
        "prompt": "Why is the\nsky blue?",
        "reply": "Because of *scattering*.",
        "finish_reason": "stop",
        "parameters": {"seed": 1},
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        "cost": 0.000015,
    }
    text = asking.run("log", conversation["id"][:6]).stdout
    assert (
        "\n\nSystem: Be brief\n\nWhy is the\nsky blue?\n\n## first: up-m, 9 tokens in, 3 out, $0.000015, "
        in text
    )
    assert text.endswith("\n\nBecause of *scattering*.\n\n")
    assert asking.run("log").stdout.split()[0] == conversation["id"][:8]


def test_only_the_user_can_read_the_log(asking: CommandLine) -> None:
    asking.run("Hi")
    path = Path(asking.run("log", "path").stdout.strip())
    assert path == asking.home / "conversations.sqlite3"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.slow
def test_what_is_not_logged(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """With -n, after `llms log off`, and what nobody answered."""
    assert asking.run("Hi", "-n").stdout == "Hello!\n"
    upstream.script(error(401))
    assert asking.run("Hi").returncode == 1
    asking.run("log", "off")
    assert asking.run("Hi").stdout == "Hello!\n"
    done = asking.run("log")
    assert (done.stdout, done.stderr) == (
        "",
        "No conversations.\nNothing is logged now; `llms log on` changes that.\n",
    )
    asking.run("log", "on")
    asking.run("Hi", "--raw")
    assert len(listed(asking)) == 1


def test_a_conversation_is_continued_without_being_logged(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    asking.run("One")
    asking.run("-c", "-n", "Two")
    assert [message["content"] for message in upstream.requests[-1].json["messages"]] == [
        "One",
        "Hello!",
        "Two",
    ]
    assert listed(asking)[0]["turns"] == 1


def test_conversations_are_found_by_their_text(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    upstream.script(completion("100 % sure"), completion("never"))
    asking.run("Is it?")
    asking.run("Is_it not?")
    assert [each["title"] for each in listed(asking)] == ["Is_it not?", "Is it?"]
    assert [each["title"] for each in listed(asking, "-n", "1")] == ["Is_it not?"]
    assert [each["title"] for each in listed(asking, "-q", "SURE")] == ["Is it?"]
    assert [each["title"] for each in listed(asking, "-q", "%")] == ["Is it?"]
    assert [each["title"] for each in listed(asking, "-q", "s_i")] == ["Is_it not?"]


def test_pictures_are_kept_for_the_conversation(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    data = "data:image/png;base64,iVBORw0KGgoAAAAA"
    asking.run("What is it?", "--image", data)
    asking.run("-c", "Sure?")
    first = upstream.requests[-1].json["messages"][0]["content"]
    assert first[0] == {"type": "image_url", "image_url": {"url": data}}
    assert "\nWhat is it?\n[image_url]\n" in asking.run("log", listed(asking)[0]["id"]).stdout


def test_a_conversation_is_deleted(asking: CommandLine) -> None:
    asking.run("One")
    asking.run("Two")
    newest, oldest = listed(asking)
    assert asking.run("log", newest["id"][:8], "--delete").returncode == 0
    assert listed(asking) == [oldest]
    assert asking.run("log", "--delete").returncode == 2
    with sqlite3.connect(asking.home / "conversations.sqlite3") as connection:
        assert connection.execute("SELECT COUNT(*) FROM turns").fetchone() == (1,)
    connection.close()


def test_an_unknown_id(asking: CommandLine) -> None:
    asking.run("One")
    for unknown in ("abcxyz", ""):
        done = asking.run("log", unknown)
        assert (done.returncode, done.stdout) == (1, "")
        assert (
            done.stderr
            == f"llms: no conversation and no request '{unknown}' (`llms log` lists conversations)\n"
        )


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no database" * 100, "the log cannot be used: file is not a database"), (None, "")],
)
def test_a_log_that_cannot_be_used_costs_no_answer(
    asking: CommandLine, content: bytes | None, reason: str
) -> None:
    path = asking.home / "conversations.sqlite3"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    done = asking.run("Hi")
    assert (done.returncode, done.stdout) == (0, "Hello!\n")
    assert done.stderr.startswith("llms: not logged: ")
    assert reason in done.stderr
    assert asking.run("-c", "Hi").returncode == 2


def turn(id: str, size: int = 0, created: float = 1.0) -> Turn:
    message = {"role": "user", "content": "x" * size}
    return Turn(
        id=id, created=created, model="m", messages=[message], answer={}, prompt="p", reply="r"
    )


def test_the_oldest_conversations_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on all of them together."""
    monkeypatch.setattr(store, "MAX_BYTES", 10_000)
    log = Log(tmp_path / "log.sqlite3")
    for number in range(5):
        log.add(f"c{number}", turn(f"t{number}", 3000))
    assert [each.id for each in log.summaries()] == ["c4", "c3", "c2"]


def test_the_beginning_of_an_id(tmp_path: Path) -> None:
    """That of a conversation or of one of its turns."""
    log = Log(tmp_path / "log.sqlite3")
    assert log.find("ab") is None
    log.add("abc1", turn("abc1"))
    log.add("abc1", turn("def2", created=2.0))
    log.add("abd3", turn("abd3"))
    assert [log.find(each) for each in ("abc", "DEF", "abd3", "x", "%")] == [
        "abc1",
        "abc1",
        "abd3",
        None,
        None,
    ]
    with pytest.raises(Failure, match="several conversations begin with 'ab'"):
        log.find("ab")
    assert [each.id for each in log.turns("abc1")] == ["abc1", "def2"]


def test_a_file_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigError, match="written by a newer version"):
        Log(path).summaries()
