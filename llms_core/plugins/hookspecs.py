"""The hooks. A plugin is a module with functions marked `@hookimpl`, named by an entry point in the group `llms_core`.

Hooks are synchronous functions that register things and receive notifications; adapters do the work of a request. An
implementation may omit arguments of its hook, so that hooks can get new ones.

docs/hooks.md is generated from this module: `python -m llms_core.cli.reference.hooks > docs/hooks.md`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, cast

import pluggy

if TYPE_CHECKING:
    # `llms_core/__init__.py` imports this module, and `import llms_core` should not import all that the types need.
    import click

    from llms_core.candidate import Candidate
    from llms_core.contracts.request import ChatRequest
    from llms_core.dialects import Dialect
    from llms_core.middleware import Middleware
    from llms_core.operations import Operation
    from llms_core.plugins.hook_types import HookMarker
    from llms_core.plugins.settings import PluginSettings
    from llms_core.provider import ProviderSpec
    from llms_core.records import AttemptRecord, AttemptStart, Caller, RequestRecord
    from llms_core.status import GatewayStatus, Measurement

#: pluggy's project name, and the entry-point group.
PROJECT = "llms_core"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = cast("HookMarker", pluggy.HookimplMarker(PROJECT))

# The body of a hook specification never runs. `raise NotImplementedError` satisfies type checkers.


@hookspec
def llms_configure(settings: PluginSettings) -> None:
    """Receive the table `[plugin.NAME]` of plugins.toml. Called once, before any other hook of the plugin.

    `settings.decode(MyStruct)` converts the table to a msgspec struct and rejects unknown keys. Raise ConfigError if
    the settings are invalid.
    """


@hookspec
def llms_providers() -> Iterable[ProviderSpec]:
    """Return adapter types and presets. Called once, when the plugin is loaded."""
    raise NotImplementedError


@hookspec(firstresult=True)
def llms_default_config() -> bytes | None:
    """Return the llms.json for users who have none. The first plugin that returns one is used."""
    raise NotImplementedError


@hookspec
def llms_secrets(reference: str) -> str | None:
    """Return the secret that a reference in llms.json or plugins.toml stands for; None if it is not one of yours.

    `reference` is what follows the dollar sign: `vault:openai/key` for `$vault:openai/key` and `${vault:openai/key}`.
    The part before the colon, in lower case, tells plugins apart. A reference may stand wherever `$NAME` may.

    It is called when the files are read, at the start and at each reload, once for each reference, and never for a
    request. It may wait for another server: it runs in a thread of its own, for `[plugins] timeout` seconds at most.
    If it raises, or takes too long, the provider is disabled with the reason; at a reload, the value of before is used
    on.
    """
    raise NotImplementedError


@hookspec
def llms_config(changed: Callable[[], None]) -> Mapping[str, Mapping[str, Any]]:
    """Return further providers, for users who keep them somewhere else, such as in a database.

    The result is what the object `providers` of llms.json may contain: blocks by the provider's name. They come after
    the file's, and may have types of `llms_providers`, and references such as `$NAME`. A provider whose name is in the
    file already is left out with a warning; a block that is wrong disables its own provider.

    It is called at the start, whenever the files are read again, every `[plugin.NAME] refresh` seconds if the user sets
    that, and soon after the plugin has called `changed`, which it may do at any time and in any thread. Running
    requests are not affected. It may wait: it runs in a thread of its own, for `[plugins] timeout` seconds at most. If
    it raises, or takes too long, the providers of before stay, and it is called again after a while.
    """
    raise NotImplementedError


@hookspec
def llms_candidates(
    request: ChatRequest, candidates: Sequence[Candidate], operation: str, caller: Caller | None
) -> Sequence[Candidate] | None:
    """Reorder or remove candidates; return None to leave them unchanged.

    `request` is the view that belongs to the operation: a ChatRequest if `operation` is `chat`. The requests of all
    operations have `model` and `stream`; check `operation` before you use any other member. It is a copy: nothing that
    you do to it changes what is sent. It is only made if you declare the argument, and costs time in proportion to its
    size. `caller` is None for an anonymous client.

    Raise RequestError to refuse the request with a status and a message of your own. If you return no candidate at all,
    it is refused with a 403 that names the plugin and the model. Anything else that is raised, and a result with
    anything but candidates that were offered, each once, refuses it with a 500, unless `[plugin.NAME] fail` is
    `"open"`: then the candidates stay unchanged.
    """
    raise NotImplementedError


@hookspec
def llms_middleware() -> Iterable[Middleware]:
    """Return async callables that are put around every request, before a provider is chosen. Called once, at startup.

    See `llms_core.middleware`. They are nested in the order of plugins, the first one outermost; `tryfirst` and
    `trylast` apply. A request fails if one of them raises anything but an error of `llms_core.errors`, unless
    `[plugin.NAME] fail` is `"open"`: then it continues without the middleware.
    """
    raise NotImplementedError


@hookspec
def llms_attempt_started(attempt: AttemptStart) -> Mapping[str, str] | None:
    """Observe that an attempt begins, and return headers for the provider, such as `traceparent`; None for none.

    They never replace a header of the adapter's. `llms_attempt_finished` follows, unless the client was at fault
    before the provider was asked; `llms_request_finished` follows in any case.
    """
    raise NotImplementedError


@hookspec
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    """Observe one attempt at one candidate, whether it succeeded or failed."""


@hookspec
def llms_request_finished(record: RequestRecord) -> None:
    """Observe one finished request. Called exactly once for each request, including cancelled ones."""


@hookspec
def llms_authenticate(
    headers: Mapping[str, str], method: str, path: str, peer: str
) -> Caller | Awaitable[Caller | None] | None:
    """Identify the caller by the request's `headers` (lower-case names); return None if you cannot.

    If any plugin implements this hook, a request that nobody identifies is rejected. Raise RequestError to reject a
    request immediately. The values are text: UTF-8, or Latin-1 where they are not. `path` has no query. `peer` is the
    address that the connection comes from, which is a proxy's if there is one; empty if it has none.

    The hook may be `async`, to ask a database or another server: then it has `[server] authenticate_timeout` seconds
    (5 by default), after which it lets nobody in. It is called for every request without a key of `[server] keys`, so
    remember what you have found out.

    The gateway does not start if a plugin that may implement this hook cannot be loaded.
    """
    raise NotImplementedError


@hookspec
def llms_lifespan(gateway: GatewayStatus) -> AbstractAsyncContextManager[Any]:
    """Return a context manager that is entered when a server process starts and left when it stops.

    Several are left in reverse order. `gateway` may be used until then.
    """
    raise NotImplementedError


@hookspec
def llms_measurements() -> Iterable[Measurement]:
    """Return numbers of yours that `/metrics` shows, as they are now in this process.

    It is called about once a second, and must not wait.
    """
    raise NotImplementedError


@hookspec
def llms_status() -> Mapping[str, Any]:
    """Return the state of the plugin, which `/ready` shows: anything that can be written as JSON.

    A member `problem` tells what does not work now, or is None. It is called on the event loop for each such request.
    """
    raise NotImplementedError


@hookspec
def llms_commands(group: click.Group) -> None:
    """Add commands to the `llms` command line."""


@hookspec
def llms_routes() -> Iterable[Any]:
    """Return Litestar route handlers, which are served under `/x/<plugin>/`.

    They need a key wherever completions do. `request.user` is the Caller, or None if the server requires no keys.
    """
    raise NotImplementedError


@hookspec
def llms_root_routes() -> Iterable[Any]:
    """Return Litestar route handlers for paths that other programs expect, such as `/metrics`.

    They are like those of `llms_routes`, but have no prefix. They are left out if one of their paths is taken.
    """
    raise NotImplementedError


@hookspec
def llms_public_routes() -> Set[str]:
    """Return the names of those of the plugin's routes that anybody may use, such as `webhook` for `name="webhook"`.

    Their handlers have to find out themselves who sent a request; `request.user` is None.
    """
    raise NotImplementedError


@hookspec
def llms_operations() -> Iterable[Operation[Any, Any]]:
    """Operations: what clients can request of a provider. Called once, at startup.

    An adapter serves an operation if it implements the operation's `adapter_protocol`, unless its `offers` says no.
    """
    raise NotImplementedError


@hookspec
def llms_dialects() -> Iterable[Dialect]:
    """Dialects: client-facing APIs for operations. Called once, at startup.

    A dialect inherits routing, failover, time limits, cancellation, authentication and records. A path that is already
    taken, or that is one of the server's own (`/assets`, `/docs`, `/favicon.ico`, `/health`, `/ready`, `/sign-in`,
    `/sign-out`, `/v1/models`, `/x`), is refused.
    """
    raise NotImplementedError


def hook_names() -> list[str]:
    """The names of all hooks, in the order of this module."""
    return [name for name in globals() if name.startswith("llms_")]
