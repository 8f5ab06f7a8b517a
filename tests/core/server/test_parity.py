"""What clients of llms.py's server rely on, row by row, with files of its versions 2, 3 and 4."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llms_core.testing import ScriptedUpstream, completion
from tests.core.cli.test_parity import VERSIONS, config_of
from tests.core.server.conftest import HELLO, Asking, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch

pytestmark = pytest.mark.slow  # a process for each version

Ask = Callable[["Gateway"], Asking]


@pytest.fixture(scope="module", params=VERSIONS, ids=[f"v{version}" for version in VERSIONS])
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def ask(version: int, gateway: Launch, asking: Ask, upstream: ScriptedUpstream) -> Asking:
    upstream.default = completion("Hi.")
    return asking(gateway(config_of(version, upstream), plugins="[server]\nllms_py = true\n"))


class Row(NamedTuple):
    """One row of the list."""

    method: str
    path: str
    status: int
    #: What has to be so of the answer's JSON.
    holds: Callable[[Any], object]
    body: dict[str, Any] | None = None


CHAT: dict[str, Any] = {"model": "m", "messages": HELLO}

ROWS = {
    "chat completions": Row(
        "POST",
        "/v1/chat/completions",
        200,
        lambda answer: answer["choices"][0]["message"]["content"] == "Hi.",
        CHAT,
    ),
    "metadata of answers": Row(
        "POST",
        "/v1/chat/completions",
        200,
        lambda answer: isinstance(answer["metadata"]["duration"], int),
        CHAT,
    ),
    # Files of versions 3 and 4 list a model by its id at the provider.
    "names of models": Row("GET", "/models/list", 200, lambda names: {"m", "up-m"} & {*names}),
    "models with their providers": Row(
        "GET",
        "/models",
        200,
        lambda models: {"id", "provider", "provider_model"} <= models[0].keys(),
    ),
    "providers by state": Row(
        "GET",
        "/status",
        200,
        lambda status: (
            (status["all"], status["enabled"], status["disabled"])
            == (["first", "off"], ["first"], ["off"])
        ),
    ),
    "configuration": Row("GET", "/config", 200, lambda config: "defaults" in config),
    "switching a provider": Row(
        "POST", "/providers/off", 200, lambda answer: "off" in answer["enabled"], {"enable": True}
    ),
    "health": Row("GET", "/health", 200, lambda health: health),
    "a picture by URL from this machine": Row(
        "POST",
        "/v1/chat/completions",
        400,
        lambda answer: "error" in answer,
        {
            "model": "m",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "/etc/hostname"}}],
                }
            ],
        },
    ),
    # The user interface and signing in are not followed: the answer lists what there is.
    "sign-in": Row("GET", "/auth/github", 404, lambda answer: answer["error"]["message"]),
    "user interface": Row("GET", "/ui/index.mjs", 404, lambda answer: answer["error"]["message"]),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_server(ask: Asking, name: str) -> None:
    row = ROWS[name]
    response = ask.http.request(row.method, row.path, json=row.body)
    assert response.status_code == row.status, response.text
    assert row.holds(response.json()), response.text


def test_it_streams_where_llms_py_fails(ask: Asking) -> None:
    with ask.stream() as response:
        text = response.read().decode()
    assert response.status_code == 200
    assert text.endswith("data: [DONE]\n\n")


def test_the_body_limit_of_the_file_holds(ask: Asking) -> None:
    """`limits.client_max_size`."""
    response = ask.post(b" " * (20 * 1024 * 1024 + 1))
    assert response.status_code == 413


def test_a_change_of_the_file_applies_while_it_runs(
    version: int, gateway: Launch, asking: Ask, upstream: ScriptedUpstream
) -> None:
    config = config_of(version, upstream)
    launched = gateway(config)
    ask = asking(launched)
    assert ask.get("/status").json()["enabled"] == ["first"]
    config["providers"]["off"]["enabled"] = True
    launched.config_path.write_text(json.dumps(config), "utf-8")
    until(lambda: ask.get("/status").json()["enabled"] == ["first", "off"])
