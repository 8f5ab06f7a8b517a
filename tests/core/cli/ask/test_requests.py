"""What `llms PROMPT` sends: the model, templates, the system prompt, media, `--chat` and parameters."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from llms_core.testing import Body, Reply, ScriptedUpstream, Status, text_body

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24
JPEG = b"\xff\xd8\xff" + b"\0" * 24
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 24
PDF = b"%PDF-1.7\n" + b"\0" * 24

TEXT = [{"type": "text", "text": ""}]
TEMPLATES = {
    "text": {"model": "m", "temperature": 0.5, "messages": [{"role": "user", "content": TEXT}]},
    "image": {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": ""}},
                    {"type": "text", "text": "What does this picture show?"},
                ],
            }
        ],
    },
    "audio": {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}},
                    {"type": "text", "text": "Write down what is said."},
                ],
            }
        ],
    },
    "file": {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"filename": "", "file_data": ""}},
                    {"type": "text", "text": "Sum this up."},
                ],
            }
        ],
    },
}


def uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def image(source: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": source}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def provider_of(version: int, upstream: ScriptedUpstream) -> dict[str, Any]:
    """The block of a provider in llms.py's formats of versions 2 and 3, and in ours."""
    match version:
        case 2:
            return {
                "enabled": True,
                "type": "OpenAiProvider",
                "base_url": upstream.origin,
                "api_key": "sk-marked-1",
                "models": {"m": "up-m"},
            }
        case 3 | 4:
            return {
                "enabled": True,
                "npm": "@ai-sdk/openai-compatible",
                "api": upstream.base_url,
                "api_key": "sk-marked-1",
                "models": {"up-m": {"id": "up-m", "name": "m"}},
            }
        case _:
            return {
                "type": "openai-compatible",
                "base_url": upstream.base_url,
                "api_key": "sk-marked-1",
                "models": {"m": "up-m"},
            }


@pytest.fixture(params=[2, 3, 4, 5], ids=["v2", "v3", "v4", "ours"])
def formats(
    request: pytest.FixtureRequest, line: CommandLine, upstream: ScriptedUpstream
) -> CommandLine:
    """A command line whose llms.json has each format in turn."""
    version: int = request.param
    config: dict[str, Any] = {
        "defaults": TEMPLATES,
        "providers": {"first": provider_of(version, upstream)},
    }
    if version in (3, 4):
        config["version"] = version
    line.configure(config)
    return line


def sent(upstream: ScriptedUpstream) -> Any:
    """The last request, without the model."""
    request = upstream.requests[-1].json
    assert request.pop("model") == "up-m"
    return request


@pytest.mark.slow
def test_every_option_in_every_format(formats: CommandLine, upstream: ScriptedUpstream) -> None:
    """K-17: what users of llms.py type, with files of versions 2, 3 and 4 and ours."""
    (formats.folder / "a.png").write_bytes(PNG)
    (formats.folder / "a.wav").write_bytes(WAV)
    (formats.folder / "a.pdf").write_bytes(PDF)
    (formats.folder / "chat.json").write_text(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "Before"}], "seed": 7})
    )

    def ask(*arguments: str) -> Any:
        done = formats.run(*arguments)
        assert (done.returncode, done.stdout) == (0, "Hello!\n"), done.stderr
        return sent(upstream)

    assert ask("Hi") == {"temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]}
    assert ask("Hi", "-m", "m", "-s", "Be brief")["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
    ]
    assert ask("--image", "./a.png") == {
        "messages": [
            {
                "role": "user",
                "content": [image(uri("image/png", PNG)), text("What does this picture show?")],
            }
        ]
    }
    [message] = ask("--audio", "a.wav", "Who", "speaks?")["messages"]
    assert message["content"] == [
        {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"},
        },
        text("Who speaks?"),
    ]
    [message] = ask("--file", "a.pdf")["messages"]
    assert message["content"] == [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": uri("application/pdf", PDF)}},
        text("Sum this up."),
    ]
    assert ask("--chat", "chat.json") == {
        "messages": [{"role": "user", "content": "Before"}],
        "seed": 7,
    }
    assert ask("--chat", "chat.json", "After")["messages"] == [{"role": "user", "content": "After"}]
    changed = ask("Hi", "--args", "temperature=0.7&seed=3&stop=Two,Words&logprobs=true&top_p=1")
    assert changed == {
        "temperature": 0.7,
        "seed": 3,
        "stop": ["Two", "Words"],
        "logprobs": True,
        "top_p": 1,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    raw = json.loads(formats.run("--raw", "Hi").stdout)
    assert raw["choices"][0]["message"]["content"] == "Hello!"
    listed = formats.run("--list").stdout
    assert listed == formats.run("ls").stdout
    assert "up-m" in listed


def test_without_a_template_the_first_model_is_asked(
    line: CommandLine, upstreams: Callable[[], ScriptedUpstream], provider: Callable[..., Any]
) -> None:
    first, second = upstreams(), upstreams()
    line.configure(
        {
            "providers": {
                "first": provider(first, {"a": "up-a"}),
                "second": provider(second, {"b": "up-b"}),
            }
        }
    )
    line.run("Hi")
    assert first.requests[0].json["model"] == "up-a"
    line.configure(
        {"providers": {"first": provider(first, {"text-embedding-3-small": "e", "c": "up-c"})}}
    )
    line.run("Hi")
    assert first.requests[-1].json["model"] == "up-c"
    line.configure({"providers": {}})
    done = line.run("Hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "llms: no model: no provider can be used "
        "(`llms add` sets up a provider and its key; `llms ls` lists what the others lack)\n"
    )


def test_without_a_file_the_first_model_of_a_provider_with_a_key(
    line: CommandLine, upstream: ScriptedUpstream
) -> None:
    """The default model of a packaged llms.json is nobody's choice, and this user's provider does not have it."""
    packaged = {
        "defaults": {
            "text": {"model": "theirs", "messages": [{"role": "user", "content": ""}], "seed": 7}
        },
        "providers": {
            "other": {
                "type": "openai-compatible",
                "base_url": upstream.base_url,
                "api_key": "$NO_KEY",
                "models": ["a"],
            },
            "mine": {
                "type": "openai-compatible",
                "base_url": upstream.base_url,
                "api_key": "$MY_KEY",
                "models": ["b"],
            },
        },
    }
    (line.home / "packaged.py").write_text(
        "from llms_core import hookimpl\n@hookimpl\ndef llms_default_config():\n"
        f"    return {json.dumps(packaged).encode()!r}\n"
    )
    (line.home / "plugins.toml").write_text(
        '[plugins]\nallow = ["llms-core"]\nload = ["packaged.py"]\n'
    )
    done = line.run("Hi", MY_KEY="sk-marked-1")
    assert (done.returncode, done.stdout) == (0, "Hello!\n"), done.stderr
    assert upstream.requests[-1].json == {
        "model": "b",
        "messages": [{"role": "user", "content": "Hi"}],
        "seed": 7,
    }
    assert line.run("-m", "theirs", "Hi", MY_KEY="sk-marked-1").returncode == 1


def test_models_are_discovered_if_the_file_does_not_have_them(
    line: CommandLine, upstream: ScriptedUpstream, provider: Callable[..., Any]
) -> None:
    """SR-118: only then, because it takes time."""
    line.configure({"providers": {"first": provider(upstream, {"a": "up-a"}, all_models=True)}})
    assert line.run("-m", "a", "Hi").stdout == "Hello!\n"
    assert [seen.path for seen in upstream.requests] == ["/v1/chat/completions"]
    assert line.run("-m", "m", "Hi").stdout == "Hello!\n"
    assert [seen.path for seen in upstream.requests[1:]] == ["/v1/models", "/v1/chat/completions"]


def test_media_of_several_kinds_and_sources(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """Options may be repeated. URLs are fetched, also from this machine: the user has named them."""
    upstream.routes["/picture"] = Reply(Status(200, {"content-type": "image/jpeg"}), Body(JPEG))
    (asking.folder / "a.png").write_bytes(PNG)
    sources = ("a.png", f"{upstream.origin}/picture", uri("image/gif", b"GIF89a" + b"\0" * 9))
    arguments = [part for source in sources for part in ("--image", source)]
    asking.run("Compare them", *arguments, "--file", "data:text/plain,some%20text")
    [message] = upstream.requests[-1].json["messages"]
    assert message["content"] == [
        {
            "type": "file",
            "file": {"filename": "file", "file_data": uri("text/plain", b"some text")},
        },
        image(uri("image/png", PNG)),
        image(uri("image/jpeg", JPEG)),
        image(sources[2]),
        text("Compare them"),
    ]


def test_a_picture_on_standard_input(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    asking.run("What is it?", "--image", "-", stdin=PNG)
    [message] = upstream.requests[-1].json["messages"]
    assert message["content"] == [image(uri("image/png", PNG)), text("What is it?")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--image", "gone.png"),
            "--image gone.png: No such file or directory (a path, a URL, a data URI, or -",
        ),
        (("--image", "empty.png"), "--image empty.png: the file is empty"),
        (("--image", "text.txt"), "--image text.txt: this is no image, but text/plain"),
        (("--audio", "data:audio/wav;base64,!"), "--audio: the data URI is invalid"),
        (("--chat", "gone.json"), "gone.json: cannot be read: No such file or directory"),
        (("--chat", "text.txt"), "text.txt: not a chat request in JSON: "),
        (("--chat", "odd.json"), "odd.json: `messages` has to be a list of messages"),
        (
            ("--args", "temperature"),
            "Invalid value for --args: 'temperature': expected name=value&name=value",
        ),
        (("-o", "temperature"), "Invalid value for -o: 'temperature': expected name=value"),
        (("--no-such-option",), "No such option"),
        (
            ("--chat", "odd.json", "-c"),
            "--chat begins a conversation: it cannot be combined with -c",
        ),
    ],
)
def test_usage_errors_send_nothing(
    asking: CommandLine, upstream: ScriptedUpstream, arguments: tuple[str, ...], reason: str
) -> None:
    (asking.folder / "empty.png").touch()
    (asking.folder / "text.txt").write_text("some text")
    (asking.folder / "odd.json").write_text('{"messages": "Hi"}')
    done = asking.run("Hi", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert upstream.requests == []


def test_a_url_that_cannot_be_fetched(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    upstream.routes["/gone"] = text_body("no", 404)
    done = asking.run("Hi", "--image", f"{upstream.origin}/gone")
    assert done.returncode == 1
    assert done.stderr == (
        "llms: The file named by '--image' was not fetched: its server answered with status 404\n"
    )


def test_invalid_parameters_name_the_member(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    done = asking.run("Hi", "-o", "temperature=9")
    assert done.returncode == 2
    assert done.stderr == "llms: Invalid value for 'temperature': Expected `float` <= 2.0\n"
    assert upstream.requests == []


def test_parameters_as_json_or_text(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """`-o` takes precedence over `--args`, and both over the template; how the answer is sent is not theirs."""
    options = (
        "seed=1",
        'stop=["a", "b"]',
        "user=me",
        'metadata={"a": "1"}',
        "prompt_cache_key=a=b",
        "stream=true",
    )
    arguments = [part for option in options for part in ("-o", option)]
    asking.run("Hi", "--args", "seed=2&top_p=.5&user=nan&stream=true", *arguments)
    request = sent(upstream)
    del request["messages"]
    assert request == {
        "seed": 1,
        "top_p": 0.5,
        "user": "me",
        "stop": ["a", "b"],
        "metadata": {"a": "1"},
        "prompt_cache_key": "a=b",
    }


def chat_file(line: CommandLine, request: Mapping[str, Any]) -> str:
    (line.folder / "request.json").write_text(json.dumps(request))
    return "request.json"


def test_the_prompt_and_media_replace_the_last_ones_of_a_chat_request(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    """What stands before them stays; paths in the file are read, as with llms.py."""
    (asking.folder / "a.png").write_bytes(PNG)
    (asking.folder / "b.jpg").write_bytes(JPEG)
    path = chat_file(
        asking,
        {
            "messages": [
                {"role": "system", "content": "Be long"},
                {"role": "user", "content": [text("Look:"), image("a.png"), text("What is it?")]},
            ],
            "temperature": 0,
        },
    )
    asking.run("--chat", path)
    assert upstream.requests[-1].json["messages"][1]["content"] == [
        text("Look:"),
        image(uri("image/png", PNG)),
        text("What is it?"),
    ]
    asking.run("--chat", path, "Who?", "--image", "b.jpg", "-s", "Be brief")
    request = sent(upstream)
    assert request == {
        "messages": [
            {"role": "system", "content": "Be brief"},
            {
                "role": "user",
                "content": [text("Look:"), image(uri("image/jpeg", JPEG)), text("Who?")],
            },
        ],
        "temperature": 0,
    }


def test_templates_of_a_file_read_nothing_from_disk(
    line: CommandLine, upstream: ScriptedUpstream, provider: Callable[..., Any]
) -> None:
    """An llms.json in the current folder may be anybody's, and its provider, too."""
    (line.folder / "secret.png").write_bytes(PNG)
    content = [image("secret.png"), text("")]
    template = {"model": "m", "messages": [{"role": "user", "content": content}]}
    line.configure({"defaults": {"text": template}, "providers": {"first": provider(upstream)}})
    done = line.run("Hi")
    assert done.returncode == 2
    assert "local files are not read" in done.stderr
    assert upstream.requests == []


def test_a_request_that_is_too_large(
    line: CommandLine, upstream: ScriptedUpstream, provider: Any
) -> None:
    """SR-029 applies here as well."""
    line.configure(
        {"limits": {"client_max_size": 1000}, "providers": {"first": provider(upstream)}}
    )
    done = line.run("x" * 1000)
    assert done.returncode == 2
    assert "at most 1000 are sent (limits.client_max_size" in done.stderr
    assert line.run(stdin="x" * 1001).stderr == "llms: standard input exceeds 1000 bytes\n"


@pytest.mark.slow
def test_the_log_shows_the_request_without_long_data(asking: CommandLine, tmp_path: Path) -> None:
    """`--verbose`, `VERBOSE=1`, `--logprefix`."""
    (asking.folder / "a.png").write_bytes(PNG + b"\0" * 1000)
    for arguments, env in ((("--verbose",), {}), ((), {"VERBOSE": "1"}), ((), {"VERBOSE": "true"})):
        done = asking.run(*arguments, "--logprefix", "AI: ", "Hi", "--image", "a.png", **env)
        lines = done.stderr.splitlines()
        assert done.stdout == "Hello!\n"
        assert all(each.startswith("AI: ") for each in lines)
        [request] = [each for each in lines if "request: {" in each]
        assert len(request) < 1000
        assert "sk-marked" not in done.stderr
    assert asking.run("Hi", VERBOSE="0").stderr == ""
    assert asking.run("Hi", "--logprefix", "AI: ", "-m", "x").stderr.startswith(
        "AI: llms: Model 'x' not found"
    )
