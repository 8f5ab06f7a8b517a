"""What mypy accepts and reports in the code of plugin authors, in an environment where llms-core is installed."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from fresh_environment import Environment

from llms_core.contracts.spec_members import SpecMembers
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.hookspecs import hook_names
from llms_core.provider import ProviderSettings, ProviderSpec

HEADER = """
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click
from litestar import Router, get
from llms_core import ProviderError, hookimpl
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall, ChatRequest
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.hook_types import AttemptFinishedHook, ProvidersHook, RequestFinishedHook
from llms_core.plugins.settings import PluginSettings
from llms_core.provider import ChunkTranslator, Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.records import AttemptRecord, Caller, RequestRecord


class MySettings(ProviderSettings, kw_only=True):
    region: str = "eu"


class OtherSettings(ProviderSettings, kw_only=True):
    project: str = ""


class Adapter:
    def request(self, call: ChatCall) -> UpstreamRequest:
        raise NotImplementedError

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        raise NotImplementedError

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        raise NotImplementedError

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        raise NotImplementedError


class Plain(Adapter):
    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        self.settings = settings


class Mine(Adapter):
    def __init__(self, spec: ProviderSpec, settings: MySettings) -> None:
        self.region = settings.region


class Other(Adapter):
    def __init__(self, spec: ProviderSpec, settings: OtherSettings) -> None:
        self.project = settings.project


"""

# A comment `# E: text` marks a line on which mypy has to report an error with this text.
SNIPPETS = {
    "specs": """
        PLAIN = ProviderSpec(name="plain", title="Plain", adapter=Plain)
        MINE = ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=MySettings)
        OTHER = ProviderSpec(name="other", title="Other", adapter=Other, settings=OtherSettings)
        COMPATIBLE = ProviderSpec(name="x", title="X", adapter=OpenAICompatible, settings=MySettings, wire="a:B")

        def function(spec: ProviderSpec, settings: MySettings) -> Mine:
            return Mine(spec, settings)

        FUNCTION = ProviderSpec(name="function", title="Function", adapter=function, settings=MySettings)

        region: str = MINE.settings(id="mine").region
        adapter = MINE.adapter(MINE, MySettings(id="mine"))
        all_specs: list[ProviderSpec] = [PLAIN, MINE, OTHER]
        by_name: dict[str, ProviderSpec] = {spec.name: spec for spec in (PLAIN, MINE, OTHER)}
    """,
    "specs_of_several_types": """
        MINE = ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=MySettings)

        @hookimpl
        def llms_providers() -> Iterator[ProviderSpec]:
            yield ProviderSpec(name="plain", title="Plain", adapter=Plain)
            yield ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=MySettings)
            yield ProviderSpec(name="other", title="Other", adapter=Other, settings=OtherSettings)
            yield MINE
            yield from (MINE, ProviderSpec(name="plain", title="Plain", adapter=Plain))

        def as_list() -> list[ProviderSpec]:
            return [MINE, ProviderSpec(name="other", title="Other", adapter=Other, settings=OtherSettings)]

        def returned() -> ProviderSpec:
            return ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=MySettings)
    """,
    "wrong_specs": """
        def accepted(spec: ProviderSpec) -> None: ...

        class NoAdapter:
            def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None: ...

        ProviderSpec(name="mine", title="Mine", adapter=Mine)  # E: "adapter" to "ProviderSpec" has incompatible type
        ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=OtherSettings)  # E: incompatible type
        ProviderSpec(name="no", title="No", adapter=NoAdapter)  # E: "adapter" to "ProviderSpec" has incompatible type
        ProviderSpec(name="no", title="No", adapter=Plain, settings=int)  # E: "OwnSettings"
        ProviderSpec(name="no", adapter=Plain)  # E: No overload variant
        ProviderSpec(name="no", titel="No", adapter=Plain)  # E: Unexpected keyword argument "titel"
        accepted(ProviderSpec(name="mine", title="Mine", adapter=Mine))  # E: incompatible type

        def providers() -> Iterator[ProviderSpec]:
            yield ProviderSpec(name="mine", title="Mine", adapter=Mine)  # E: incompatible type
            yield ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=OtherSettings)  # E: incompatible type

        MINE = ProviderSpec(name="mine", title="Mine", adapter=Mine, settings=MySettings)
        MINE.adapter(MINE, ProviderSettings(id="mine"))  # E: Argument 2 has incompatible type "ProviderSettings"
    """,
    "hooks": """
        @hookimpl
        def llms_configure(settings: PluginSettings) -> None: ...

        @hookimpl
        def llms_providers() -> Iterable[ProviderSpec]:
            return []

        @hookimpl
        def llms_default_config() -> bytes | None:
            return None

        @hookimpl(tryfirst=True)
        def llms_candidates(request: ChatRequest, candidates: Sequence[Any]) -> Sequence[Any] | None:
            return candidates

        @hookimpl
        def llms_attempt_finished(attempt: AttemptRecord) -> None: ...

        @hookimpl(trylast=True)
        def llms_request_finished(record: RequestRecord) -> None: ...

        @hookimpl
        def llms_authenticate(headers: Mapping[str, str]) -> Caller | None:
            return None

        @hookimpl
        @asynccontextmanager
        async def llms_lifespan() -> AsyncIterator[None]:
            yield

        @hookimpl
        def llms_commands(group: click.Group) -> None: ...

        @get("/hello")
        async def hello() -> str:
            return "Hello!"

        @hookimpl
        def llms_routes() -> Iterator[Any]:
            yield hello

        checked: RequestFinishedHook = llms_request_finished
        also_checked: ProvidersHook = llms_providers
    """,
    "hooks_with_fewer_arguments": """
        @hookimpl
        def llms_candidates(candidates: Sequence[Any]) -> Sequence[Any]:
            return candidates

        @hookimpl
        def llms_request_finished() -> None: ...

        @hookimpl
        def llms_authenticate() -> Caller:
            return Caller(name="everybody")

        @hookimpl
        def llms_configure(settings: PluginSettings, cache: dict[str, int] = {}) -> None: ...

        @hookimpl
        def llms_routes() -> list[Router]:
            return []
    """,
    "hooks_with_arguments_in_any_order": """
        @hookimpl
        def llms_candidates(caller: Caller | None, candidates: Sequence[Any]) -> Sequence[Any] | None:
            return candidates

        @hookimpl
        async def llms_authenticate(peer: str, headers: Mapping[str, str]) -> Caller | None:
            return Caller(name=headers[peer])
    """,
    "optional_hooks": """
        @hookimpl(optionalhook=True, tryfirst=True)
        def llms_of_a_later_version(something: int) -> int:
            return something
    """,
    "the_type_of_a_hook_is_kept": """
        @hookimpl
        def llms_default_config() -> bytes:
            return b"{}"

        @hookimpl(tryfirst=True)
        def llms_authenticate(headers: Mapping[str, str]) -> Caller:
            return Caller(name=headers["x-name"])

        size = len(llms_default_config())
        name: str = llms_authenticate({"x-name": "me"}).name
        llms_authenticate("me")  # E: incompatible type "str"
    """,
    "wrong_hooks": """
        @hookimpl  # E: "HookImplementation" of "__call__" of "HookMarker" cannot be "Callable[[AttemptRecord], None]"
        def llms_request_finished(record: AttemptRecord) -> None: ...

        @hookimpl(tryfirst=True)  # E: "HookImplementation" of function cannot be
        def llms_attempt_finished(attempts: AttemptRecord) -> None: ...

        @hookimpl  # E: Coroutine
        async def llms_configure(settings: PluginSettings) -> None: ...

        @hookimpl  # E: cannot be "Callable[[], list[str]]"
        def llms_providers() -> list[str]:
            return ["acme"]

        @hookimpl  # E: cannot be "Callable[[], str]"
        def llms_default_config() -> str:
            return "{}"

        @hookimpl  # E: AsyncIterator
        async def llms_lifespan() -> AsyncIterator[None]:
            yield

        @hookimpl  # E: cannot be "Callable[[Mapping[str, str]], str | None]"
        def llms_authenticate(headers: Mapping[str, str]) -> str | None:
            return None

        @hookimpl  # E: cannot be "Callable[[ChatRequest, Sequence[Any], int], None]"
        def llms_candidates(request: ChatRequest, candidates: Sequence[Any], position: int) -> None: ...

        @hookimpl  # E: cannot be "Callable[[Mapping[str, str], int], Coroutine[Any, Any, Caller | None]]"
        async def llms_authenticate(headers: Mapping[str, str], peer: int) -> Caller | None:
            return None

        @hookimpl(hookwrapper=True)  # E: Unexpected keyword argument "hookwrapper"
        def llms_commands(group: click.Group) -> None: ...
    """,
    "hooks_of_another_name": """
        @hookimpl
        def llms_request_finished(attempt: AttemptRecord) -> None: ...

        checked: RequestFinishedHook = llms_request_finished  # E: Incompatible types in assignment
        other: AttemptFinishedHook = llms_request_finished
    """,
}

#: Snippet -> line -> the errors that mypy reports there.
Reported = dict[str, dict[int, str]]


def hook_type(name: str) -> str:
    """`llms_request_finished` -> `RequestFinishedHook`."""
    words = name.removeprefix("llms_").split("_")
    return "".join(word.title() for word in words) + "Hook"


SNIPPETS["hook_types_match_the_specifications"] = (
    "from llms_core.plugins import hook_types, hookspecs\n"
    + "".join(
        f"{name}: hook_types.{hook_type(name)} = hookspecs.{name}\nhookimpl(hookspecs.{name})\n"
        for name in hook_names()
    )
)

EXPECTED = re.compile(r"# E: (.+)$")
REPORTED = re.compile(r"^(\w+)\.py:(\d+): error: (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def reported(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Run mypy once for all snippets, because each start is slow."""
    folder = tmp_path_factory.mktemp("typing")
    errors: Reported = {}
    for name, source in SNIPPETS.items():
        (folder / f"{name}.py").write_text(whole(source), "utf-8")
        errors[name] = {}
    done = environment.run(
        "mypy", "--strict", "--hide-error-context", "--no-pretty", ".", cwd=folder
    )
    for name, line, message in REPORTED.findall(done.stdout):
        errors[name][int(line)] = errors[name].get(int(line), "") + message
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return errors


def whole(source: str) -> str:
    return HEADER.lstrip() + dedent(source).lstrip()


@pytest.mark.parametrize("name", SNIPPETS)
def test_mypy_reports_exactly_the_marked_lines(reported: Reported, name: str) -> None:
    lines = whole(SNIPPETS[name]).splitlines()
    expected = {
        number: found[1] for number, line in enumerate(lines, 1) if (found := EXPECTED.search(line))
    }
    assert reported[name].keys() == expected.keys(), reported[name]
    for number, text in expected.items():
        assert text in reported[name][number]


def test_the_frozen_plugin_passes_mypy(environment: Environment) -> None:
    frozen = Path(__file__).parent / "v1" / "llms_plugin_v1.py"
    done = environment.run("mypy", "--strict", frozen)
    assert done.returncode == 0, done.stdout


def test_the_constructor_for_type_checkers_has_every_member() -> None:
    members = SpecMembers.__annotations__.keys() | {"adapter", "settings"}
    assert members == set(ProviderSpec.__struct_fields__)


def test_a_spec_may_be_subscripted_at_run_time() -> None:
    spec = ProviderSpec[ProviderSettings](name="acme", title="Acme", adapter=OpenAICompatible)
    assert spec.settings is ProviderSettings
    assert isinstance(spec, ProviderSpec)
