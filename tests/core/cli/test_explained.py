"""What users read when a command cannot do what they want."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from command_line import CommandLine

from llms_core.testing import ScriptedUpstream
from llms_providers.local.weights import find_weights

pytestmark = pytest.mark.slow  # real processes

Provider = Callable[..., dict[str, Any]]


def test_route_names_providers_whose_models_it_does_not_know(
    line: CommandLine, upstream: ScriptedUpstream, provider: Provider
) -> None:
    """They list their models themselves."""
    lists = provider(upstream, all_models=True)
    line.configure({"providers": {"lists": lists, "other": provider(upstream, {"m": "x"})}})
    done = line.run("route", "n")
    assert done.returncode == 1
    assert done.stdout.startswith("?  lists: may have the model")
    assert done.stderr == (
        "llms: llms.json has no model 'n', but lists may have it (`llms check lists n` asks it)\n"
    )
    assert upstream.requests == []


def test_without_any_key_the_way_to_one_is_named(line: CommandLine, provider: Provider) -> None:
    line.configure({"providers": {"p": provider("http://localhost:1", api_key="$NO_SUCH_KEY")}})
    done = line.run("Hi")
    assert done.returncode == 1
    assert "`llms add` sets up a provider and its key" in done.stderr


def test_a_templates_model_that_is_not_served_is_explained(
    line: CommandLine, provider: Provider
) -> None:
    """With its template, and with why the provider that has it is not used."""
    block = provider("http://localhost:1", {"v": "v"}, api_key="$NO_SUCH_KEY")
    line.configure(
        {"defaults": {"image": {"model": "v", "messages": []}}, "providers": {"p": block}}
    )
    done = line.run("--image", "data:image/png;base64,iVBORw0KGgo=", "Hi")
    assert done.returncode == 1
    assert f"It is the model of `defaults.image` in {line.home / 'llms.json'}" in done.stderr
    assert "p has it, but cannot be used: no key: set NO_SUCH_KEY" in done.stderr


def test_a_chat_request_without_a_model_has_the_default_one(
    line: CommandLine, upstream: ScriptedUpstream, provider: Provider
) -> None:
    models = provider(upstream, {"first": "up-first", "chosen": "up-chosen"})
    line.configure(
        {"defaults": {"text": {"model": "chosen", "messages": []}}, "providers": {"p": models}}
    )
    (line.folder / "request.json").write_text(
        '{"messages": [{"role": "user", "content": "Hi"}]}', "utf-8"
    )
    done = line.run("--chat", "request.json")
    assert done.returncode == 0, done.stderr
    assert upstream.requests[-1].json["model"] == "up-chosen"


@pytest.mark.parametrize("command", [["Hi"], ["chat"]], ids=["prompt", "chat"])
def test_a_parameter_of_a_wrong_type_is_wrong_usage(
    asking: CommandLine, upstream: ScriptedUpstream, command: list[str]
) -> None:
    """Exit code 2, and nothing is sent."""
    done = asking.run(*command, "-o", "temperature=x")
    assert done.returncode == 2
    assert "temperature" in done.stderr
    assert upstream.requests == []


def test_a_chat_with_an_unknown_model_fails_at_once(asking: CommandLine) -> None:
    done = asking.run("chat", "-m", "nope", stdin="Hi\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Model 'nope' not found" in done.stderr


def test_the_log_says_whether_it_is_on(line: CommandLine) -> None:
    assert line.run("log", "off").stdout.startswith("the log is off")
    assert line.run("log", "on").stdout.startswith("the log is on")
    assert (
        line.run("log", "of").stderr
        == "llms: no conversation and no request 'of'; did you mean `llms log off`?\n"
    )


def test_the_usage_has_no_gap(line: CommandLine) -> None:
    assert line.run("--bogus").stderr.startswith("Usage: llms [OPTIONS] [PROMPT]...\n")


def test_a_missing_plugin_file_is_called_that(asking: CommandLine) -> None:
    """And not a plugin that authenticates; the gateway does not start without it, all the same."""
    (asking.home / "plugins.toml").write_text('[plugins]\nload = ["gone.py"]\n', "utf-8")
    done = asking.run("Hi")
    assert done.returncode == 2
    assert "plugins.load: 'gone.py' does not exist" in done.stderr
    assert "authenticate" not in done.stderr


def test_code_of_the_current_folder_is_refused_once(asking: CommandLine) -> None:
    (asking.folder / "mine.py").write_text("", "utf-8")
    (asking.folder / "plugins.toml").write_text('[plugins]\nload = ["mine.py"]\n', "utf-8")
    assert asking.run("ls").stderr.count("load is ignored") == 1
    assert asking.run("Hi").stderr.count("load is ignored") == 1


def test_missing_keys_are_one_warning(line: CommandLine, provider: Provider) -> None:
    blocks = {
        name: provider("http://localhost:1", api_key=f"${name.upper()}_KEY") for name in ("a", "b")
    }
    line.configure({"providers": blocks})
    done = line.run("config", "check")
    assert (
        "providers: left out, because they have no key: a (set A_KEY), b (set B_KEY)" in done.stderr
    )
    assert done.stderr.count("_KEY") == 2


@pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_weights() is None,
    reason="the embedded model is not installed",
)
def test_before_there_is_any_key_the_embedded_model_answers(line: CommandLine) -> None:
    """After `llms init`, as it does without any file. Who names a model gets that one or an error."""
    del line.env["LLMS_EMBEDDED"]
    line.configure(
        {
            "defaults": {"text": {"model": "m", "messages": []}},
            "providers": {"groq": {"models": ["m"]}},
        }
    )
    done = line.run("Hi", "-o", "max_tokens=4", GROQ_API_KEY="")
    assert done.returncode == 0, done.stderr
    assert "no provider of 'm' has a key, so 'smollm2' answers" in done.stderr
    assert line.run("-m", "m", "Hi", GROQ_API_KEY="").returncode == 1
