"""llms.py's own routes (SR-090), and its metadata in answers (SR-052)."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core import startup
from llms_core.server.app import create_app
from llms_core.testing import ScriptedUpstream, error
from tests.core.server.conftest import HELLO, Asking, whole
from tests.core.server.test_authenticate import KEY, KEYS, REFUSAL, SIGN_IN, digest

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]

PATHS = ("/models", "/models/list", "/status", "/config")

PRICES = {
    "pricing": {"b-1": {"input": "0.00000015", "output": "0.0000006"}},
    "default_pricing": {"input": "0", "output": "0"},
}
TEMPLATE = {"model": "b", "messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}


@pytest.fixture
def config(upstream: ScriptedUpstream, provider: ProviderBlock) -> dict[str, Any]:
    """Two providers that are used and two that are not, and a template."""
    return {
        "defaults": {"headers": {"user-agent": "of-the-file"}, "text": TEMPLATE},
        "providers": {
            "second": provider(upstream, {"c": "c-1", "b": "b-1"}, **PRICES),
            "off": provider(upstream, {"x": "x"}, enabled=False),
            "first": provider(upstream, {"b": "other-b", "a": "a"}),
            "keyless": provider(upstream, {"y": "y"}, api_key="$NO_SUCH_API_KEY"),
        },
    }


@pytest.fixture
def ask(config: dict[str, Any], served: Serve, asking: Ask) -> Asking:
    return asking(served(config))


def test_sr_090_models(ask: Asking) -> None:
    """SR-090: sorted by name, each with its first provider; prices in USD per token."""
    response = ask.get("/models")
    assert response.status_code == 200
    assert response.json() == [
        {"id": "a", "provider": "first", "provider_model": "a", "pricing": None},
        {
            "id": "b",
            "provider": "second",
            "provider_model": "b-1",
            "pricing": {"input": "0.00000015", "output": "0.0000006"},
        },
        {
            "id": "c",
            "provider": "second",
            "provider_model": "c-1",
            "pricing": {"input": "0", "output": "0"},
        },
    ]


def test_sr_090_names_of_models(ask: Asking) -> None:
    """SR-090: sorted."""
    assert ask.get("/models/list").json() == ["a", "b", "c"]


def test_sr_090_status(ask: Asking) -> None:
    """SR-090: all in the file's order, the others sorted; a provider without its key is not used."""
    assert ask.get("/status").json() == {
        "all": ["second", "off", "first", "keyless"],
        "enabled": ["first", "second"],
        "disabled": ["keyless", "off"],
    }


def test_sr_090_config(ask: Asking) -> None:
    """SR-090: what llms.py's user interface reads, without headers, addresses and keys."""
    assert ask.get("/config").json() == {
        "defaults": {"text": TEMPLATE},
        "status": ask.get("/status").json(),
        "requiresAuth": False,
        "authType": "apikey",
        "providers": [{"id": "second"}, {"id": "off"}, {"id": "first"}, {"id": "keyless"}],
    }


@pytest.mark.parametrize("path", PATHS)
def test_head_and_the_slash_at_the_end_are_as_elsewhere(ask: Asking, path: str) -> None:
    head = ask.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert ask.get(f"{path}/").status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extra", [{}, SIGN_IN], ids=["keys", "sign-in and keys"])
def test_strangers_learn_nothing(
    config: dict[str, Any], served: Serve, asking: Ask, path: str, extra: Mapping[str, Any]
) -> None:
    """The routes need a key like all others, which llms.py's do not."""
    ask = asking(served({**config, **extra}, KEYS))
    for headers in ({}, {"authorization": "Bearer not-needed"}):
        response = ask.get(path, headers)
        assert (response.status_code, response.json()) == (401, REFUSAL)
    assert ask.get(path, {"authorization": f"Bearer {KEY}"}).status_code == 200


def test_config_says_that_clients_need_keys(
    config: dict[str, Any], served: Serve, asking: Ask
) -> None:
    ask = asking(served(config, KEYS))
    assert ask.get("/config", {"authorization": f"Bearer {KEY}"}).json()["requiresAuth"] is True


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}], ids=str
)
def test_pages_of_other_sites_are_refused(ask: Asking, path: str, headers: dict[str, str]) -> None:
    response = ask.get(path, headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_not_allowed")


def test_the_routes_are_in_the_document(ask: Asking) -> None:
    assert set(PATHS) <= ask.get("/docs/openapi.json").json()["paths"].keys()


# Switching providers

ADMIN = "sk-of-ann"
ADMINS = f'{KEYS}[server.keys.ann]\nhash = "{digest(ADMIN)}"\nadmin = true\n'
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}


def switch(
    ask: Asking, name: str, body: object, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return ask.post(body, f"/providers/{name}", headers)


def enabled_in(gateway: Gateway, name: str) -> object:
    return json.loads(gateway.config_path.read_text("utf-8"))["providers"][name].get("enabled")


def test_sr_090_a_provider_is_switched_off_and_on(ask: Asking) -> None:
    """SR-090: at once, and in the file."""
    response = switch(ask, "second", {"disable": True})
    assert response.status_code == 200
    assert response.json() == {
        "enabled": ["first"],
        "disabled": ["keyless", "off", "second"],
        "feedback": "",
    }
    assert enabled_in(ask.gateway, "second") is False
    assert ask.get("/models/list").json() == ["a", "b"]
    assert switch(ask, "second", {"enable": True}).json()["enabled"] == ["first", "second"]
    assert enabled_in(ask.gateway, "second") is True
    assert ask.get("/models/list").json() == ["a", "b", "c"]


def test_sr_090_feedback_says_which_key_is_missing(ask: Asking) -> None:
    """SR-090."""
    body = switch(ask, "keyless", {"enable": True}).json()
    assert "keyless" in body["disabled"]
    assert "NO_SUCH_API_KEY" in body["feedback"]


def test_the_rest_of_the_file_stays_as_it_is(ask: Asking) -> None:
    """Comments, order and indentation; there is a backup."""
    path = ask.gateway.config_path
    before = path.read_text("utf-8").replace('"off": {', '// of no use\n    "off": {  // now')
    path.write_text(before, "utf-8")
    assert switch(ask, "off", {"enable": True}).status_code == 200
    after = path.read_text("utf-8")
    assert after == before.replace('"enabled": false', '"enabled": true')
    assert path.with_name("llms.json.bak").read_text("utf-8") == before


def test_what_is_switched_already_is_not_written_again(ask: Asking) -> None:
    assert switch(ask, "off", {"disable": True}).status_code == 200
    assert not ask.gateway.config_path.with_name("llms.json.bak").exists()


@pytest.mark.parametrize("name", ["z.ai", "open router", "a/b", "ü"])
def test_a_provider_may_have_any_name(
    upstream: ScriptedUpstream, provider: ProviderBlock, served: Serve, asking: Ask, name: str
) -> None:
    ask = asking(served({"providers": {name: provider(upstream), "other": provider(upstream)}}))
    assert switch(ask, name, {"disable": True}).json()["disabled"] == [name]


@pytest.mark.parametrize(
    ("name", "body", "status", "message"),
    [
        (
            "nope",
            {"enable": True},
            404,
            "There is no provider 'nope' in llms.json, only second, off, first, keyless",
        ),
        ("first", {}, 400, '{"enable": true}'),
        ("first", {"enable": False}, 400, '{"enable": true}'),
        ("first", {"enable": True, "disable": True}, 400, '{"enable": true}'),
        ("first", {"enable": "yes"}, 400, "Expected `bool`"),
        ("first", b"{", 400, "The request body is invalid"),
        ("first", [], 400, "The request body is invalid"),
    ],
)
def test_an_invalid_request_changes_nothing(
    ask: Asking, name: str, body: object, status: int, message: str
) -> None:
    before = ask.gateway.config_path.read_bytes()
    response = switch(ask, name, body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]
    assert ask.gateway.config_path.read_bytes() == before


def test_a_file_that_cannot_be_read_is_not_changed(ask: Asking) -> None:
    ask.gateway.config_path.write_text("{", "utf-8")
    response = switch(ask, "first", {"disable": True})
    assert (response.status_code, response.json()["error"]["code"]) == (
        409,
        "configuration_not_changed",
    )
    assert ask.gateway.config_path.read_text("utf-8") == "{"


def test_a_change_that_is_not_in_use_is_no_success(ask: Asking) -> None:
    """The other file is broken, so that neither is loaded."""
    ask.gateway.plugins_path.write_text("[nonsense]\n", "utf-8")
    response = switch(ask, "first", {"disable": True})
    assert response.status_code == 409
    assert "nonsense" in response.json()["error"]["message"]


def test_without_a_file_nothing_is_created(served: Serve, asking: Ask, tmp_path: Path) -> None:
    ask = asking(served(None))
    name = ask.get("/status").json()["all"][0]
    response = switch(ask, name, {"disable": True})
    assert response.status_code == 409
    assert "llms init" in response.json()["error"]["message"]
    assert list(tmp_path.rglob("llms.json")) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer x"}, 401),
        ({"authorization": f"Bearer {KEY}"}, 403),
        (AS_ADMIN, 200),
    ],
    ids=["no key", "a wrong key", "a key without permission", "an admin's key"],
)
def test_with_keys_one_has_to_permit_it(
    config: dict[str, Any], served: Serve, asking: Ask, headers: dict[str, str], status: int
) -> None:
    ask = asking(served(config, ADMINS))
    before = ask.gateway.config_path.read_bytes()
    assert switch(ask, "first", {"disable": True}, headers).status_code == status
    assert (ask.gateway.config_path.read_bytes() == before) is (status != 200)
    # Strangers do not learn which providers there are.
    if status == 401:
        assert switch(ask, "nope", {"disable": True}, headers).json() == REFUSAL


def test_a_plugin_may_permit_it(
    config: dict[str, Any], served: Serve, asking: Ask, plugin: Callable[[str], str]
) -> None:
    lines = plugin(
        "from llms_core.records import Caller\n@hookimpl\ndef llms_authenticate(headers):\n"
        "    return Caller('dan', is_admin=headers.get('x-role') == 'admin')\n"
    )
    ask = asking(served(config, lines))
    assert switch(ask, "first", {"disable": True}).status_code == 403
    assert switch(ask, "first", {"disable": True}, {"x-role": "admin"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://app.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"x-forwarded-for": "203.0.113.7"},
        {"forwarded": "for=203.0.113.7"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "203.0.113.7"},
    ],
    ids=str,
)
@pytest.mark.parametrize("origins", ['["https://app.example"]', '["*"]'])
def test_without_keys_only_programs_of_this_machine_switch_providers(
    config: dict[str, Any], served: Serve, asking: Ask, headers: dict[str, str], origins: str
) -> None:
    """Neither web pages, even those that may use the server otherwise, nor what comes through a proxy."""
    ask = asking(served(config, f"[server]\norigins = {origins}\n"))
    response = switch(ask, "first", {"disable": True}, headers)
    # `*` admits a page that hides where it is from, and so cannot be told from a program.
    assert response.status_code == 403 or (origins == '["*"]' and "sec-fetch-site" in headers)
    assert enabled_in(ask.gateway, "first") is True or response.status_code == 200


def test_a_page_of_the_server_may_switch_providers(ask: Asking) -> None:
    assert (
        switch(ask, "first", {"disable": True}, {"origin": ask.gateway.origin}).status_code == 200
    )


def test_without_keys_a_server_for_other_machines_switches_nothing(
    config: dict[str, Any], gateway: Launch, asking: Ask
) -> None:
    ask = asking(gateway(config, args=["--host", "0.0.0.0", "--allow-anonymous"]))
    response = switch(ask, "first", {"disable": True})
    assert response.status_code == 403
    assert "listens on 127.0.0.1" in response.json()["error"]["message"]
    assert enabled_in(ask.gateway, "first") is True


# Metadata

WITH_METADATA = "[server]\nllms_py = true\n"


@pytest.fixture
def described(config: dict[str, Any], served: Serve, asking: Ask) -> Asking:
    """A client of a gateway with `[server] llms_py`."""
    return asking(served(config, WITH_METADATA))


@pytest.mark.parametrize(
    ("model", "pricing"),
    [("b", {"pricing": "0.00000015/0.0000006"}), ("c", {"pricing": "0/0"}), ("a", {})],
)
def test_sr_052_metadata_of_an_answer(
    described: Asking, model: str, pricing: dict[str, str]
) -> None:
    """SR-052: milliseconds, and USD per token where the price is known."""
    metadata = described.chat(model=model).json()["metadata"]
    assert 0 <= metadata.pop("duration") < 20_000
    assert metadata == pricing


def test_sr_052_duration_is_in_milliseconds(
    described: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SR-052: a clock that goes on by two seconds whenever it is read shows the unit."""
    ticks = itertools.count(step=2)
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    duration = described.chat(model="a").json()["metadata"]["duration"]
    assert duration > 0
    assert duration % 2000 == 0


def test_sr_052_a_providers_own_metadata_stays(
    described: Asking, upstream: ScriptedUpstream
) -> None:
    """SR-052."""
    upstream.default = whole(metadata={"tag": "x", "duration": "of the provider"})
    metadata = described.chat(model="c").json()["metadata"]
    assert metadata["tag"] == "x"
    assert isinstance(metadata["duration"], int)
    upstream.default = whole(metadata="text")
    assert described.chat(model="c").json()["metadata"].keys() == {"duration", "pricing"}


def test_sr_052_metadata_of_a_stream_is_in_its_usage_chunk(described: Asking) -> None:
    """SR-052: no other chunk has any, and a client that does not ask for the usage gets none."""
    *chunks, last = described.chunks(model="c", stream_options={"include_usage": True})
    assert last["usage"]["total_tokens"] > 0
    assert last["metadata"]["pricing"] == "0/0"
    assert isinstance(last["metadata"]["duration"], int)
    assert [each for each in chunks if "metadata" in each] == []
    assert [each for each in described.chunks(model="c") if "metadata" in each] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "Hi"}),
        ("/v1/messages", {"messages": HELLO, "max_tokens": 10}),
        ("/v1/responses", {"input": "Hi"}),
    ],
)
def test_sr_052_other_apis_have_no_metadata(
    described: Asking, ask: Asking, path: str, body: dict[str, object]
) -> None:
    """SR-052: llms.py has none of them."""
    plain, with_it = (each.post({"model": "c", **body}, path) for each in (ask, described))
    assert with_it.status_code == 200
    assert with_it.json().get("metadata") == plain.json().get("metadata")


def test_sr_052_errors_have_no_metadata(described: Asking, upstream: ScriptedUpstream) -> None:
    """SR-052."""
    upstream.default = error(400)
    assert "metadata" not in described.chat(model="c").json()


# Secrets

secret_texts = st.text("abcdefghijkXYZ0123456789+=_-", min_size=8, max_size=30)


@st.composite
def files_and_secrets(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """An llms.json with a secret in every place that may have one, and the secrets.

    Keys, and addresses with passwords, are also in the templates.
    """
    key, header, token, password, query, client_secret = draw(
        st.lists(secret_texts.map("S3cr3t{}".format), min_size=6, max_size=6, unique=True)
    )
    address = f"https://user:{password}@host.example/v1"
    quoted = draw(
        st.sampled_from([key, f"Bearer {token}", address, f"say {key}, then see {address}"])
    )
    part: Any = draw(
        st.sampled_from(
            [quoted, {"type": "text", "text": quoted}, [quoted, 1, None], {quoted: True}]
        )
    )
    content = part if isinstance(part, str) else [{"type": "text", "text": "x", "more": part}]
    template = {"model": "m", "messages": [{"role": "user", "content": content}]}
    block = {
        "type": draw(st.sampled_from(["OpenAiProvider", "openai-compatible"])),
        "enabled": draw(st.booleans()),
        "api_key": key,
        "base_url": "https://host.example/v1",
        "path": f"/chat/completions?key={query}",
        "headers": {"x-custom": header, "authorization": f"Bearer {token}"},
        "models": {"m": "m"},
    }
    file = {
        "auth": {"enabled": False, "github": {"client_secret": client_secret}},
        "defaults": {
            "headers": {"x-custom": header, "x-api-key": token},
            draw(st.sampled_from(["text", "image", "check"])): template,
        },
        "providers": {"one": block},
    }
    return file, [key, header, token, password, query, client_secret]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """An application, and its llms.json, of which it can use another one without a new start."""
    path = tmp_path_factory.mktemp("config") / "llms.json"
    path.write_text('{"providers": {}}', "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(path.parent))
        return create_app(path), path


@pytest.mark.slow
@given(files_and_secrets())
def test_no_secret_is_shown(
    application: tuple[Any, Path], file: tuple[dict[str, Any], list[str]]
) -> None:
    """No key, no value of a header, and no password of a URL, wherever the file has it."""
    app, path = application
    config, secrets = file
    path.write_text(json.dumps(config), "utf-8")
    gateway = app.gateway

    async def shown() -> str:
        gateway.apply(
            startup.rebuild(gateway.startup, startup.read_config(path, gateway.startup.host))
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            responses = [await client.get(each) for each in ("/config", "/status")]
        assert [response.status_code for response in responses] == [200, 200]
        return "".join(response.text for response in responses)

    text = asyncio.run(shown())
    assert "messages" in text
    assert [each for each in secrets if each in text] == []
