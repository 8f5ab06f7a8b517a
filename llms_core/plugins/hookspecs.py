"""The hooks. A plugin is a module with `@hookimpl` functions, named by an entry point in the group `llms_core`.

Hooks are plain functions that register and notify; the adapter does the work. An implementation may take fewer
arguments than its hook offers: that is how hooks grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from llms_core.candidate import Candidate
    from llms_core.contracts.request import ChatRequest
    from llms_core.dialects import Dialect
    from llms_core.operations import Operation
    from llms_core.plugins.settings import PluginSettings
    from llms_core.provider import ProviderSpec
    from llms_core.records import AttemptRecord, Caller, RequestRecord

PROJECT = "llms_core"
"""pluggy's project name, and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def llms_configure(settings: PluginSettings) -> None:
    """What the user wrote under `[plugin.NAME]` of plugins.toml; called once, before any other hook of the plugin.

    `settings.decode(MyStruct)` gives it as a struct, strictly. Raise ConfigError where it makes no sense.
    """


@hookspec
def llms_providers() -> Iterable[ProviderSpec]:
    """Adapter types and presets. Called once, at discovery."""
    raise NotImplementedError


@hookspec(firstresult=True)
def llms_default_config() -> bytes | None:
    """An llms.json, as bytes, for users who have none. The first plugin by name that gives one is used."""
    raise NotImplementedError


@hookspec
def llms_candidates(request: ChatRequest, candidates: Sequence[Candidate]) -> Sequence[Candidate] | None:
    """Reorder or remove candidates; None leaves them. May not add: what was not offered is ignored."""
    raise NotImplementedError


@hookspec
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    """One attempt is over, whichever way."""


@hookspec
def llms_request_finished(record: RequestRecord) -> None:
    """One request is over: called exactly once a request, cancelled ones too."""


@hookspec
def llms_authenticate(headers: Mapping[str, str]) -> Caller | None:
    """The caller whom `headers` (lower-case names) show; None is for "not mine to say".

    With an implementation present, a request that nobody vouches for is refused. Raise RequestError to refuse at once.
    """
    raise NotImplementedError


@hookspec
def llms_lifespan() -> AbstractAsyncContextManager[Any]:
    """Entered when a server process starts, left in reverse order when it stops."""
    raise NotImplementedError


@hookspec
def llms_commands(group: click.Group) -> None:
    """Add commands to the `llms` command line."""


@hookspec
def llms_routes() -> Iterable[Any]:
    """Litestar route handlers, served under `/x/<plugin>/`."""
    raise NotImplementedError


@hookspec
def llms_operations() -> Iterable[Operation[Any, Any]]:
    """Operations: what clients can request of a provider. Called once, at startup.

    An adapter serves an operation if it implements the operation's `adapter_protocol`.
    """
    raise NotImplementedError


@hookspec
def llms_dialects() -> Iterable[Dialect]:
    """Dialects: client-facing APIs for operations. Called once, at startup.

    A dialect inherits routing, failover, time limits, cancellation, authentication and records. A path that is already
    taken is refused.
    """
    raise NotImplementedError
