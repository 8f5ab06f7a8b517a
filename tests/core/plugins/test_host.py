"""Hooks are called one implementation at a time, so that a failing one does not affect the others."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import pytest

from llms_core.config.model import LlmsJson, Plugins, PluginsToml
from llms_core.dialects.table import dialects
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.plugins.host import PluginHost
from llms_core.records import AttemptRecord, RequestRecord
from llms_core.server.gateway import Gateway
from llms_core.startup import Startup

ATTEMPT = AttemptRecord(
    request_id="r",
    provider="p",
    model="m",
    upstream_model="u",
    kind=None,
    status=200,
    message="",
    duration=0.1,
)
FINISHED = RequestRecord(
    request_id="r", model="m", status=200, stream=False, duration=0.1, overhead=0.0, attempts=()
)


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for added in set(sys.modules) - before:
        del sys.modules[added]


def host_of(folder: Path, **plugins: str) -> PluginHost:
    """Return a host with only these one-file plugins."""
    for name, source in plugins.items():
        (folder / f"{name}.py").write_text(f"from llms_core import hookimpl\nheard = []\n{source}")
    load = tuple(f"{name}.py" for name in plugins)
    host = load_enabled_plugins(
        Plugins(load=load), path=str(folder / "plugins.toml"), entry_points=lambda group: []
    )
    assert [each.reason for each in host.reports if each.state != "ok"] == []
    return host


def heard(name: str) -> list[Any]:
    return cast("list[Any]", sys.modules[f"llms_plugin_{name}"].heard)


def problems(host: PluginHost) -> list[str]:
    """What is wrong with hooks that are called at startup."""
    return [finding.text for finding in host.findings]


def test_every_observer_is_notified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """llms_attempt_finished, llms_request_finished: one that raises is logged once, and the next is still called."""
    bad = "@hookimpl\ndef {}():\n    heard.append(1)\n    raise OSError('disk full')\n"
    good = "@hookimpl\ndef {}({}): heard.append({})\n"
    host = host_of(
        tmp_path,
        a=bad.format("llms_attempt_finished") + bad.format("llms_request_finished"),
        b=good.format("llms_attempt_finished", "attempt", "attempt")
        + good.format("llms_request_finished", "record", "record"),
    )
    assert (host.observes_attempts, host.observes_requests) == (True, True)
    for _ in range(2):
        host.attempt_finished(ATTEMPT)
        host.request_finished(FINISHED)
    assert heard("a") == [1] * 4
    assert heard("b") == [ATTEMPT, FINISHED] * 2
    assert [record.message.count("disk full") for record in caplog.records] == [1, 1]


def test_without_observers_no_record_is_requested() -> None:
    assert (PluginHost().observes_attempts, PluginHost().observes_requests) == (False, False)


def test_implementations_are_ordered_by_plugin_and_tryfirst_and_trylast(tmp_path: Path) -> None:
    hook = "@hookimpl({})\ndef llms_authenticate(headers): return '{}'\n"
    host = host_of(
        tmp_path,
        a=hook.format("trylast=True", "a"),
        b=hook.format("", "b"),
        c=hook.format("tryfirst=True", "c"),
    )
    asked: list[tuple[str, object]] = [(name, call({})) for name, call in host.authenticators]
    assert asked == [("c", "c"), ("b", "b"), ("a", "a")]


def test_lifespans_of_failing_plugins_are_skipped(tmp_path: Path) -> None:
    """llms_lifespan: a result that is not a context manager is a finding."""
    host = host_of(
        tmp_path,
        bad="@hookimpl\ndef llms_lifespan(): 1 / 0",
        good="from contextlib import asynccontextmanager\n@hookimpl\n@asynccontextmanager\n"
        "async def llms_lifespan():\n    heard.append('start')\n    yield\n    heard.append('stop')",
        rubbish="@hookimpl\ndef llms_lifespan(): return 'rubbish'",
    )
    (lifespan,) = host.lifespans(
        Gateway(Startup(PluginsToml(), host, LlmsJson(path="", providers=()), ()))
    )

    async def live() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(lifespan[1])
            assert heard("good") == ["start"]

    asyncio.run(live())
    assert (lifespan[0], heard("good")) == ("good", ["start", "stop"])
    assert "ZeroDivisionError" in problems(host)[0]
    assert (
        "returned a str instead of an async context manager: put `@asynccontextmanager`"
        in problems(host)[1]
    )


def test_routes_are_grouped_by_plugin(tmp_path: Path) -> None:
    """llms_routes: if a generator raises half-way, the routes before that are discarded, too."""
    host = host_of(
        tmp_path,
        bad="@hookimpl\ndef llms_routes():\n    yield 1\n    raise OSError",
        good="@hookimpl\ndef llms_routes():\n    yield 1\n    yield 2",
    )
    assert host.routes() == (("good", (1, 2)),)
    assert problems(host)[0].startswith("plugin 'bad' of bad.py: llms_routes failed: OSError")


def test_the_first_default_config_is_used(tmp_path: Path) -> None:
    """llms_default_config: plugins that fail or return None are skipped."""
    hook = "@hookimpl\ndef llms_default_config(): "
    host = host_of(
        tmp_path,
        a=hook + "1 / 0",
        b=hook + "return None",
        c=hook + "return b'{}'",
        d=hook + "return b'other'",
    )
    assert host.default_config() == b"{}"
    assert PluginHost().default_config() is None


def test_commands_are_added_and_conflicts_reported(tmp_path: Path) -> None:
    """llms_commands: a plugin that raises adds no command, and no plugin replaces a command."""
    hook = "import click\n@hookimpl\ndef llms_commands(group):\n    group.command('{}')(lambda: None)\n    {}"
    host = host_of(
        tmp_path,
        a=hook.format("one", "pass"),
        b=hook.format("half", "raise OSError('no')"),
        c=hook.format("serve", "group.command('one')(lambda: 0)"),
    )
    group = click.Group("llms")
    host.commands(group, reserved=("serve",))
    assert list(group.commands) == ["one"]
    assert problems(host) == [
        f"plugin 'b' of b.py: llms_commands failed: OSError: no ({tmp_path}/b.py:7)",
        "plugin 'c' of c.py: llms_commands: the command 'serve' is already taken; give it another name; it is left out",
        "plugin 'c' of c.py: llms_commands: the command 'one' is already taken; give it another name; it is left out",
    ]


OPERATION = """
from llms_core.operations import Operation
class Own(Operation):
    name = "own"
    adapter_protocol = object
    {change}
@hookimpl
def llms_operations(): return [Own()]
"""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("name = 'chat'", "there already is an operation 'chat'"),
        ("name = 1", "the `name` of Own must be a string"),
        (
            "adapter_protocol = 1",
            "the `adapter_protocol` of the operation 'own' must be a class or a",
        ),
    ],
)
def test_an_invalid_operation_is_left_out(tmp_path: Path, change: str, reason: str) -> None:
    """llms_operations: the server starts without it, and tells the reason."""
    host = host_of(tmp_path, own=OPERATION.format(change=change))
    assert host.operations(OPERATIONS) == ()
    assert reason in problems(host)[0]


DIALECT = """
import msgspec
from llms_core.dialects import Route
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
def route(path): return Route(method="GET", path=path, serve=None, summary="", operation_id="Own")
@hookimpl
def llms_dialects(): return [msgspec.structs.replace(CHAT_COMPLETIONS, name="own", paths=("/own",), **{change})]
"""


def test_a_valid_dialect_is_accepted(tmp_path: Path) -> None:
    (dialect,) = host_of(tmp_path, own=DIALECT.replace("**{change}", "")).dialects(
        dialects(PluginsToml()), OPERATIONS
    )
    assert dialect.paths == ("/own",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("paths='/own'", "the `paths` of the dialect 'own' must be a tuple"),
        ("paths=()", "the `paths` of the dialect 'own' must be a tuple"),
        ("paths=(1,)", "the path 1 of the dialect 'own' does not begin with a slash"),
        ("paths=('own',)", "the path 'own' of the dialect 'own' does not begin with a slash"),
        (
            "paths=('/own/{model',)",
            "'own' has a brace that belongs to no parameter",
        ),
        (
            "paths=('/own/{a}/{a}',)",
            "the path /own/{a}/{a} of the dialect 'own' names a parameter twice",
        ),
        ("paths=('/own/{a}{b}',)", "has two parameters with nothing between them"),
        ("paths=('/{model}',)", "the path /{model} of the dialect 'own' begins with a parameter"),
        (
            "paths=('/v1/completions',)",
            "the path /v1/completions of the dialect 'own' is already taken",
        ),
        ("paths=('/health',)", "is reserved for the server's own routes"),
        ("paths=('/',)", "is reserved for the server's own routes"),
        ("paths=('/v1/models/own',)", "is reserved for the server's own routes"),
        (
            "operation=type('Own', (type(CHAT_COMPLETIONS.operation),), {'name': 'own'})()",
            "the operation 'own' of the dialect 'own' is not registered: add it with llms_operations",
        ),
        ("operation=None", "the `operation` of the dialect 'own' must be an Operation"),
        ("routes=('/own/{id}',)", "the `routes` of the dialect 'own' must be Routes"),
        (
            "routes=(route('/other/{id}'),)",
            "the route /other/{id} of the dialect 'own' must be below one of its paths",
        ),
        ("decode=None", "`decode` of the dialect 'own' must be callable"),
        ("openapi=None", "the `openapi` of the dialect 'own' must be an OpenApi"),
        (
            "openapi=msgspec.structs.replace(CHAT_COMPLETIONS.openapi, request=object)",
            "the `openapi` of the dialect 'own' has a type without a JSON schema",
        ),
    ],
)
def test_an_invalid_dialect_is_left_out(tmp_path: Path, change: str, reason: str) -> None:
    """llms_dialects: the server starts without it, and tells the reason."""
    base = DIALECT.replace("""paths=("/own",), """, "") if change.startswith("paths") else DIALECT
    host = host_of(tmp_path, own=base.replace("**{change}", change))
    assert host.dialects(dialects(PluginsToml()), OPERATIONS) == ()
    assert reason in problems(host)[0]
