"""The types of hook implementations, for type checkers.

`@hookimpl` rejects a function that implements no hook, such as one with a misspelled argument, or one that must not be
`async`. It does not know the function's name; an assignment to the hook's own type checks that as well:

    checked: RequestFinishedHook = llms_request_finished

An implementation may omit arguments, so a hook with arguments has a protocol for each combination. The names of the
arguments count, because hooks are matched to their arguments by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

import click

from llms_core.dialects import Dialect
from llms_core.middleware import Middleware
from llms_core.operations import Operation
from llms_core.plugins import hook_arguments
from llms_core.plugins.settings import PluginSettings
from llms_core.provider import ProviderSpec
from llms_core.records import AttemptRecord, AttemptStart, RequestRecord
from llms_core.status import GatewayStatus, Measurement


class _WithSettings(Protocol):
    def __call__(self, settings: PluginSettings) -> None: ...


class _WithReference(Protocol):
    def __call__(self, reference: str) -> str | None: ...


class _WithChanged(Protocol):
    def __call__(self, changed: Callable[[], None]) -> Mapping[str, Mapping[str, Any]]: ...


class _WithStart(Protocol):
    def __call__(self, attempt: AttemptStart) -> Mapping[str, str] | None: ...


class _WithAttempt(Protocol):
    def __call__(self, attempt: AttemptRecord) -> None: ...


class _WithRecord(Protocol):
    def __call__(self, record: RequestRecord) -> None: ...


class _WithGateway(Protocol):
    def __call__(self, gateway: GatewayStatus) -> AbstractAsyncContextManager[Any]: ...


class _WithGroup(Protocol):
    def __call__(self, group: click.Group) -> None: ...


class _Router(Protocol):
    """Litestar's Router, which has a path and is not callable."""

    @property
    def path(self) -> str: ...


# Litestar's own union would make the core's plugins depend on the server's framework. Handlers are callable objects,
# and controllers are classes.
RouteHandler: TypeAlias = Callable[..., Any] | _Router

ConfigureHook: TypeAlias = _WithSettings | Callable[[], None]
ProvidersHook: TypeAlias = Callable[[], Iterable[ProviderSpec]]
DefaultConfigHook: TypeAlias = Callable[[], bytes | None]
ConfigHook: TypeAlias = _WithChanged | Callable[[], Mapping[str, Mapping[str, Any]]]
# A resolver that does not look at the reference would answer every one of them.
SecretsHook: TypeAlias = _WithReference
CandidatesHook: TypeAlias = hook_arguments.CandidatesHook
AttemptStartedHook: TypeAlias = _WithStart | Callable[[], Mapping[str, str] | None]
AttemptFinishedHook: TypeAlias = _WithAttempt | Callable[[], None]
RequestFinishedHook: TypeAlias = _WithRecord | Callable[[], None]
AuthenticateHook: TypeAlias = hook_arguments.AuthenticateHook
LifespanHook: TypeAlias = _WithGateway | Callable[[], AbstractAsyncContextManager[Any]]
MeasurementsHook: TypeAlias = Callable[[], Iterable[Measurement]]
StatusHook: TypeAlias = Callable[[], Mapping[str, Any]]
CommandsHook: TypeAlias = _WithGroup | Callable[[], None]
RoutesHook: TypeAlias = Callable[[], Iterable[RouteHandler]]
RootRoutesHook: TypeAlias = Callable[[], Iterable[RouteHandler]]
# Not any iterable of names: what is meant for another hook must not pass for it.
PublicRoutesHook: TypeAlias = Callable[[], Set[str]]
OperationsHook: TypeAlias = Callable[[], Iterable[Operation[Any, Any]]]
DialectsHook: TypeAlias = Callable[[], Iterable[Dialect]]
MiddlewareHook: TypeAlias = Callable[[], Iterable[Middleware]]

AnyHook: TypeAlias = (
    ConfigureHook
    | ProvidersHook
    | DefaultConfigHook
    | SecretsHook
    | ConfigHook
    | CandidatesHook
    | AttemptStartedHook
    | AttemptFinishedHook
    | RequestFinishedHook
    | AuthenticateHook
    | LifespanHook
    | MeasurementsHook
    | StatusHook
    | CommandsHook
    | RoutesHook
    | RootRoutesHook
    | PublicRoutesHook
    | OperationsHook
    | DialectsHook
    | MiddlewareHook
)

HookImplementation = TypeVar("HookImplementation", bound=AnyHook)
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class HookMarker(Protocol):
    """The type of `hookimpl`: pluggy's marker, restricted to functions that implement one of the hooks."""

    @overload
    def __call__(self, function: HookImplementation, /) -> HookImplementation: ...

    @overload
    def __call__(
        self,
        *,
        tryfirst: bool = ...,
        trylast: bool = ...,
        specname: str | None = ...,
        optionalhook: Literal[False] = ...,
    ) -> Callable[[HookImplementation], HookImplementation]: ...

    # An optional hook may be one that this version does not have, so that its type is not known.
    @overload
    def __call__(
        self,
        *,
        optionalhook: Literal[True],
        tryfirst: bool = ...,
        trylast: bool = ...,
        specname: str | None = ...,
    ) -> Callable[[AnyFunction], AnyFunction]: ...
