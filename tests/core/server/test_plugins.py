"""Plugins in a running server: notified of every request once, started and stopped with it, with their own routes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from llms_core.testing import (
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Stall,
    Status,
    error,
    events,
    json_body,
)
from tests.core.server.conftest import (
    HELLO,
    NO_RETRIES,
    Asking,
    Wire,
    chunk,
    error_of,
    request_of,
    until,
)

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve, ThreadGateway

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
ConfigOf = Callable[..., dict[str, Any]]
Start = Callable[..., "ThreadGateway"]

LISTENING = """
heard = []
@hookimpl
def llms_request_finished(record): heard.append(record)
"""
HALF = chunk({"role": "assistant", "content": "Half"})


@pytest.fixture
def start(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    plugin: Callable[[str], str],
) -> Start:
    """Starts a gateway with a plugin, and further lines of plugins.toml."""
    return lambda source, more="": served(
        config_of(one=provider(upstream)), plugin(source) + NO_RETRIES + more
    )


def heard(name: str = "of_test") -> list[Any]:
    """What a plugin has recorded."""
    found: list[Any] = sys.modules[f"llms_plugin_{name}"].heard
    return found


@pytest.mark.parametrize(
    ("members", "reply", "status"),
    [
        ({}, None, 200),
        ({"stream": True}, None, 200),
        ({"model": "unknown"}, None, 404),
        ({"temperature": 3}, None, 400),
        ({}, error(500), 502),
        ({"stream": True}, Reply(events(HALF), Close()), 200),
    ],
    ids=[
        "whole",
        "a stream",
        "no such model",
        "a bad request",
        "all failed",
        "a stream that breaks",
    ],
)
def test_a_plugin_is_notified_of_a_request_once(
    start: Start,
    upstream: ScriptedUpstream,
    asking: Ask,
    members: dict[str, object],
    reply: Reply | None,
    status: int,
) -> None:
    upstream.default = reply or upstream.default
    gateway = start(LISTENING)
    number = asking(gateway).chat(**members).headers["x-request-id"]
    gateway.stop()
    assert [(record.request_id, record.status) for record in heard()] == [(number, status)]


@pytest.mark.parametrize(
    "reply", [Reply(Stall()), Reply(events(HALF), Stall())], ids=["before", "amid"]
)
def test_a_plugin_is_notified_of_a_request_whose_client_disconnected(
    start: Start, upstream: ScriptedUpstream, wire: Connect, reply: Reply
) -> None:
    """SR-059: once, as 499, whether before the answer or during it."""
    upstream.default = reply
    gateway = start(LISTENING)
    connection = wire(gateway)
    connection.send(request_of({"model": "m", "messages": HELLO, "stream": True}))
    upstream.wait_for_request()
    if len(reply.parts) > 1:
        assert connection.answer_begins()
    connection.close()
    until(lambda: bool(heard()))
    gateway.stop()
    assert [record.status for record in heard()] == [499]


def test_a_failing_plugin_does_not_affect_the_answer(start: Start, asking: Ask) -> None:
    gateway = start("@hookimpl\ndef llms_request_finished(record): raise KeyError('no good')\n")
    ask = asking(gateway)
    assert [ask.chat().status_code for _ in range(2)] == [200, 200]


LIFESPAN = """
import contextlib
from llms_core import hookimpl
heard = []
@hookimpl
def llms_lifespan():
    @contextlib.asynccontextmanager
    async def lifespan():
        {before}
        heard.append("in")
        yield
        heard.append("out")
    return lifespan()
"""


def test_a_lifespan_holds_as_long_as_the_server(start: Start) -> None:
    gateway = start(LIFESPAN.format(before="pass"))
    assert heard() == ["in"]
    gateway.stop()
    assert heard() == ["in", "out"]


def test_lifespans_are_exited_in_reverse_order(served: Serve, tmp_path: Path) -> None:
    order = "import sys; sys.modules.setdefault('order_of_test', heard); heard = sys.modules['order_of_test']\n"
    paths = [tmp_path / "a_first.py", tmp_path / "b_second.py"]
    for path in paths:
        source = (
            LIFESPAN.format(before="pass")
            .replace('"in"', f'"{path.stem} in"')
            .replace('"out"', f'"{path.stem} out"')
        )
        path.write_text(source.replace("heard = []\n", f"heard = []\n{order}"), "utf-8")
    gateway = served({"providers": {}}, f"[plugins]\nload = {[str(path) for path in paths]}\n")
    gateway.stop()
    written = heard("a_first")
    del sys.modules["order_of_test"]
    assert written == ["a_first in", "b_second in", "b_second out", "a_first out"]


def test_a_failing_lifespan_is_logged_and_stops_nothing_else(start: Start, asking: Ask) -> None:
    gateway = start(LIFESPAN.format(before="raise KeyError('no database')"))
    assert asking(gateway).chat().status_code == 200
    assert "of_test" in gateway.log()
    assert "no database" in gateway.log()


ROUTES = """
from litestar import get
@get("/hello", sync_to_thread=False)
def hello() -> str: return "Hello!"
@get("/fail", sync_to_thread=False)
def fail() -> str: return {}["no such key"]
@hookimpl
def llms_routes(): return [hello, fail]
"""


def test_plugin_routes_are_under_the_plugins_name(start: Start, asking: Ask) -> None:
    ask = asking(start(ROUTES))
    assert ask.get("/x/of_test/hello").text == "Hello!"
    assert ask.get("/hello").status_code == 404


def test_sr_065_a_failing_route_reveals_nothing(start: Start, asking: Ask) -> None:
    gateway = start(ROUTES)
    response = asking(gateway).get("/x/of_test/fail")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "no such key" not in response.text
    assert "no such key" in gateway.log()


GUARDED = """
from litestar import Controller, asgi, get
from llms_core.records import Caller
@get("/who", sync_to_thread=False)
def who(request: Request) -> str: return repr(request.user)
@get("/hook", name="hook", sync_to_thread=False)
def hook(request: Request) -> str: return repr(request.user)
@asgi("/raw", copy_scope=False)
async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(repr(scope["user"])).to_asgi_response(app=None, request=Request(scope))(scope, receive, send)
class Nested(Controller):
    path = "/nested"
    @get("/open", name="nested", sync_to_thread=False)
    def open(self) -> str: return "open"
    @get("/closed", sync_to_thread=False)
    def closed(self) -> str: return "closed"
@hookimpl
def llms_routes(): return [who, hook, raw, Nested]
"""
IMPORTS = (
    "from litestar import Request, Response\nfrom litestar.types import Receive, Scope, Send\n"
)
PUBLIC = "@hookimpl\ndef llms_public_routes(): return ['hook', 'nested']\n"
NAMED = {"authorization": "Bearer sk-of-ada"}
ADA = f'[server.keys]\nada = "sha256:{hashlib.sha256(b"sk-of-ada").hexdigest()}"\n'


def guarded(start: Start, more: str = "", keys: str = ADA) -> ThreadGateway:
    return start(IMPORTS + GUARDED + more, keys)


@pytest.mark.parametrize("path", ["who", "hook", "raw", "nested/open", "nested/closed"])
def test_plugin_routes_need_a_key(start: Start, asking: Ask, path: str) -> None:
    """Like everything else, unless the plugin says otherwise."""
    response = asking(guarded(start)).get(f"/x/of_test/{path}")
    assert response.status_code == 401
    assert error_of(response)["code"] == "unauthorized"


def test_a_plugin_route_knows_the_caller(start: Start, asking: Ask) -> None:
    ask = asking(guarded(start))
    assert ask.get("/x/of_test/who", NAMED).text == "Caller(name='ada', is_admin=False)"
    assert ask.get("/x/of_test/raw", NAMED).text == "Caller(name='ada', is_admin=False)"


def test_without_keys_a_plugin_route_has_no_caller(start: Start, asking: Ask) -> None:
    assert asking(guarded(start, keys="")).get("/x/of_test/who").text == "None"


def test_a_plugin_names_the_routes_that_anybody_may_use(start: Start, asking: Ask) -> None:
    ask = asking(guarded(start, PUBLIC))
    assert ask.get("/x/of_test/hook").text == "None"
    assert ask.get("/x/of_test/nested/open").text == "open"
    assert {
        ask.get(f"/x/of_test/{path}").status_code for path in ("who", "raw", "nested/closed")
    } == {401}


ROOT = GUARDED.replace("def llms_routes", "def llms_root_routes")


def test_a_root_route_has_no_prefix_and_needs_a_key(start: Start, asking: Ask) -> None:
    ask = asking(start(IMPORTS + ROOT + PUBLIC, ADA))
    assert ask.get("/who", NAMED).text == "Caller(name='ada', is_admin=False)"
    assert ask.get("/who").status_code == 401
    assert ask.get("/hook").text == "None"


@pytest.mark.parametrize("path", ["/ready", "/v1/models", "/v1/chat/completions"])
def test_a_root_route_does_not_replace_a_path_of_the_server(
    start: Start, asking: Ask, path: str
) -> None:
    source = f"from litestar import get\n@get({path!r})\nasync def mine() -> str: return 'mine'\n"
    gateway = start(source + "@hookimpl\ndef llms_root_routes(): return [mine]\n")
    assert asking(gateway).get(path).text != "mine"
    assert "llms_root_routes" in gateway.log()


@pytest.mark.parametrize(
    "hook",
    [
        "return ['hok']",
        "return 'hook'",
        "return [None]",
        "raise KeyError('hook')",
        "return 1",
        "return None",
    ],
)
def test_a_mistake_makes_no_route_public(start: Start, asking: Ask, hook: str) -> None:
    gateway = guarded(start, f"@hookimpl\ndef llms_public_routes(): {hook}\n")
    assert asking(gateway).get("/x/of_test/hook").status_code == 401
    assert asking(gateway).get("/x/of_test/who").status_code == 401
    assert ("llms_public_routes" in gateway.log()) == (hook != "return None")


# Credentials

WITH_TOKEN = """
from llms_core.provider import ProviderSpec
from llms_core.openai_compatible import OpenAICompatible

class WithToken(OpenAICompatible):
    async def prepare(self):
        self.token = "ya29.obtained-" + "at-run-time"

    def headers(self):
        return {**super().headers(), "authorization": "Bearer " + self.token}

@hookimpl
def llms_providers():
    return [ProviderSpec(name="with-token", title="x", adapter=WithToken, needs_key=False)]
"""


def test_a_token_that_an_adapter_obtained_is_not_shown(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
    plugin: Callable[[str], str],
) -> None:
    """Not in part either, if the provider's text is cut in the middle of it."""
    token = "ya29.obtained-" + "at-run-time"
    gateway = served(
        config_of(one={**provider(upstream), "type": "with-token"}), plugin(WITH_TOKEN)
    )
    for length in (0, 1990):
        upstream.script(error(400, "x" * length + token))
        response = asking(gateway).chat()
        assert response.status_code == 400
        assert "ya29" not in response.text
    assert "ya29" not in gateway.log()


def test_the_tokens_of_an_image_are_recorded(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = start(LISTENING)
    usage = {"input_tokens": 3, "output_tokens": 20, "total_tokens": 23}
    upstream.default = json_body({"data": [{"b64_json": "QUFB"}], "usage": usage})
    httpx.post(f"{gateway.base_url}/images/generations", json={"model": "m", "prompt": "a cat"})
    gateway.stop()
    (record,) = heard()
    assert (record.usage.prompt_tokens, record.usage.completion_tokens) == (3, 20)
    assert record.kind is None


def test_sound_that_breaks_off_is_recorded_as_broken(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = start(LISTENING)
    upstream.default = Reply(Status(200, {"content-type": "audio/mpeg"}), Chunk(b"sound"), Close())
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{gateway.base_url}/audio/speech", json={"model": "m", "input": "Hello"})
    gateway.stop()
    (record,) = heard()
    assert record.kind == "network"
    assert [attempt.kind for attempt in record.attempts] == ["network"]
    assert "ended without a complete response" not in gateway.log()
