"""The plugin of the first release: every hook and both kinds of adapters, behind a real server.

`v1/` must never change, because it enforces the versioning policy. If one of these tests fails, a change of the core
breaks existing plugins: fix the core, or deprecate first, as docs/versioning.md describes.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from llms_core.cli import main
from llms_core.errors import ErrorKind
from llms_core.plugins import hookspecs
from llms_core.plugins.loading import load_plugins
from llms_core.testing import Chunk, Reply, ScriptedUpstream, Status, error, json_body
from tests.conftest import MARK, Gateway, Serve
from tests.core.server.conftest import until

FOLDER = Path(__file__).parent / "v1"
DIGEST = "13ba975eb3f59721c35ce107eb8c19312f9ee19634a2a25a2191019c6207f0d1"
TOKEN = f"{MARK}of-v1"
SETTINGS = '[plugin.all-hooks]\ngreeting = "Grüße!"\ntoken = "$V1_TOKEN"\n'
NO_RETRIES = "[routing.retry]\nattempts = 0\n"
HOOKS = {name for name in vars(hookspecs) if name.startswith("llms_")}
LATER = {
    "llms_config",
    "llms_secrets",
    "llms_middleware",
    "llms_operations",
    "llms_dialects",
    "llms_public_routes",
    "llms_root_routes",
    "llms_measurements",
    "llms_attempt_started",
    "llms_status",
}
"""Hooks that the first release did not have; each is exercised by tests of its own."""

Heard = list[tuple[str, Any]]


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """What the plugin recorded. It is installed for one test, and its module is removed afterwards."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("V1_TOKEN", TOKEN)
    module = importlib.import_module("llms_plugin_v1")
    yield module.heard
    del sys.modules["llms_plugin_v1"]


def chat(
    gateway: Gateway, text: str = "Hello!", headers: Mapping[str, str] | None = None, **more: Any
) -> Any:
    own = {"authorization": f"Bearer {TOKEN}"} if headers is None else headers
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(
        f"{gateway.base_url}/chat/completions", json=body, headers=own, timeout=20, trust_env=False
    )


def blocks(
    upstream: ScriptedUpstream, *ids: str, kind: str = "v1", **more: object
) -> dict[str, Any]:
    block = {
        "type": kind,
        "base_url": upstream.base_url,
        "models": {"m": "up-m"},
        "api_key": f"{MARK}up",
        **more,
    }
    return {"providers": dict.fromkeys(ids, block)}


def models_of(gateway: Gateway) -> set[str]:
    listed = httpx.get(
        f"{gateway.base_url}/models", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False
    )
    return {model["id"] for model in listed.json()["data"]}


def of(heard: Heard, what: str) -> list[Any]:
    return [value for name, value in heard if name == what]


def test_the_folder_has_not_changed() -> None:
    digest = hashlib.sha256()
    for path in sorted(
        path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc"
    ):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    assert digest.hexdigest() == DIGEST, "v1/ must never change; add new things to a folder v2/"


def test_it_is_loaded_with_every_hook(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins.toml"
    plugins.write_text(SETTINGS, "utf-8")
    _, host = load_plugins(plugins)
    report = next(report for report in host.reports if report.name == "all-hooks")
    assert (report.distribution, report.version, report.state, report.reason) == (
        "llms-plugin-v1",
        "1.0",
        "ok",
        "",
    )
    hooks = {"llms_configure", "llms_providers", *report.provides} - {"v1", "v1-native"}
    assert hooks | LATER == HOOKS


def test_configure_routes_and_lifespan(
    served: Serve, upstream: ScriptedUpstream, heard: Heard
) -> None:
    """llms_configure, llms_routes, llms_lifespan. The plugin authenticates, so its route needs a key."""
    gateway = served(blocks(upstream, "one"), SETTINGS)
    url = f"{gateway.origin}/x/all-hooks/greeting"
    assert httpx.get(url, trust_env=False).status_code == 401
    answer = httpx.get(url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)
    assert answer.json() == {"greeting": "Grüße!"}
    assert of(heard, "lifespan") == ["in"]
    gateway.stop()
    assert of(heard, "lifespan") == ["in", "out"]


def test_authenticate(served: Serve, upstream: ScriptedUpstream, heard: Heard) -> None:
    """llms_authenticate: a caller, no caller, and a rejection by the plugin."""
    gateway = served(blocks(upstream, "one"), SETTINGS)
    assert chat(gateway).status_code == 200
    assert chat(gateway, headers={"authorization": "Bearer wrong"}).status_code == 401
    refused = chat(gateway, headers={"x-banned": "yes"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "banned")
    gateway.stop()
    assert [record.caller for record in of(heard, "request")] == ["frozen", None, None]


def test_candidates_and_records(served: Serve, upstream: ScriptedUpstream, heard: Heard) -> None:
    """llms_candidates, llms_attempt_finished, llms_request_finished."""
    upstream.script(error(500))
    gateway = served(blocks(upstream, "unwanted", "first", "second"), SETTINGS + NO_RETRIES)
    answer = chat(gateway)
    assert answer.headers["x-llms-provider"] == "second"
    gateway.stop()
    assert of(heard, "candidates") == [["unwanted", "first", "second"]]
    attempts = of(heard, "attempt")
    assert [(each.provider, each.kind, each.status) for each in attempts] == [
        ("first", ErrorKind.OVERLOADED, 500), ("second", None, None)
    ]  # fmt: skip
    (record,) = of(heard, "request")
    assert (record.request_id, record.status, record.stream) == (
        answer.headers["x-request-id"],
        200,
        False,
    )
    assert (record.model, record.provider, record.upstream_model) == ("m", "second", "up-m")
    assert record.attempts == tuple(attempts)
    assert record.usage.total_tokens == attempts[1].usage.total_tokens > 0
    assert 0 <= record.overhead <= record.duration
    assert (record.cost, record.kind) == (None, None)


def test_a_compatible_adapter(served: Serve, upstream: ScriptedUpstream) -> None:
    """llms_providers: by alias, with an overridden method."""
    gateway = served(blocks(upstream, "one", kind="V1-Alias"), SETTINGS)
    assert chat(gateway, stream=True).text.endswith("data: [DONE]\n\n")
    assert upstream.requests[-1].headers["x-v1"] == "compatible"


def test_a_native_adapter(served: Serve, upstream: ScriptedUpstream, heard: Heard) -> None:
    """The four methods, and the optional protocols: Discovers, Prepares, Closes, Available."""
    line = b'{"said": "Hi"}\n{"said": " you"}\n{"in": 3, "out": 2}\n'
    models = json_body(["found"])
    whole_answer = json_body({"said": "Hi", "in": 3, "out": 2})
    streamed = Reply(Status(200, {"content-type": "application/x-ndjson"}), Chunk(line))

    def answer_to(request: Any) -> Reply:
        if request.method == "GET":
            return models
        return streamed if request.json["stream"] else whole_answer

    upstream.default = Reply(answer_to)
    gateway = served(blocks(upstream, "one", kind="v1-native", all_models=True), SETTINGS)
    whole = chat(gateway, logit_bias={"1": 1})
    assert whole.headers["x-llms-dropped-params"] == "logit_bias"
    answer = whole.json()
    assert (answer["choices"][0]["message"]["content"], answer["usage"]["total_tokens"]) == (
        "Hi",
        5,
    )
    *chunks, done = [
        line[6:]
        for line in chat(gateway, stream=True).text.splitlines()
        if line.startswith("data: ")
    ]
    assert done == "[DONE]"
    assert (
        "".join(json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks)
        == "Hi you"
    )
    sent = next(seen for seen in upstream.requests if seen.method == "POST")
    assert (sent.headers["x-key"], sent.json["model"]) == (f"{MARK}up", "up-m")
    until(lambda: "found" in models_of(gateway))
    assert {*of(heard, "prepared")} == {"one"}
    gateway.stop()
    assert of(heard, "closed") == ["one"]


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Hello!", error(503)),
        ("unsupported", None),
        (
            "Hello!",
            Reply(
                Status(200, {"content-type": "application/x-ndjson"}),
                Chunk(b'{"failed": "Down"}\n'),
            ),
        ),
    ],
    ids=["an error", "unsupported", "an event"],
)
def test_after_a_failure_of_a_native_adapter_the_next_is_tried(
    served: Serve, upstream: ScriptedUpstream, text: str, reply: Reply | None
) -> None:
    config = blocks(upstream, "one", kind="v1-native")
    config["providers"] |= blocks(upstream, "two")["providers"]
    if reply is not None:
        upstream.script(reply)
    gateway = served(config, SETTINGS + NO_RETRIES)
    assert chat(gateway, text, stream=True).headers["x-llms-provider"] == "two"


def test_default_config(served: Serve, upstream: ScriptedUpstream) -> None:
    """llms_default_config: the first plugin by name that returns one."""
    gateway = served(None, f'{SETTINGS}upstream = "{upstream.base_url}"\n')
    assert chat(gateway).headers["x-llms-provider"] == "by-default"


def test_commands(tmp_path: Path) -> None:
    """llms_commands."""
    (tmp_path / "plugins.toml").write_text(SETTINGS, "utf-8")
    result = CliRunner().invoke(
        main, ["--plugins", str(tmp_path / "plugins.toml"), "greet"], prog_name="llms"
    )
    assert result.output == "Grüße!\n"
