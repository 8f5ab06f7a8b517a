"""Broken plugins behind a real server: none of them affects the gateway or another plugin.

Each broken plugin is a distribution of its own, or a single file. `llms plugins`, the log and `/ready` name it with its
origin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from llms_core.cli import main
from llms_core.testing import Reply, ScriptedUpstream, completion, error
from tests.conftest import MARK, Gateway, Serve, ThreadGateway

Install = Callable[..., None]

NO_RETRIES = "[routing.retry]\nattempts = 0\n[routing.breaker]\nfailures = 1000\n"
COMPATIBLE = """
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec
@hookimpl
def llms_providers(): return [ProviderSpec(name="{name}", adapter=OpenAICompatible, title="{name}")]
"""

#: Plugins that cannot be loaded: name -> (source, a part of the reported reason).
BROKEN = {
    "importing": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "leaving": ("raise SystemExit('bye')", "SystemExit: bye"),
    "panicking": ("class Panic(BaseException): pass\nraise Panic('at import')", "Panic: at import"),
    "misspelling": (
        "@hookimpl\ndef llms_provider(): return []",
        "unknown hook llms_provider (",
    ),
    "unmarked": ("def llms_providers(): return []", "is not marked as a hook: add @hookimpl"),
    "arguing": (
        "@hookimpl\ndef llms_candidates(requests, candidates): ...",
        "declares the argument 'requests'",
    ),
    "raising": (
        "@hookimpl\ndef llms_providers(): raise KeyError('no good')",
        "llms_providers raised KeyError",
    ),
    "exiting": (
        "@hookimpl\ndef llms_providers(): raise SystemExit(3)",
        "llms_providers raised SystemExit: 3",
    ),
    "awaiting": (
        "@hookimpl\nasync def llms_providers(): return []",
        "is async; hooks must be synchronous",
    ),
    "coroutine": (
        "async def later(): return []\n@hookimpl\ndef llms_providers(): return later()",
        "the hook returned a coroutine; hooks must be synchronous",
    ),
    "rubbish": (
        "@hookimpl\ndef llms_providers(): return ['a string']",
        "returned a str instead of a ProviderSpec",
    ),
    "wrapping": ("@hookimpl(hookwrapper=True)\ndef llms_providers(): yield", "is a hook wrapper"),
}


def chat(gateway: Gateway, model: str = "m", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **more}
    return httpx.post(
        f"{gateway.base_url}/chat/completions", json=body, timeout=20, trust_env=False
    )


def block(upstream: ScriptedUpstream, kind: str, *models: str) -> dict[str, Any]:
    models = models or ("m",)
    return {
        "type": kind,
        "base_url": upstream.base_url,
        "api_key": f"{MARK}{kind}",
        "models": list(models),
    }


def ready(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{gateway.origin}/ready", trust_env=False).json()
    return found


def listed(plugins: Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(
        main, ["plugins", "--json", "--plugins", str(plugins)], prog_name="llms"
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def one(reports: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (report,) = [report for report in reports if report["name"] == name]
    return report


def test_broken_plugins_do_not_affect_others(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    """All broken plugins and a working one: the broken ones' providers are disabled, and the next candidate answers."""
    for name, (source, _) in BROKEN.items():
        install(name, source, version="0.7")
    install("healthy", COMPATIBLE.format(name="healthy"))
    install("newer", COMPATIBLE.format(name="newer"), requires=["llms-core>=7.5,<8"])
    kinds = [*BROKEN, "newer", "healthy"]
    gateway = served({"providers": {kind: block(upstream, kind) for kind in kinds}}, NO_RETRIES)
    assert chat(gateway).headers["x-llms-provider"] == "healthy"
    reports = listed(gateway.plugins_path)
    status = ready(gateway)
    log = gateway.log()
    assert status["providers"]["enabled"] == ["healthy"]
    for name, (_, reason) in BROKEN.items():
        origin = f"plugin '{name}' of {name}-llms 0.7"
        report = one(reports, name)
        assert (report["distribution"], report["version"]) == (f"{name}-llms", "0.7")
        assert report["state"] == "quarantined"
        assert reason in report["reason"]
        in_status = status["plugins"][name]
        assert in_status["distribution"] == f"{name}-llms"
        assert in_status["state"] == "quarantined"
        assert in_status["reason"] == report["reason"]
        assert any(origin in line and reason in line for line in log.splitlines())
        assert f"{origin} is quarantined" in status["providers"]["disabled"][name]
    assert "newer-llms requires llms-core >=7.5,<8" in one(reports, "newer")["reason"]
    assert "newer-llms requires llms-core >=7.5,<8" in log
    assert status["plugins"]["ollama"]["state"] == "ok"


def test_without_a_broken_plugin_an_unknown_type_is_an_error(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    """K-03: no plugin could provide the type, so it is a typo."""
    with pytest.raises(Exception, match="unknown type 'helthy'"):
        served({"providers": {"one": block(upstream, "helthy")}})


def test_two_plugins_with_one_name(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    """The one whose distribution comes first by name is used; both are listed."""
    install("twin", COMPATIBLE.format(name="twin"), distribution="a-twin")
    install("twin", "raise AssertionError", distribution="b-twin", module="b_twin")
    gateway = served({"providers": {"one": block(upstream, "twin")}})
    assert chat(gateway).status_code == 200
    reports = [report for report in listed(gateway.plugins_path) if report["name"] == "twin"]
    assert [(report["distribution"], report["state"]) for report in reports] == [
        ("a-twin", "ok"), ("b-twin", "quarantined")
    ]  # fmt: skip
    plugins = ready(gateway)["plugins"]
    assert (plugins["twin"]["distribution"], plugins["twin"]["state"]) == ("a-twin", "ok")
    assert plugins["plugin 'twin' of b-twin 1.0"]["state"] == "quarantined"
    assert "two plugins have this name: plugin 'twin' of a-twin 1.0 is used" in gateway.log()


def test_two_plugins_with_the_same_provider(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    install("a", COMPATIBLE.format(name="shared"))
    install("b", COMPATIBLE.format(name="shared"))
    gateway = served({"providers": {"one": block(upstream, "shared")}})
    assert chat(gateway).status_code == 200
    conflict = (
        "provider 'shared' is ignored, because plugin 'a' of a-llms 1.0 already provides that name"
    )
    assert one(listed(gateway.plugins_path), "b")["reason"] == conflict
    assert f"plugin 'b' of b-llms 1.0: {conflict}" in gateway.log()


def test_a_slow_import_is_logged(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    busy = "import time\nend = time.perf_counter() + 0.15\nwhile time.perf_counter() < end: pass\n"
    install("slow", busy + COMPATIBLE.format(name="slow"))
    gateway = served({"providers": {"one": block(upstream, "slow")}})
    assert chat(gateway).status_code == 200
    assert "plugin 'slow' of slow-llms 1.0: importing it takes" in gateway.log()
    assert one(listed(gateway.plugins_path), "slow")["state"] == "ok"


HOOKS = {
    "llms_candidates": "request, candidates, operation",
    "llms_attempt_started": "attempt",
    "llms_attempt_finished": "attempt",
    "llms_request_finished": "record",
    "llms_lifespan": "",
    "llms_routes": "",
    "llms_public_routes": "",
    "llms_root_routes": "",
    "llms_default_config": "",
}
OBSERVER = "heard = []\n@hookimpl\ndef llms_request_finished(record): heard.append(record)\n"


@pytest.mark.parametrize("raised", ["KeyError('no good')", "SystemExit(3)"])
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises(
    served: Serve, upstream: ScriptedUpstream, install: Install, hook: str, raised: str
) -> None:
    """The request is answered, the other plugin observes it, and the log names the failing one.

    A plugin that chooses candidates may only fail like this if the user says so.
    """
    toml = '[plugin.bad]\nfail = "open"\n' if hook == "llms_candidates" else ""
    install("bad", f"@hookimpl\ndef {hook}({HOOKS[hook]}): raise {raised}\n")
    install("good", OBSERVER)
    if hook == "llms_default_config":
        gateway = served(None, "[types.one]\nbase_url = 'http://localhost:1'\n")
    else:
        gateway = served({"providers": {"one": block(upstream, "openai-compatible")}}, toml)
        assert [chat(gateway).status_code for _ in range(2)] == [200, 200]
    gateway.stop()
    expected = 0 if hook == "llms_default_config" else 2
    assert len(sys.modules["good_llms"].heard) == expected
    assert (
        f"plugin 'bad' of bad-llms 1.0: {hook} failed: {raised.partition('(')[0]}" in gateway.log()
    )


def test_a_lifespan_that_fails_to_start(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    source = (
        "import contextlib\n@hookimpl\ndef llms_lifespan(): return life()\n"
        "@contextlib.asynccontextmanager\nasync def life():\n    raise SystemExit('no database')\n    yield\n"
    )
    install("bad", source)
    gateway = served({"providers": {"one": block(upstream, "openai-compatible")}})
    assert chat(gateway).status_code == 200
    assert "plugin 'bad' of bad-llms 1.0: llms_lifespan failed to start" in gateway.log()


def test_a_failing_authentication_plugin_rejects_all_requests(
    served: Serve, upstream: ScriptedUpstream, install: Install
) -> None:
    """A failure must not let requests in."""
    install("bad", "@hookimpl\ndef llms_authenticate(headers): raise SystemExit(3)\n")
    gateway = served({"providers": {"one": block(upstream, "openai-compatible")}})
    assert [chat(gateway).status_code for _ in range(2)] == [401, 401]
    assert "plugin 'bad' of bad-llms 1.0: llms_authenticate failed" in gateway.log()


#: An adapter that violates its contract in the way that the requested model's name says, such as "feed returns none".
RUDE = '''
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.openai_compatible import OpenAICompatible, OpenAIChunks
from llms_core.provider import ProviderSpec, UpstreamRequest

async def nothing(): return None

def later(*_):
    coroutine = nothing()
    coroutine.close()  # still a coroutine, and Python does not warn that nobody awaits it
    return coroutine

RUBBISH = {
    "none": lambda *_: None, "text": lambda *_: "text", "number": lambda *_: 7, "object": lambda *_: object(),
    "later": later, "list": lambda *_: [None], "a dict": lambda *_: {"choices": []},
    "no url": lambda *_: UpstreamRequest(url=None, headers={}),
    "no headers": lambda *_: UpstreamRequest(url="http://127.0.0.1:1", headers=None),
    "text as content": lambda *_: UpstreamRequest(url="http://127.0.0.1:1", headers={}, content="text"),
    "invalid dropped": lambda *_: UpstreamRequest(url="http://127.0.0.1:1", headers={}, dropped=(1,)),
    "text as data": lambda *_: Completion(data="text"),
    "invalid usage": lambda *_: Completion(data=b"{}", usage={"a": 1}),
    "texts": lambda *_: ["text"],
    "invalid chunk": lambda *_: [Chunk(data="text", content=True)],
    "class": lambda *_: Exception,
}

def play(case, function, otherwise, *arguments):
    """Do what `case` says, as in "completion raises KeyError" or "feed returns none"."""
    named, verb, what = case.split(" ", 2)
    if named != function:
        return otherwise(*arguments)
    if verb == "raises":
        raise eval(what)("no good")
    return RUBBISH[what](*arguments)

class Rude(OpenAICompatible):
    def request(self, call): return play(call.upstream_model, "request", super().request, call)
    def completion(self, call, body): return play(call.upstream_model, "completion", super().completion, call, body)
    def chunks(self, call): return play(call.upstream_model, "chunks", lambda call: RudeChunks(self, call), call)
    def error(self, status, headers, body):
        return play(headers["x-case"], "error", super().error, status, headers, body)

class RudeChunks(OpenAIChunks):
    def __init__(self, adapter, call):
        super().__init__(adapter, call)
        self.case = call.upstream_model
    @property
    def framing(self): return play(self.case, "framing", lambda: "sse")
    def feed(self, event, data): return play(self.case, "feed", super().feed, event, data)

@hookimpl
def llms_providers(): return [ProviderSpec(name="rude", adapter=Rude, title="Rude")]
'''
RAISED = (
    "KeyError",
    "SystemExit",
    "RecursionError",
    "UnicodeError",
    "StopIteration",
    "ConnectionError",
)
RETURNED = ("none", "text", "number", "object", "later", "list", "a dict", "class")

#: Method -> further invalid results, beside RETURNED.
RETURNED_BY = {
    "request": ("no url", "no headers", "text as content", "invalid dropped"),
    "completion": ("text as data", "invalid usage"),
    "chunks": (),
    "framing": (),
    "feed": ("texts", "invalid chunk"),
    "error": (),
}


def _cases() -> Iterator[str]:
    for method, more in RETURNED_BY.items():
        for name in RAISED:
            yield f"{method} raises {name}"
        for result in (*RETURNED, *more):
            # For `feed` these are iterables like any other: "texts" and "invalid chunk" test their items.
            if method == "feed" and result in ("a dict", "list"):
                continue
            yield f"{method} returns {result}"


CASES = list(_cases())


def _answer(seen: Any) -> Reply:
    """The first provider's answer: an error if the case tests the adapter's `error`, else a valid completion."""
    case = seen.json["model"]
    return error(500, headers={"x-case": case}) if case.startswith("error") else completion()


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadGateway]:
    """A gateway with the rude provider, and a second provider with the same models."""
    folder = tmp_path_factory.mktemp("rude")
    (folder / "rude.py").write_text(f"from llms_core import hookimpl\n{RUDE}", "utf-8")
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ):
            patch.delenv(name, raising=False)
        first, second = (running.enter_context(ScriptedUpstream()) for _ in range(2))
        first.default = Reply(_answer)
        providers = {
            "first": block(first, "rude", *CASES),
            "second": block(second, "openai-compatible", *CASES),
        }
        gateway = ThreadGateway(
            folder, {"providers": providers}, f'[plugins]\nload = ["rude.py"]\n{NO_RETRIES}'
        )
        running.callback(gateway.close)
        gateway.wait_ready()
        yield gateway


@pytest.mark.parametrize("case", CASES)
def test_an_adapter_that_breaks_its_contract(rude: ThreadGateway, case: str) -> None:
    """The next candidate answers, and the log names the adapter and its plugin."""
    before = len(rude.log())
    function = case.partition(" ")[0]
    for stream in (True,) if function in ("chunks", "framing", "feed") else (False, True):
        if function == "completion" and stream:
            continue
        answer = chat(rude, case, stream=stream)
        assert (answer.status_code, answer.headers["x-llms-provider"]) == (200, "second"), (
            answer.text
        )
        assert "first;error=bad_response" in answer.headers["x-llms-attempts"]
        assert answer.text.endswith("data: [DONE]\n\n") == stream
    log = rude.log()[before:]
    assert "the adapter 'rude' of plugin 'rude' of rude.py failed" in log
    assert "The adapter 'rude' failed: " in log


def test_without_another_candidate_the_error_names_the_adapter(
    served: Serve, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """The answer does not contain the exception's text, which may contain anything."""
    (tmp_path / "rude.py").write_text(f"from llms_core import hookimpl\n{RUDE}", "utf-8")
    models = ("completion returns text", "completion raises KeyError", "feed raises SystemExit")
    providers = {"first": block(upstream, "rude", *models)}
    gateway = served(
        {"providers": providers}, f'[plugins]\nload = ["{tmp_path}/rude.py"]\n{NO_RETRIES}'
    )
    for model in models:
        answer = chat(gateway, model, stream="feed" in model)
        assert answer.status_code == 502
        assert "no good" not in answer.text
    assert "The adapter 'rude' failed: `completion` returned a str as Completion" in gateway.log()


ENDLESS = """
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec
held = True
class Endless(OpenAICompatible):
    def completion(self, call, body):
        while held: pass
        return super().completion(call, body)
@hookimpl
def llms_providers(): return [ProviderSpec(name="endless", adapter=Endless, title="Endless")]
"""


def test_an_adapter_that_never_returns_is_named(
    served: Serve, upstream: ScriptedUpstream, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the whole gateway: Python has no safe way to interrupt it. The log says which function it is."""
    monkeypatch.setattr("llms_core.server.watchdog.BLOCKED_AFTER", 0.2)
    install("endless", ENDLESS, version="2.0")
    gateway = served({"providers": {"one": block(upstream, "endless")}})
    module = sys.modules["endless_llms"]
    with ExitStack() as stack:
        stack.callback(setattr, module, "held", False)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{gateway.base_url}/chat/completions",
                json={"model": "m", "messages": [{"role": "user", "content": "Hello!"}]},
                timeout=1.0,
                trust_env=False,
            )
    assert chat(gateway).status_code == 200
    log = gateway.log()
    assert (
        "Endless.completion of plugin 'endless' of endless-llms 2.0 has blocked the whole gateway for"
        in log
    )
    assert log.count("Endless.completion of plugin") == 1
