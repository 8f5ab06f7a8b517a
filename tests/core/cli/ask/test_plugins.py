"""Plugins apply to prompts as they do to requests over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from command_line import CommandLine

from llms_core.testing import ScriptedUpstream, completion, error

Make = Callable[..., Any]

PLUGIN = """
import json
from contextlib import asynccontextmanager
from llms_core import hookimpl

def note(*what):
    with open("notes.txt", "a") as file:
        print(*what, file=file)

class Polite:
    async def __call__(self, call, forward):
        note("call", call.operation.name, call.dialect, call.caller.name)
        messages = json.loads(bytes(call.body.members["messages"]))
        messages[-1]["content"] += ", please"
        return await forward(call.with_members({"messages": messages}))

@hookimpl
def llms_middleware():
    return [Polite()]

@hookimpl
def llms_lifespan():
    @asynccontextmanager
    async def life():
        note("begin")
        yield
        note("end")
    return life()

@hookimpl
def llms_attempt_finished(attempt):
    note("attempt", attempt.provider, attempt.kind)

@hookimpl
def llms_request_finished(record):
    note("request", record.status, record.provider, record.usage.total_tokens)
"""


def test_middleware_observers_and_lifespans(
    line: CommandLine, upstreams: Make, provider: Make, config_of: Make
) -> None:
    bad, good = upstreams(), upstreams()
    bad.default = error(500)
    line.configure(
        config_of(first=provider(bad), second=provider(good)), '[plugins]\nload = ["mine.py"]\n'
    )
    (line.home / "mine.py").write_text(PLUGIN)
    done = line.run("Hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello!\n", "")
    assert good.requests[0].json["messages"] == [{"role": "user", "content": "Hi, please"}]
    assert (line.folder / "notes.txt").read_text().splitlines() == [
        "begin",
        "call chat chat_completions command line",
        "attempt first overloaded",
        "attempt second None",
        "request 200 second 10",
        "end",
    ]


def test_the_guard(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    (asking.home / "plugins.toml").write_text(
        '[plugin.guard]\nmask = ["email"]\ndeny = ["secret"]\n'
    )
    asking.run("Write to ann@example.com")
    assert upstream.requests[0].json["messages"][0]["content"] == "Write to [email]"
    done = asking.run("My key is sk-ant-api03-" + "a1B2" * 24)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("llms: ")
    assert len(upstream.requests) == 1


def test_the_cache_answers(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """Within one process, which a chat is."""
    (asking.home / "plugins.toml").write_text("[plugin.cache]\nmax_age = 60\n")
    upstream.script(completion("One"), completion("Two"))
    done = asking.run("chat", "--usage", "-o", "seed=1", stdin="Hi\nHi\n")
    assert done.stdout == "One\nTwo\n"


def test_routing_follows_plugins_toml(
    line: CommandLine, upstreams: Make, provider: Make, config_of: Make
) -> None:
    first, second = upstreams(), upstreams()
    first.default = error(500)
    config = config_of(first=provider(first), second=provider(second, {"spare": "up-spare"}))
    line.configure(
        config, '[routing]\nfallbacks = { m = ["spare"] }\n[routing.retry]\nattempts = 0\n'
    )
    assert line.run("-m", "m", "Hi").stdout == "Hello!\n"
    assert second.requests[0].json["model"] == "up-spare"


def test_an_invalid_plugins_toml(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    (asking.home / "plugins.toml").write_text('[routing]\nstrategy = "best"\n')
    done = asking.run("Hi")
    assert (done.returncode, done.stdout) == (2, "")
    assert "routing.strategy" in done.stderr
    assert upstream.requests == []


def test_a_plugin_that_is_left_out_is_reported(asking: CommandLine) -> None:
    """It may be the one that guards."""
    (asking.home / "bad.py").write_text("1 / 0")
    (asking.home / "plugins.toml").write_text('[plugins]\nload = ["bad.py"]\n')
    done = asking.run("Hi")
    assert done.stdout == "Hello!\n"
    assert done.stderr.startswith(
        "llms: plugin 'bad' of bad.py: ZeroDivisionError: division by zero"
    )
