"""Background work: files are read again (SR-092, K-25), and models are discovered (SR-118)."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.server import background
from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Stall,
    Wait,
    completion,
    error,
    events,
    json_body,
    refused_base_url,
)
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
ConfigOf = Callable[..., dict[str, Any]]


LOOK = background._POLL_INTERVAL


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the files more often than in production, so that tests do not wait."""
    monkeypatch.setattr(background, "_POLL_INTERVAL", 0.05)


def edit(path: Path, text: str) -> None:
    """Replace a file as editors do: whole, at once."""
    beside = path.with_suffix(".new")
    beside.write_text(text, "utf-8")
    beside.replace(path)


def configure(gateway: Gateway, config: dict[str, Any]) -> None:
    edit(gateway.config_path, json.dumps(config))


def models(ask: Asking) -> list[str]:
    return [model["id"] for model in ask.get("/v1/models").json()["data"]]


def problem(ask: Asking) -> str | None:
    """The error that `/ready` reports for a file that could not be read."""
    message: str | None = ask.get("/ready").json()["configuration_error"]
    return message


def times_read(gateway: Gateway) -> int:
    return gateway.log().count("the configuration was reloaded")


@pytest.fixture
def ask(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> Asking:
    """A client of a gateway that has the model `old`."""
    return asking(served(config_of(one=provider(upstream, {"old": "up-old"})), NO_RETRIES))


@pytest.fixture
def new(upstream: ScriptedUpstream, provider: ProviderBlock, config_of: ConfigOf) -> dict[str, Any]:
    """An llms.json that has the model `new` instead."""
    return config_of(one=provider(upstream, {"new": "up-new"}))


# Files


def test_sr_092_an_edit_is_picked_up_within_a_second(
    ask: Asking, new: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_POLL_INTERVAL", LOOK)
    configure(ask.gateway, new)
    # The pause between two looks at the files; how long a busy machine takes for one is not tested.
    assert LOOK <= 1
    until(lambda: models(ask) == ["new"])
    assert ask.chat(model="new").status_code == 200
    assert ask.chat(model="old").status_code == 404


def test_sr_092_a_file_written_in_place_is_read_again_too(ask: Asking, new: dict[str, Any]) -> None:
    ask.gateway.config_path.write_text(json.dumps(new), "utf-8")
    until(lambda: models(ask) == ["new"])


@pytest.mark.parametrize(
    "broken",
    ["{bad", "", '{"providers": []}', '{"providers": {"one": {"type": "NoSuchProvider"}}}', None],
    ids=["no JSON", "empty", "of the wrong shape", "an unknown type", "deleted"],
)
def test_k_25_an_invalid_edit_keeps_the_old_configuration_and_a_valid_one_replaces_it(
    ask: Asking, new: dict[str, Any], broken: str | None
) -> None:
    """K-25: `/ready` and the log report it with the file's name."""
    path = ask.gateway.config_path
    path.unlink() if broken is None else edit(path, broken)
    until(lambda: problem(ask) is not None)
    assert str(path) in (problem(ask) or "")
    assert "the previous one stays in use" in ask.gateway.log()
    assert ask.get("/ready").status_code == 200
    assert ask.chat(model="old").status_code == 200

    configure(ask.gateway, new)
    until(lambda: models(ask) == ["new"])
    assert problem(ask) is None


def test_k_25_an_error_is_logged_once_and_not_every_second(ask: Asking) -> None:
    edit(ask.gateway.config_path, "{bad")
    until(lambda: problem(ask) is not None)
    edit(ask.gateway.plugins_path, NO_RETRIES + "# touched\n")
    until(lambda: ask.gateway.log().count("the previous one stays in use") > 1)
    assert ask.gateway.log().count("the previous one stays in use") == 2


def test_sr_092_warnings_about_an_edit_are_logged(ask: Asking, new: dict[str, Any]) -> None:
    """SR-092, K-24."""
    configure(ask.gateway, {**new, "providres": {}})
    until(lambda: times_read(ask.gateway) > 0)
    assert "providres" in ask.gateway.log()


def test_sr_092_a_key_is_changed_while_running(
    ask: Asking, upstream: ScriptedUpstream, new: dict[str, Any]
) -> None:
    """SR-092, SR-066: the new one is used from then on and redacted like the old one."""
    new["providers"]["one"]["api_key"] = "sk-marked-anew"
    configure(ask.gateway, new)
    until(lambda: models(ask) == ["new"])
    upstream.default = error(400, "no good with sk-marked-anew")
    assert ask.chat(model="new").json()["error"]["message"] == "no good with ***"
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-marked-anew"


def test_sr_092_k_19_limits_are_changed_while_running(ask: Asking, new: dict[str, Any]) -> None:
    """SR-092, K-19."""
    configure(ask.gateway, {**new, "limits": {"client_max_size": 10}})
    until(lambda: ask.chat(model="new").status_code == 413)


@pytest.mark.parametrize(
    "there", [True, False], ids=["a provider that stays", "a provider that goes"]
)
def test_sr_092_a_running_stream_outlives_a_change(
    ask: Asking, upstream: ScriptedUpstream, new: dict[str, Any], config_of: ConfigOf, there: bool
) -> None:
    """SR-092: a request keeps the configuration with which it began."""
    go = threading.Event()
    # The head is sent already.
    rest = events(chunk({"content": " whole"}), chunk({}, "stop"), "[DONE]").parts[1:]
    upstream.default = Reply(
        events(chunk({"role": "assistant", "content": "Half"})), Wait(go), *rest
    )
    with ask.stream(model="old") as response:
        lines = response.iter_lines()
        assert "Half" in next(lines)
        configure(ask.gateway, new if there else config_of(other=new["providers"]["one"]))
        until(lambda: times_read(ask.gateway) > 0)
        go.set()
        assert list(lines)[-2:] == ["data: [DONE]", ""]


def test_sr_092_routing_is_changed_while_running(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    gateway = served(
        config_of(one=provider(upstream, {"big": "up-big", "small": "up-small"})), NO_RETRIES
    )
    ask = asking(gateway)
    upstream.default = Reply(
        lambda seen: error(500) if seen.json["model"] == "up-big" else completion()
    )
    assert ask.chat(model="big").status_code == 502
    edit(gateway.plugins_path, f'{NO_RETRIES}[routing.fallbacks]\nbig = ["small"]\n')
    until(lambda: times_read(gateway) > 0)
    assert ask.chat(model="big").json()["model"] == "small"


def test_sr_092_timeouts_are_changed_while_running(ask: Asking, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Stall())
    edit(ask.gateway.plugins_path, f"{NO_RETRIES}[timeouts]\ntotal = 0.1\n")
    until(lambda: times_read(ask.gateway) > 0)
    assert ask.chat(model="old").status_code == 504


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("server", "max_requests = 1"),
        ("plugins", "disabled = ['ollama']"),
        ("upstream", "engine = 'httpx'"),
    ],
)
def test_settings_that_need_a_restart_are_logged(ask: Asking, table: str, line: str) -> None:
    edit(ask.gateway.plugins_path, f"{NO_RETRIES}[{table}]\n{line}\n")
    until(lambda: times_read(ask.gateway) > 0)
    assert f"a change of [{table}] needs a restart" in ask.gateway.log()
    assert ask.chat(model="old").status_code == 200


@pytest.mark.parametrize(
    "broken",
    [
        "[routing\n",
        "[routing]\nstrategie = 'ordered'\n",
        "[routing]\nstrategy = 'no such'\n",
        "[routing.weights]\nnobody = 1\n",
    ],
    ids=["no TOML", "an unknown member", "an unknown strategy", "an unknown provider"],
)
def test_k_25_an_invalid_plugins_toml_keeps_the_old_one(
    ask: Asking, new: dict[str, Any], broken: str
) -> None:
    """K-25: changes of the other file wait too, because both files are applied together."""
    edit(ask.gateway.plugins_path, broken)
    until(lambda: problem(ask) is not None)
    assert str(ask.gateway.plugins_path) in (problem(ask) or "")
    configure(ask.gateway, new)
    until(lambda: ask.gateway.log().count("the previous one stays in use") > 1)
    assert models(ask) == ["old"]
    edit(ask.gateway.plugins_path, NO_RETRIES)
    until(lambda: models(ask) == ["new"])


def test_k_25_unreadable_keys_keep_the_old_configuration(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    served: Serve,
    asking: Ask,
    new: dict[str, Any],
    tmp_path: Path,
) -> None:
    """K-25: a change is applied as a whole or not at all. Only a key that is gone from the file stops working."""
    keys = tmp_path / "keys.toml"
    ada = f"ada = 'sha256:{hashlib.sha256(b'secret').hexdigest()}'\n"
    keys.write_text(ada, "utf-8")
    gateway = served(
        {"providers": {"zero": provider(upstream, {"old": "up-old"})}},
        "[server]\nkeys_file='../keys.toml'\n",
    )
    ask = asking(gateway)
    ask.http.headers["authorization"] = "Bearer secret"
    keys.write_text(f"{ada}bob = 'no hash'\n", "utf-8")
    configure(gateway, {**new, "limits": {"client_max_size": 10}})
    until(lambda: problem(ask) is not None)
    assert ask.get("/ready").json()["providers"]["enabled"] == ["zero"]
    assert models(ask) == ["old"]
    assert ask.chat(model="old").status_code == 200


# Models


TAGS = json_body({"models": [{"name": "llama3:latest"}, {"name": "qwen3:8b"}]})


def ollama(upstream: ScriptedUpstream, **more: object) -> dict[str, Any]:
    return {"type": "OllamaProvider", "base_url": upstream.origin, "all_models": True, **more}


def listing(*names: str) -> Reply:
    """An answer to `GET /models`."""
    return json_body({"object": "list", "data": [{"id": name} for name in names]})


def test_sr_118_ollamas_models_are_discovered(
    upstream: ScriptedUpstream, served: Serve, asking: Ask
) -> None:
    """SR-118, SR-104, K-10: without a key, and without `:latest`."""
    upstream.routes["/api/tags"] = TAGS
    ask = asking(served({"providers": {"ollama": ollama(upstream)}}, NO_RETRIES))
    until(lambda: models(ask) == ["llama3", "qwen3:8b"])
    assert "authorization" not in upstream.requests[0].headers
    ask.chat(model="llama3")
    assert upstream.requests[-1].json["model"] == "llama3:latest"


def test_discovered_models_have_the_prefix_of_their_provider(
    upstream: ScriptedUpstream, served: Serve, asking: Ask, provider: ProviderBlock
) -> None:
    """`model_prefix`: the provider gets its own name of the model."""
    block = {**provider(upstream), "models": {}, "model_prefix": "mine/"}
    ask = asking(served({"providers": {"first": block}}))
    until(lambda: models(ask) == ["mine/m"])
    assert ask.chat(model="mine/m").status_code == 200
    assert upstream.requests[-1].json["model"] == "m"


def test_sr_118_discovered_models_win_over_configured_ones(
    upstream: ScriptedUpstream, served: Serve, asking: Ask
) -> None:
    upstream.routes["/api/tags"] = TAGS
    written = {"mine": "llama3:latest", "llama3": "something-else"}
    ask = asking(served({"providers": {"ollama": ollama(upstream, models=written)}}, NO_RETRIES))
    until(lambda: "qwen3:8b" in models(ask))
    assert sorted(models(ask)) == ["llama3", "mine", "qwen3:8b"]
    ask.chat(model="llama3")
    assert upstream.requests[-1].json["model"] == "llama3:latest"


def test_sr_118_the_models_of_an_openai_compatible_provider(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """SR-118: with its key."""
    upstream.routes["/models"] = listing("a/b", "c")
    ask = asking(served(config_of(one=provider(upstream, {"m": "up-m"}, all_models=True))))
    until(lambda: models(ask) == ["m", "a/b", "c"])
    assert upstream.requests[0].path == "/v1/models"
    assert upstream.requests[0].headers["authorization"].startswith("Bearer sk-marked-")


@pytest.mark.parametrize("fault", ["refused", "stalled", "broken", "garbage"])
def test_sr_118_a_provider_that_is_down_has_no_models_and_delays_nothing(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
    fault: str,
) -> None:
    """SR-118: an empty list and no error; `/ready` has the reason."""
    replies = {
        "stalled": Reply(Stall()),
        "broken": error(500, "out of order"),
        "garbage": json_body([1]),
    }
    upstream.routes["/api/tags"] = replies.get(fault, TAGS)
    down = ollama(upstream, **({"base_url": refused_base_url()} if fault == "refused" else {}))
    ask = asking(served(config_of(down=down, one=provider(upstream, {"m": "up-m"}))))
    assert models(ask) == ["m"]
    assert ask.chat().status_code == 200
    if fault != "stalled":
        until(lambda: "down" in ask.get("/ready").json()["discovery"])
        assert ask.get("/ready").json()["discovery"]["down"]


def test_sr_118_a_provider_that_comes_up_later_is_discovered(
    upstream: ScriptedUpstream, served: Serve, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_DISCOVERY_RETRY_INTERVAL", 0.05)
    upstream.routes["/api/tags"] = error(500)
    ask = asking(served({"providers": {"ollama": ollama(upstream)}}))
    upstream.wait_for_request()
    upstream.routes["/api/tags"] = TAGS
    until(lambda: models(ask) == ["llama3", "qwen3:8b"])


def test_sr_118_a_provider_that_goes_down_keeps_its_last_list(
    upstream: ScriptedUpstream, served: Serve, asking: Ask
) -> None:
    upstream.routes["/api/tags"] = TAGS
    config: dict[str, Any] = {"providers": {"ollama": ollama(upstream)}}
    ask = asking(served(config))
    until(lambda: models(ask) == ["llama3", "qwen3:8b"])
    upstream.routes["/api/tags"] = error(500, "out of order")
    configure(ask.gateway, {**config, "limits": {"client_max_size": 10_000}})
    until(lambda: "out of order" in ask.get("/ready").json()["discovery"]["ollama"])
    assert models(ask) == ["llama3", "qwen3:8b"]


def test_sr_118_an_edit_can_enable_discovery(
    ask: Asking, upstream: ScriptedUpstream, new: dict[str, Any]
) -> None:
    upstream.routes["/models"] = listing("found")
    new["providers"]["one"]["all_models"] = True
    configure(ask.gateway, new)
    until(lambda: models(ask) == ["new", "found"])


def test_sr_118_a_removed_provider_is_in_no_list(
    upstream: ScriptedUpstream, served: Serve, asking: Ask, new: dict[str, Any]
) -> None:
    upstream.routes["/api/tags"] = TAGS
    ask = asking(served({"providers": {"ollama": ollama(upstream)}}))
    until(lambda: models(ask) == ["llama3", "qwen3:8b"])
    configure(ask.gateway, new)
    until(lambda: models(ask) == ["new"])
    until(lambda: ask.get("/ready").json()["discovery"] == {})


def test_sr_066_a_key_repeated_in_a_model_list_is_redacted(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    upstream.routes["/models"] = error(401, "no good with sk-marked-lister")
    ask = asking(
        served(config_of(one=provider(upstream, all_models=True, api_key="sk-marked-lister")))
    )
    until(lambda: "one" in ask.get("/ready").json()["discovery"])
    assert ask.get("/ready").json()["discovery"]["one"] == "no good with ***"
