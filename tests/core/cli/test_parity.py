"""What users of llms.py 2.0.35 type, row by row, with files of its versions 2, 3 and 4.

Rows that are kept do the same; rows that are not, on purpose, say what to do in their place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from command_line import CommandLine
from fresh_environment import Environment

from llms_core.testing import ScriptedUpstream
from tests.core.cli.ask.test_requests import PDF, PNG, WAV, provider_of

pytestmark = pytest.mark.slow  # real processes

VERSIONS = (2, 3, 4)
TEMPLATE = {
    "model": "m",
    "temperature": 0.5,
    "messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}],
}


def template_of(kind: str, part: Mapping[str, Any]) -> dict[str, Any]:
    content = [{"type": kind, **part}, {"type": "text", "text": f"Template of {kind}"}]
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


DEFAULTS = {
    "headers": {"Content-Type": "application/json"},
    "text": TEMPLATE,
    "image": template_of("image_url", {"image_url": {"url": ""}}),
    "audio": template_of("input_audio", {"input_audio": {"data": "", "format": "mp3"}}),
    "file": template_of("file", {"file": {"filename": "", "file_data": ""}}),
    "check": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "1+1="}]}],
        "max_tokens": 9,
    },
}


def config_of(version: int, upstream: ScriptedUpstream) -> dict[str, Any]:
    providers = {
        "first": provider_of(version, upstream),
        "off": {**provider_of(version, upstream), "enabled": False},
    }
    config: dict[str, Any] = {
        "defaults": DEFAULTS,
        "limits": {"client_max_size": 20971520},
        "convert": {"image": {"max_size": "1536x1024", "max_length": 1572864}},
        "providers": providers,
    }
    return config if version == 2 else {"version": version, **config}


@pytest.fixture(params=VERSIONS, ids=[f"v{version}" for version in VERSIONS])
def llms(
    request: pytest.FixtureRequest, line: CommandLine, upstream: ScriptedUpstream
) -> CommandLine:
    """A user with a file of each version in turn, and some files to send."""
    line.configure(config_of(request.param, upstream))
    for name, data in {"a.png": PNG, "a.wav": WAV, "a.pdf": PDF}.items():
        (line.folder / name).write_bytes(data)
    chat = {"model": "m", "messages": [{"role": "user", "content": "Before"}], "seed": 7}
    (line.folder / "request.json").write_text(json.dumps(chat), "utf-8")
    return line


def said(request: Any) -> str:
    """The text of the last message."""
    content = request["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def types(request: Any) -> list[str]:
    return [part["type"] for part in request["messages"][-1]["content"]]


class Asked(NamedTuple):
    """A row whose command asks a model."""

    line: str
    #: What has to be so of the request that the provider gets.
    holds: Callable[[Any], object]


ASKED = {
    "all words are the prompt": Asked(
        "llms tell me a joke", lambda sent: said(sent) == "tell me a joke"
    ),
    "model": Asked("llms -m m Hi", lambda sent: sent["model"] == "up-m"),
    "model, long": Asked("llms --model m Hi", lambda sent: sent["model"] == "up-m"),
    "system prompt": Asked(
        "llms -s 'Be brief' Hi",
        lambda sent: sent["messages"][0] == {"role": "system", "content": "Be brief"},
    ),
    "image": Asked(
        "llms --image a.png 'Which breed?'", lambda sent: types(sent) == ["image_url", "text"]
    ),
    "audio": Asked("llms --audio a.wav Who", lambda sent: types(sent) == ["input_audio", "text"]),
    "file": Asked("llms --file a.pdf Sum", lambda sent: types(sent) == ["file", "text"]),
    "image as a data URI": Asked(
        "llms --image data:image/png;base64,iVBORw0KGgoAAAAA Hi".replace(";", "\\;"),
        lambda sent: sent["messages"][-1]["content"][0]["image_url"]["url"].startswith(
            "data:image/png;base64,iVBOR"
        ),
    ),
    "chat request": Asked(
        "llms --chat request.json", lambda sent: (said(sent), sent["seed"]) == ("Before", 7)
    ),
    "chat request with another prompt": Asked(
        "llms --chat request.json After", lambda sent: (said(sent), sent["seed"]) == ("After", 7)
    ),
    "chat request with an image": Asked(
        "llms --chat request.json --image a.png", lambda sent: types(sent) == ["image_url", "text"]
    ),
    "typed arguments": Asked(
        'llms Hi --args "temperature=0.7&max_completion_tokens=50&store=true&stop=a,b"',
        lambda sent: (
            {
                "temperature": 0.7,
                "max_completion_tokens": 50,
                "store": True,
                "stop": ["a", "b"],
            }.items()
            <= sent.items()
        ),
    ),
    "template for text": Asked("llms Hi", lambda sent: sent["temperature"] == 0.5),
    "template for images": Asked(
        "llms --image a.png", lambda sent: said(sent) == "Template of image_url"
    ),
    "template for audio": Asked(
        "llms --audio a.wav", lambda sent: said(sent) == "Template of input_audio"
    ),
    "template for files": Asked("llms --file a.pdf", lambda sent: said(sent) == "Template of file"),
    "the file may be named": Asked(
        'llms --config "$LLMS_HOME/llms.json" Hi', lambda sent: said(sent) == "Hi"
    ),
    "check": Asked("llms --check first", lambda sent: said(sent) == "1+1="),
    "check of models": Asked("llms --check first m", lambda sent: said(sent) == "1+1="),
}


@pytest.mark.parametrize("row", ASKED)
def test_a_row_that_asks(llms: CommandLine, upstream: ScriptedUpstream, row: str) -> None:
    """The prompt's way through templates, options and files to the provider."""
    line, holds = ASKED[row]
    done = llms.shell(line)
    assert done.returncode == 0, done.stderr
    assert holds(upstream.requests[-1].json)


class Shown(NamedTuple):
    """A row whose result is what the command prints."""

    line: str
    stdout: str
    stderr: str = ""
    status: int = 0


SHOWN = {
    "the answer alone": Shown("llms Hi", "Hello!\n"),
    "a pipe": Shown("llms Hi | cat", "Hello!\n"),
    "into a file": Shown("llms Hi > out.txt; cat out.txt", "Hello!\n"),
    "the whole answer": Shown("llms Hi --raw", '"object":'),
    "list": Shown("llms --list", "first: enabled"),
    "ls": Shown("llms ls", "off: not enabled: disabled"),
    "ls of a provider": Shown("llms ls first", "first: enabled"),
    "check of all models": Shown("llms --check first all", "1 of 1 answered", status=0),
    "enable": Shown("llms --enable off", "off: enabled"),
    "disable": Shown("llms --disable first", "first: disabled"),
    "several": Shown("llms --disable first off", "off: disabled"),
    "default model": Shown("llms --default m", "m is the default model already"),
    "init": Shown("llms --init", "exists already and stays as it is"),
    "verbose": Shown("llms --verbose Hi", "Hello!\n", "request: "),
    "verbose by a variable": Shown("VERBOSE=1 llms Hi", "Hello!\n", "request: "),
    "prefix of the log": Shown(
        "llms --logprefix '>> ' -m nope Hi", "", ">> llms: Model 'nope' not found", 1
    ),
    "status 1 on failure": Shown(
        "llms -m nope Hi", "", "Model 'nope' not found in any enabled provider", 1
    ),
    "an unknown provider": Shown("llms --enable nobody", "", "unknown provider 'nobody'", 1),
    # llms.py's folder with the user interface: there is none here.
    "root": Shown("llms --root /tmp Hi", "", "No such option '--root'", 2),
    # llms.py takes it for a part of the prompt.
    "an unknown option": Shown("llms --tools all Hi", "", "No such option '--tools'", 2),
}


@pytest.mark.parametrize("row", SHOWN)
def test_a_row_that_prints(llms: CommandLine, row: str) -> None:
    """The output and the exit status."""
    line, stdout, stderr, status = SHOWN[row]
    done = llms.shell(line)
    assert done.returncode == status, done.stderr
    assert stdout in done.stdout
    assert stderr in done.stderr
    if status:
        assert done.stdout == ""


def test_init_after_the_folder_was_removed(line: CommandLine) -> None:
    """`rm -rf ~/.llms; llms --init`."""
    done = line.shell('rm -rf "$LLMS_HOME"; llms --init')
    assert done.returncode == 0, done.stderr
    assert "providers" in json.loads((line.home / "llms.json").read_text("utf-8"))


SIDE_BY_SIDE = {
    "all words are the prompt": ("tell", "me", "a", "joke"),
    "model": ("-m", "m", "Hi"),
    "system prompt": ("-s", "Be brief", "Hi"),
    "image": ("--image", "a.png", "Which breed?"),
    "audio": ("--audio", "a.wav", "Who speaks?"),
    "file": ("--file", "a.pdf", "Sum it up"),
    "typed arguments": ("Hi", "--args", "temperature=0.7&seed=7&stop=a,b&store=true"),
    "template for images": ("--image", "a.png"),
}


@pytest.mark.parametrize("row", SIDE_BY_SIDE)
def test_llms_py_and_this_command_print_and_ask_the_same(
    llms_py: Environment, line: CommandLine, upstream: ScriptedUpstream, row: str
) -> None:
    """With the same file, of version 2: the same answer, and the same request as far as the model can tell."""
    line.configure(config_of(2, upstream))
    for name, data in {"a.png": PNG, "a.wav": WAV, "a.pdf": PDF}.items():
        (line.folder / name).write_bytes(data)
    arguments = SIDE_BY_SIDE[row]
    ours = line.run(*arguments)
    ours_sent = upstream.requests[-1].json
    theirs = llms_py.run("llms", "--config", line.home / "llms.json", *arguments, cwd=line.folder)
    assert theirs.returncode == ours.returncode == 0, theirs.stderr
    assert theirs.stdout.strip() == ours.stdout.strip()
    assert comparable(upstream.requests[-1].json) == comparable(ours_sent)


def comparable(request: Any) -> Any:
    """A request without what differs by design: one text is sent as a text, and media as data URIs in one notation."""
    messages = []
    for message in request["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        messages.append((message["role"], [part.get("text", part["type"]) for part in parts]))
    rest = {
        name: value
        for name, value in request.items()
        if name not in ("messages", "stream", "stream_options")
    }
    return messages, rest
