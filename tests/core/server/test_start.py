"""What `llms serve` tells at the start and after a reload: which files and providers are in effect, and what to try."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from command_line import TIMEOUT, CommandLine

from llms_core.testing import Reply, ScriptedUpstream, completion
from tests.core.server.conftest import until

if TYPE_CHECKING:
    from tests.conftest import ChildGateway, Launch, ProviderBlock, Serve, ThreadGateway

pytestmark = pytest.mark.slow  # real processes


def told(gateway: ChildGateway) -> list[str]:
    """The lines for the user, without their label."""
    return [
        line.removeprefix("llms: ")
        for line in gateway.log().splitlines()
        if line.startswith("llms: ")
    ]


def starting_with(lines: list[str], beginning: str) -> str:
    [line] = [line for line in lines if line.startswith(beginning)]
    return line.removeprefix(beginning)


def test_the_files_and_providers_in_effect(gateway: Launch, provider: ProviderBlock) -> None:
    """And for each provider that is not enabled how to enable it; those that only lack a key share a line."""
    url = "http://localhost:1"
    config = {
        "first": provider(url, {"a": "a", "b": "b"}),
        "second": provider(url, models={"m": "m"}, all_models=True),
        "keyless": provider(url, api_key="$NO_SUCH_KEY"),
        "groq": {},
        "off": provider(url, enabled=False),
        "bedrock": {},
    }
    launched = gateway(
        {"providers": config},
        env={"DEEPSEEK_API_KEY": "sk-marked-deepseek", "AWS_REGION": "eu-west-1"},
    )
    lines = told(launched)
    assert starting_with(lines, "llms.json: ") == str(launched.config_path)
    assert starting_with(lines, "plugins.toml: ") == str(launched.plugins_path)
    assert (
        starting_with(lines, "enabled: ") == "first (2 models), second (1 model and those it lists)"
    )
    assert starting_with(lines, "not enabled for lack of a key in the environment: ") == (
        "keyless (NO_SUCH_KEY), groq (GROQ_API_KEY)"
    )
    assert starting_with(lines, "switched off: ") == "off; `llms enable NAME` switches one on"
    assert "no credentials: set AWS_BEARER_TOKEN_BEDROCK" in starting_with(
        lines, "not enabled: bedrock: "
    )
    assert (
        "DEEPSEEK_API_KEY is set, but llms.json has no provider deepseek: run `llms enable deepseek`"
        in lines
    )
    assert "sk-marked" not in launched.log()


def test_a_user_without_files(line: CommandLine) -> None:
    """What `llms serve` finds in an empty folder."""
    process = line.start("serve", "--port", "0")
    lines = _until_listening(process)
    assert starting_with(lines, "llms: llms.json: ").startswith(
        "none, so that every known provider"
    )
    assert starting_with(lines, "llms: plugins.toml: ") == "none, so that the defaults apply"


def _until_listening(process: subprocess.Popen[bytes]) -> list[str]:
    """What the process writes until it listens. It is ended then."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.decode().rstrip())
        if "listening on" in lines[-1]:
            break
    process.terminate()
    process.communicate(timeout=TIMEOUT)
    return lines


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line without a configuration."""
    return CommandLine(tmp_path)


@pytest.mark.parametrize(
    "keys", ["", '[server.keys]\nada = "sha256:{digest}"\n'], ids=["open", "with a key"]
)
def test_the_curl_command_works_as_it_is_printed(
    gateway: Launch, provider: ProviderBlock, upstream: ScriptedUpstream, keys: str
) -> None:
    """Except that the server cannot know the keys, of which it has the hashes."""
    upstream.default = Reply(completion("It works."))
    plugins = keys.format(digest=hashlib.sha256(b"secret").hexdigest())
    launched = gateway({"providers": {"first": provider(upstream)}}, plugins=plugins)
    command = starting_with(told(launched), "try it: ")
    assert ("YOUR_KEY" in command) == bool(keys)
    typed = command.replace("YOUR_KEY", "secret")
    done = subprocess.run(
        ["bash", "-c", typed], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "It works."


def test_the_default_model_is_what_the_command_asks(
    gateway: Launch, provider: ProviderBlock
) -> None:
    """A model for something else than chats is not."""
    models = {"text-embedding-3-small": "e", "a": "a", "b": "b"}
    config: dict[str, Any] = {"providers": {"first": provider("http://localhost:1", models)}}
    assert '"model":"a"' in starting_with(told(gateway(config)), "try it: ")


def test_a_model_is_not_known_yet(
    gateway: Launch, provider: ProviderBlock, upstream: ScriptedUpstream
) -> None:
    launched = gateway({"providers": {"first": {**provider(upstream), "models": {}}}})
    lines = told(launched)
    assert starting_with(lines, "try it: ") == f"curl {launched.base_url}/models"
    assert (
        starting_with(lines, "status page: ")
        == f"{launched.origin}/, API documentation: {launched.origin}/docs"
    )


def test_a_warning_that_no_provider_is_enabled(gateway: Launch, provider: ProviderBlock) -> None:
    launched = gateway({"providers": {"off": provider("http://localhost:1", enabled=False)}})
    expected = (
        "warning: no provider is enabled, so that every request fails: `llms add` sets one up"
    )
    assert f"llms: {expected}\n" in launched.log()


# Reloading


@pytest.fixture
def reloaded(served: Serve, provider: ProviderBlock) -> Callable[..., str]:
    """Serve with two providers, change the files, and return what the log says about it."""

    def reload(plugins: str = "", **changes: object) -> str:
        blocks = {name: provider("http://localhost:1", {name: name}) for name in ("one", "two")}
        gateway: ThreadGateway = served({"providers": blocks})
        changed = {**blocks, **changes}
        present = {name: block for name, block in changed.items() if block is not None}
        gateway.config_path.write_text(json.dumps({"providers": present}), "utf-8")
        if plugins:
            gateway.plugins_path.write_text(plugins, "utf-8")
        until(lambda: "the configuration was reloaded: " in gateway.log())
        return gateway.log().rpartition("the configuration was reloaded: ")[2].splitlines()[0]

    return reload


def test_a_reload_tells_what_has_changed(
    reloaded: Callable[..., str], provider: ProviderBlock
) -> None:
    three = provider("http://localhost:3")
    off = provider("http://localhost:1", {"one": "one"}, enabled=False)
    assert reloaded(one=off, two=None, three=three) == (
        "one is now not enabled: disabled in llms.json; three was added, enabled; two was removed"
    )


def test_a_reload_names_settings_without_their_values(
    reloaded: Callable[..., str], provider: ProviderBlock
) -> None:
    other = provider("http://localhost:1", {"one": "one"}, api_key="sk-marked-new")
    assert reloaded(one=other) == "one has other settings"


def test_a_reload_tells_the_new_order(
    reloaded: Callable[..., str], provider: ProviderBlock
) -> None:
    zero = provider("http://localhost:1")
    assert "zero was added" in reloaded(zero=zero)


def test_a_reload_names_the_tables_of_plugins_toml(reloaded: Callable[..., str]) -> None:
    assert "[timeouts] of plugins.toml" in reloaded("[timeouts]\nidle = 5\n")


@pytest.mark.parametrize("name", ["llms.json", "plugins.toml"])
def test_a_file_that_was_deleted(served: Serve, provider: ProviderBlock, name: str) -> None:
    """What was in it stays in effect: without keys, for example, the gateway would be open."""
    gateway = served({"providers": {"one": provider("http://localhost:1")}})
    (gateway.root / name).unlink()
    until(lambda: "stays in use" in gateway.log())
    message = f"{gateway.root / name}: the file has been deleted since it was read (restore it, or restart without it)"
    assert message in gateway.log()


# Files named .env


def test_a_key_beside_the_named_file_is_used(line: CommandLine, provider: ProviderBlock) -> None:
    """But no other variable of that file becomes part of the environment: it could set a proxy."""
    project = line.folder / "project"
    project.mkdir()
    config = {"providers": {"one": provider("http://localhost:1", api_key="$MY_KEY")}}
    (project / "llms.json").write_text(json.dumps(config), "utf-8")
    (project / ".env").write_text(
        "MY_KEY=secret\nHTTPS_PROXY=http://127.0.0.1:9\nLLMS_HOME=/nowhere\n", "utf-8"
    )
    named = line.run("ls", "--config", "project/llms.json")
    assert named.stdout.startswith("one: enabled\n")
    line.env["LLMS_CONFIG_PATH"] = "project/llms.json"
    assert line.run("ls").stdout.startswith("one: enabled\n")


def test_a_file_beside_one_that_was_merely_found_is_ignored(
    line: CommandLine, provider: ProviderBlock
) -> None:
    config = {"providers": {"one": provider("http://localhost:1", api_key="$MY_KEY")}}
    (line.folder / "llms.json").write_text(json.dumps(config), "utf-8")
    (line.folder / ".env").write_text("MY_KEY=secret\n", "utf-8")
    assert line.run("ls").stdout.startswith("one: not enabled: no key: set MY_KEY\n")


def test_the_users_own_file_cannot_set_a_proxy(
    line: CommandLine, upstream: ScriptedUpstream
) -> None:
    upstream.default = Reply(completion("Hello."))
    block = {
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": "$MY_KEY",
        "models": ["m"],
    }
    line.configure({"providers": {"one": block}})
    (line.home / ".env").write_text("MY_KEY=secret\nHTTP_PROXY=http://127.0.0.1:9\n", "utf-8")
    done = line.run("-m", "m", "Hi")
    assert (done.stdout, done.stderr) == ("Hello.\n", "")
    assert upstream.requests[0].headers["authorization"] == "Bearer secret"


# The embedded models


@pytest.fixture
def embedded(line: CommandLine) -> CommandLine:
    """A command line that has the embedded models, if they are installed on this machine."""
    from llms_providers.local.weights import missing_requirement

    if missing_requirement("") is not None:
        pytest.skip("the embedded model is not installed")
    del line.env["LLMS_EMBEDDED"]
    return line


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def listed(line: CommandLine) -> list[str]:
    return [item["id"] for item in json.loads(line.run("ls", "--json").stdout)]


def test_the_embedded_models_come_last(embedded: CommandLine, provider: ProviderBlock) -> None:
    """Also with a file that does not mention them, such as one of llms.py's."""
    embedded.configure({"providers": {"one": provider("http://localhost:1")}})
    assert listed(embedded)[:2] == ["one", "local"]


def test_a_file_disables_an_embedded_model(embedded: CommandLine, provider: ProviderBlock) -> None:
    embedded.configure({"providers": {"one": provider("http://localhost:1")}})
    done = embedded.run("disable", "local", "local-embeddings")
    assert done.returncode == 0, done.stderr
    enabled = [
        item["id"] for item in json.loads(embedded.run("ls", "--json").stdout) if item["enabled"]
    ]
    assert enabled == ["one"]


def test_an_embedded_model_can_be_the_default(
    embedded: CommandLine, provider: ProviderBlock
) -> None:
    embedded.configure({"providers": {"one": provider("http://localhost:1")}})
    done = embedded.run("default", "smollm2")
    assert done.stdout.endswith("default model: smollm2\n"), done.stderr
    assert list(json.loads((embedded.home / "llms.json").read_text("utf-8"))["providers"]) == [
        "one"
    ]


def test_another_model_that_runs_here_takes_the_place_of_the_embedded_one(
    embedded: CommandLine,
) -> None:
    embedded.configure(
        {"providers": {"mine": {"type": "local", "gguf": "/gone.gguf", "models": ["m"]}}}
    )
    assert "local" not in listed(embedded)


def test_an_agent_can_try_the_embedded_model(embedded: CommandLine) -> None:
    """Its tools are left out, which the answer's header says."""
    tool = {
        "type": "function",
        "function": {"name": "ls", "parameters": {"type": "object", "properties": {}}},
    }
    messages = [
        {"role": "user", "content": "List the files."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"},
    ]
    body = {
        "model": "smollm2",
        "max_completion_tokens": 5,
        "messages": messages,
        "tools": [tool],
        "tool_choice": "auto",
    }
    process = embedded.start("serve", "--port", "0")
    try:
        assert process.stderr is not None
        address = next(
            line.split()[-1].decode() for line in process.stderr if b"listening on" in line
        )
        until(lambda: _answers(f"{address}/models"), timeout=TIMEOUT)
        answer = httpx.post(
            f"{address}/chat/completions", json=body, timeout=TIMEOUT, trust_env=False
        )
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-llms-dropped-params"].split(", ") == ["tool_choice", "tools"]
    assert answer.json()["choices"][0]["message"]["content"]
