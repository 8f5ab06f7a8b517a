"""Checks what plugins add, such as operations and dialects: a broken one is left out instead of stopping the server.

The types of their members are checked here because Python code can create them with any, as with provider specs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from llms_core.dialects import Dialect, OpenApi, Route
from llms_core.dialects.paths import problem
from llms_core.errors import PluginError
from llms_core.operations import Operation
from llms_core.plugins.report import summary, where

#: The server's own routes, and everything below them. Litestar does not start if a dialect shares a path with a route.
_RESERVED_PATHS = (
    "/assets",
    "/docs",
    "/favicon.ico",
    "/health",
    "/ready",
    "/sign-in",
    "/sign-out",
    "/v1/models",
    "/x",
)

_DIALECT_FUNCTIONS = ("decode", "encode_answer", "encode_error")


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def checked_headers(headers: object) -> Mapping[str, str]:
    """Return the headers that a plugin adds to a request. Raises PluginError for what cannot be sent as such."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise PluginError(f"returned a {type(headers).__name__} instead of a mapping of headers")
    for name, value in headers.items():
        is_text = isinstance(name, str) and isinstance(value, str)
        if (
            not is_text
            or not _HEADER_NAME.fullmatch(name)
            or not value.isascii()
            or not value.isprintable()
        ):
            raise PluginError(f"returned something that is no header: {name!r}")
    return headers


def middleware_error(middleware: object) -> str | None:
    """Return why an object cannot be a middleware, or None."""
    if isinstance(middleware, type):
        return f"returned the class {middleware.__name__} instead of an object of it: return [{middleware.__name__}()]"
    if inspect.iscoroutinefunction(middleware):
        return _arguments_error(middleware)
    if callable(middleware) and inspect.iscoroutinefunction(type(middleware).__call__):
        return _arguments_error(middleware)
    if inspect.isfunction(middleware):
        name = middleware.__name__
        return f"returned {name} ({where(middleware)}), which is not async: write `async def {name}(call, forward)`"
    return f"returned a {type(middleware).__name__} instead of an async callable: `async def NAME(call, forward)`"


def _arguments_error(middleware: Callable[..., object]) -> str | None:
    try:
        inspect.signature(middleware).bind(None, None)
    except TypeError:
        name = getattr(middleware, "__name__", type(middleware).__name__)
        return f"returned {name} ({where(middleware)}), which does not take `(call, forward)`"
    return None


def operation_error(operation: object, names: Collection[str]) -> str | None:
    """Return why an operation cannot be used, or None. `names` are those that are taken."""
    if not isinstance(operation, Operation):
        return f"returned a {type(operation).__name__} instead of an Operation"
    name = getattr(operation, "name", None)
    if not isinstance(name, str) or not name:
        return f"the `name` of {type(operation).__name__} must be a string that is not empty"
    if name in names:
        return f"there already is an operation '{name}'"
    try:
        isinstance(None, operation.adapter_protocol)
    except (AttributeError, TypeError):
        # Every adapter is tested against it whenever the models are indexed.
        return f"the `adapter_protocol` of the operation '{name}' must be a class or a runtime-checkable protocol"
    return None


def dialect_error(
    dialect: object, paths: Collection[str], operations: Collection[str]
) -> str | None:
    """Return why a dialect cannot be used, or None.

    `paths` are those that are taken, `operations` the names of those that are registered.
    """
    if not isinstance(dialect, Dialect):
        return f"returned a {type(dialect).__name__} instead of a Dialect"
    return next(_dialect_errors(dialect, paths, operations), None)


def _dialect_errors(
    dialect: Dialect, paths: Collection[str], operations: Collection[str]
) -> Iterator[str]:
    where = f"of the dialect '{dialect.name}'"
    if not isinstance(dialect.operation, Operation):
        yield f"the `operation` {where} must be an Operation"
    if dialect.operation.name not in operations:
        yield f"the operation '{dialect.operation.name}' {where} is not registered: add it with llms_operations"
    # A plain string is a collection of strings, too, and a common mistake.
    if not isinstance(dialect.paths, tuple | list) or not dialect.paths:
        yield f"the `paths` {where} must be a tuple of at least one path"
    for path in dialect.paths:
        if not isinstance(path, str) or not path.startswith("/"):
            yield f"the path {path!r} {where} does not begin with a slash"
        elif reason := problem(path):
            yield f"the path {path} {where} {reason}"
        if path in paths:
            yield f"the path {path} {where} is already taken"
        if path == "/" or any(
            f"{path}/".startswith(f"{reserved}/") for reserved in _RESERVED_PATHS
        ):
            yield f"the path {path} {where} is reserved for the server's own routes"
    for route in dialect.routes:
        if not isinstance(route, Route) or route.method not in ("GET", "DELETE"):
            yield f"the `routes` {where} must be Routes with the method GET or DELETE"
        elif not any(route.path.startswith(f"{path}/") for path in dialect.paths):
            yield f"the route {route.path} {where} must be below one of its paths"
    for function in _DIALECT_FUNCTIONS:
        if not callable(getattr(dialect, function)):
            yield f"`{function}` {where} must be callable"
    if dialect.stream_writer is not None and not callable(dialect.stream_writer):
        yield f"`stream_writer` {where} must be callable, or None if answers cannot be streamed"
    if reason := _openapi_error(dialect.openapi):
        yield f"the `openapi` {where} {reason}"


def _openapi_error(openapi: object) -> str | None:
    """Why the OpenAPI document cannot describe a dialect: one that cannot would make the whole document fail."""
    if not isinstance(openapi, OpenApi):
        return "must be an OpenApi"
    types = [openapi.request, openapi.error]
    if openapi.answer is not None:
        types.append(openapi.answer)
    try:
        msgspec.json.schema_components(types)
    except Exception as error:
        return f"has a type without a JSON schema: {summary(error)}"
    return None
