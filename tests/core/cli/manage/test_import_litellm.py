"""`llms import litellm`."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import TIMEOUT

from llms_core.testing import ScriptedUpstream
from llms_core.testing.upstream import error, json_body
from tests.conftest import ChildGateway, Launch
from tests.core.cli.manage.conftest import Ran, Run
from tests.core.server.conftest import until

FILES = Path(__file__).parent / "litellm"


def converted(result: Ran) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two files that were printed."""
    llms_json, toml = result.stdout.split("\n# plugins.toml\n")
    return json.loads(llms_json.removeprefix("// llms.json\n"))["providers"], tomllib.loads(toml)


def reported(result: Ran, file: Path) -> list[str]:
    return [
        line.removeprefix(f"{file}: ")
        for line in result.stderr.splitlines()
        if line.startswith(str(file))
    ]


def test_providers_of_every_kind(llms: Run) -> None:
    result = llms("import", "litellm", str(FILES / "providers.yaml"))
    assert result.returncode == 0, result.stderr
    providers, toml = converted(result)
    assert providers == {
        "openai": {
            "type": "openai",
            "api_key": "$OPENAI_API_KEY",
            "max_completion_tokens": 100,
            "temperature": 0.2,
            "models": {"mini": "gpt-4o-mini"},
        },
        "openai-2": {
            "type": "openai",
            "api_key": "$OPENAI_API_KEY",
            "models": {"embed": "text-embedding-3-small"},
        },
        "anthropic": {
            "type": "anthropic",
            "api_key": "$ANTHROPIC_API_KEY",
            "models": {"sonnet": "claude-sonnet-4-5"},
            "pricing": {"claude-sonnet-4-5": {"input": "0.000003", "output": "0.000015"}},
        },
        "azure": {
            "type": "azure",
            "base_url": "https://ours.openai.azure.com/",
            "api_key": "$AZURE_API_KEY",
            "api_version": "2024-10-21",
            "retries": 4,
            "models": {"team": "our-deployment"},
        },
        "bedrock": {
            "type": "bedrock",
            "region": "eu-central-1",
            "access_key_id": "$AWS_ID",
            "secret_access_key": "$AWS_SECRET",
            "models": {"haiku": "eu.anthropic.claude-haiku-4-5-v1:0"},
        },
        "vertex-anthropic": {
            "type": "vertex-anthropic",
            "project": "our-project",
            "location": "europe-west1",
            "models": {"vertex-claude": "claude-sonnet-4-5"},
        },
        "google": {
            "type": "google",
            "api_key": "$GEMINI_API_KEY",
            "models": {"gemini": "gemini-2.5-flash"},
        },
        "ollama": {
            "type": "ollama",
            "base_url": "http://localhost:11434",
            "models": {"llama": "llama3.2"},
        },
        "together": {
            "type": "together",
            "env": ["TOGETHERAI_API_KEY", "TOGETHER_API_KEY"],
            "models": {"hosted": "meta-llama/Llama-3.3-70B-Instruct-Turbo"},
        },
        "openai-compatible": {
            "type": "openai-compatible",
            "api": "$GPU_URL",
            "api_key": "$LITELLM_KEY_1",
            "headers": {"X-Team": "ours"},
            "force": {"top_k": 5},
            "models": {"own": "qwen3"},
        },
    }
    assert toml == {"timeouts": {"provider": {"azure": {"total": 20, "first_token": 5}}}}
    assert "sk-of-our-gpu" not in result.stdout + result.stderr
    assert reported(result, FILES / "providers.yaml") == []


def test_wildcards_offer_what_the_provider_lists(llms: Run) -> None:
    result = llms("import", "litellm", str(FILES / "wildcards.yaml"))
    assert result.returncode == 1, "one of them is not converted"
    providers, _ = converted(result)
    wildcard = {"all_models": True}
    assert providers == {
        "openai": {"type": "openai", "api_key": "$OPENAI_API_KEY", **wildcard, "model_prefix": "openai/"},
        "groq": {"type": "groq", "api_key": "$GROQ_API_KEY", **wildcard},
        "anthropic": {
            "type": "anthropic", "api_key": "$ANTHROPIC_API_KEY", **wildcard, "include_models": r"^claude\-"
        },
    }  # fmt: skip
    assert reported(result, FILES / "wildcards.yaml")[3:] == [
        "model_list[3]: not converted: only wildcards are converted that add a prefix to the provider's names, such as "
        "`openai/*`"
    ]


def test_everything_that_is_not_converted_is_reported_with_its_path(llms: Run) -> None:
    file = FILES / "not_converted.yaml"
    result = llms("import", "litellm", str(file))
    assert result.returncode == 1
    providers, toml = converted(result)
    assert providers == {
        "openai-compatible": {
            "type": "openai-compatible", "api": "https://gpu.example/v1", "models": {"one": "one"}
        }
    }  # fmt: skip
    assert toml == {"routing": {"strategy": "ordered", "fallbacks": {"one": ["long-one"]}}}
    assert reported(result, file) == [
        "model_list[0].litellm_params.litellm_credential_name: not converted: `credential_list` has no 'missing'",
        "model_list[0].litellm_params.api_key: no key is sent to this server, where LiteLLM sends that of OpenAI",
        "model_list[0]: `rpm` is only used as a weight: the number of requests is not limited",
        "model_list[0]: `tpm` is only used as a weight: the number of requests is not limited",
        "model_list[0].model_info: not converted: limits of tokens are not used",
        "model_list[0].litellm_params.tags: not converted: there is no counterpart",
        "model_list[0].model_info.access_groups: not converted: there is no counterpart",
        "model_list[1].litellm_params: not converted: no provider is installed for LiteLLM's 'nobody'",
        "model_list[2]: not converted: api: not an http(s) URL",
        "model_list[3]: not converted: it has no `model_name`, or no `litellm_params.model`",
        "model_list[4].litellm_params.api_base: not converted: an OpenAI-compatible server needs one",
        "router_settings.routing_strategy: becomes ordered: the providers are tried in the order of llms.json, and not "
        "by price",
        "router_settings.model_group_alias.six: not converted: no deployment has the name 'nothing'",
        "litellm_settings.context_window_fallbacks[0]: is used after every kind of failure, and not only for a prompt "
        "that is too long",
        "general_settings.master_key: not converted: NOT_SET is not set: set it, and import again",
        "general_settings.master_key: as long as plugins.toml has no key, everybody on this machine may use the server",
        "router_settings.enable_tag_filtering: not converted: there is no counterpart",
        "litellm_settings.success_callback: not converted: there is no counterpart",
        "general_settings.database_url: not converted: there is no counterpart",
        "environment_variables.REDIS_PASSWORD: not converted: set it in the environment, or in ~/.llms/.env",
        "include: not converted: there is no counterpart",
        "guardrails: not converted: there is no counterpart",
    ]
    assert "secret-of-" not in result.stdout + result.stderr


MASTER = {"authorization": "Bearer sk-master-of-all"}
BALANCED = """
model_list:
  - model_name: fast
    litellm_params: {{model: openai/up-a, api_base: "{first}", api_key: sk-of-first, rpm: 90}}
  - model_name: fast
    litellm_params: {{model: openai/up-b, api_base: os.environ/SECOND_URL, api_key: os.environ/SECOND_KEY, rpm: 10}}
  - model_name: careful
    litellm_params: {{model: openai/up-c, api_base: "{first}", api_key: sk-of-first}}
  - model_name: spare
    litellm_params: {{model: openai/up-d, api_base: os.environ/SECOND_URL, api_key: os.environ/SECOND_KEY}}
  - model_name: vendor/*
    litellm_params: {{model: openai/*, api_base: os.environ/SECOND_URL, api_key: os.environ/SECOND_KEY}}
router_settings:
  num_retries: 0
  cooldown_time: 2
  allowed_fails: 2
  timeout: 30
  fallbacks: [{{careful: [spare]}}]
  default_fallbacks: [spare]
  model_group_alias: {{gpt-4: careful}}
general_settings: {{master_key: sk-master-of-all}}
litellm_settings: {{drop_params: true, cache: true, cache_params: {{type: redis, ttl: 5, host: localhost}}}}
"""


@pytest.fixture
def balanced(
    home: Path, upstreams: Callable[[], ScriptedUpstream]
) -> tuple[ScriptedUpstream, ScriptedUpstream, Path]:
    """Two providers, and a configuration of LiteLLM with both."""
    first, second = upstreams(), upstreams()
    path = home / "config.yaml"
    path.write_text(BALANCED.format(first=first.base_url))
    return first, second, path


def test_load_balancing_and_the_settings_of_the_router(
    llms: Run, balanced: tuple[ScriptedUpstream, ScriptedUpstream, Path]
) -> None:
    _, _, path = balanced
    result = llms("import", "litellm", str(path))
    assert result.returncode == 0, result.stderr
    providers, toml = converted(result)
    assert {name: block.get("models") for name, block in providers.items()} == {
        "openai-compatible": {"fast": "up-a"},
        "openai-compatible-2": {"fast": "up-b"},
        "openai-compatible-3": {"careful": "up-c", "gpt-4": "up-c"},
        "openai-compatible-4": {"spare": "up-d"},
        "openai-compatible-5": None,
    }
    digest = hashlib.sha256(b"sk-master-of-all").hexdigest()
    fallbacks = {"careful": ["spare"], "fast": ["spare"]}
    assert toml == {
        "routing": {
            "strategy": "weighted",
            "weights": {"openai-compatible": 90, "openai-compatible-2": 10},
            "fallbacks": fallbacks,
            "retry": {"attempts": 0},
            "breaker": {"cooldown": 2, "failures": 3},
        },
        "timeouts": {"total": 30},
        "server": {"keys": {"master": f"sha256:{digest}"}},
        "plugin": {"cache": {"max_age": 5}},
    }
    assert "sk-" not in result.stdout + result.stderr
    assert (
        "litellm_settings.cache: answers are kept in the memory of each process, and not in redis"
        in result.stderr
    )


def test_a_key_does_not_take_the_name_of_another_one(
    llms: Run, balanced: tuple[ScriptedUpstream, ScriptedUpstream, Path]
) -> None:
    """Which is there from an earlier import."""
    _, _, path = balanced
    result = llms("import", "litellm", str(path), env={"LITELLM_KEY_1": "sk-of-another-file"})
    assert converted(result)[0]["openai-compatible"]["api_key"] == "$LITELLM_KEY_2"


def test_the_converted_configuration_is_served(
    llms: Run,
    gateway: Launch,
    home: Path,
    balanced: tuple[ScriptedUpstream, ScriptedUpstream, Path],
) -> None:
    """With answers of both providers, a fallback, an alias, a wildcard, and the keys of LiteLLM's file."""
    first, second, path = balanced
    variables = {"SECOND_URL": second.base_url, "SECOND_KEY": "sk-of-second"}
    written = llms("import", "litellm", str(path), "--write", env=variables)
    assert written.returncode == 0, written.stderr
    keys = home / ".llms/.env"
    assert keys.read_text() == "LITELLM_KEY_1='sk-of-first'\n"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    checked = llms("config", "check", "--strict", env=variables)
    assert checked.stdout.endswith("ok, 5 of 5 providers enabled\n"), checked.stderr

    toml = (home / ".llms/plugins.toml").read_text()
    config = json.loads((home / ".llms/llms.json").read_text())
    server = gateway(config, plugins=toml, env={**variables, "LLMS_HOME": str(home / ".llms")})

    first.default = error(503, "out of order")
    assert asked(server, "sk-wrong", "fast").status_code == 401
    answered = asked(server, "sk-master-of-all", "fast")
    assert (answered.status_code, answered.headers["x-llms-provider"]) == (
        200,
        "openai-compatible-2",
    )
    assert second.requests[-1].json["model"] == "up-b"
    assert second.requests[-1].headers["authorization"] == "Bearer sk-of-second"
    assert [request.headers["authorization"] for request in first.requests[:1]] in (
        [],
        ["Bearer sk-of-first"],
    )

    fallen_back = asked(server, "sk-master-of-all", "careful")
    assert (fallen_back.status_code, second.requests[-1].json["model"]) == (200, "up-d")
    assert first.requests[-1].json["model"] == "up-c"
    assert first.requests[-1].headers["authorization"] == "Bearer sk-of-first"

    until(lambda: "vendor/m" in httpx.get(f"{server.base_url}/models", headers=MASTER).text)
    wildcard = asked(server, "sk-master-of-all", "vendor/m")
    assert (wildcard.status_code, second.requests[-1].json["model"]) == (200, "m")

    first.default = json_body({**answered.json(), "id": "of-first"})
    assert asked(server, "sk-master-of-all", "gpt-4", "again").json()["id"] == "of-first"


def asked(server: ChildGateway, key: str, model: str, text: str = "Hello") -> httpx.Response:
    return httpx.post(
        f"{server.base_url}/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": model, "messages": [{"role": "user", "content": text}]},
    )


def test_files_that_exist_are_only_replaced_if_that_is_wanted(llms: Run, file: Path) -> None:
    file.write_text('{"providers": {}}')
    path = str(FILES / "wildcards.yaml")
    refused = llms("import", "litellm", path, "--write")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"llms: {file}: the file exists already (--force replaces it")
    assert file.read_text() == '{"providers": {}}'
    assert llms("import", "litellm", path, "--write", "--force").returncode == 1
    assert "groq" in json.loads(file.read_text())["providers"]
    assert file.with_name("llms.json.bak").read_text() == '{"providers": {}}'


def test_named_files_are_written(llms: Run, home: Path) -> None:
    llms(
        "--config",
        "a.json",
        "--plugins",
        "b.toml",
        "import",
        "litellm",
        str(FILES / "providers.yaml"),
        "--write",
    )
    assert "azure" in json.loads((home / "a.json").read_text())["providers"]
    assert "timeouts" in tomllib.loads((home / "b.toml").read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_list: [", "config.yaml:1: not valid YAML: "),
        ("[1, 2]", "config.yaml: not a configuration of LiteLLM: it has no sections"),
        ("general_settings: !!python/object:os.system {}", "not valid YAML: "),
    ],
)
def test_a_file_that_is_none_of_litellms_is_an_error(
    llms: Run, home: Path, text: str, message: str
) -> None:
    (home / "config.yaml").write_text(text)
    result = llms("import", "litellm", "config.yaml")
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_members_of_a_wrong_type_are_reported_and_the_rest_is_converted(
    llms: Run, home: Path
) -> None:
    (home / "config.yaml").write_text(
        "model_list:\n"
        "- {model_name: good, litellm_params: {model: groq/good, timeout: soon, extra_body: 5}}\n"
        "- {model_name: bad, litellm_params: 5}\n"
        "- word\n"
        "router_settings: {num_retries: x, cooldown_time: [], fallbacks: {a: b}}\n"
        "litellm_settings: 7\n"
        "environment_variables: [A]\n"
    )
    result = llms("import", "litellm", "config.yaml")
    assert result.returncode == 1
    providers, _ = converted(result)
    assert providers == {"groq": {"type": "groq", "models": {"good": "good"}}}
    number = "not converted: it has to be a number, and not negative"
    mapping = "not converted: it has to be a mapping"
    missing = "not converted: it has no `model_name`, or no `litellm_params.model`"
    assert set(reported(result, Path("config.yaml"))) == {
        f"model_list[0].litellm_params.timeout: {number}",
        f"model_list[0].litellm_params.extra_body: {mapping}",
        f"model_list[1].litellm_params: {mapping}",
        f"model_list[1]: {missing}",
        f"model_list[2]: {mapping}",
        f"model_list[2]: {missing}",
        f"router_settings.num_retries: {number}",
        f"router_settings.cooldown_time: {number}",
        "router_settings.fallbacks: not converted: it has to be a list",
        f"litellm_settings: {mapping}",
        f"environment_variables: {mapping}",
    }


def test_a_list_of_models_that_is_none_is_not_a_success(llms: Run, home: Path) -> None:
    (home / "config.yaml").write_text("model_list: {a: 1}")
    result = llms("import", "litellm", "config.yaml")
    assert result.returncode == 1
    assert reported(result, Path("config.yaml")) == [
        "model_list: not converted: it has to be a list"
    ]


@pytest.mark.parametrize(("library", "package"), [("yaml", "PyYAML"), ("tomli_w", "tomli-w")])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    home: Path, environment: Mapping[str, str], library: str, package: str
) -> None:
    arguments = ["import", "litellm", str(FILES / "providers.yaml")]
    program = f"import sys; sys.modules[{library!r}] = None; from llms_core.cli import main; main({arguments!r})"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert result.returncode == 2
    assert package in result.stderr
    assert 'pip install "llms-core[litellm]"' in result.stderr
