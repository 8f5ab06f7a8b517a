"""What hooks may return."""

from __future__ import annotations

from collections.abc import Iterable

from llms_core.errors import PluginError


def wrong_result(result: object, described: str) -> str:
    """Return the message for a result of another type than the hook is to return."""
    if result is None:
        return f"returned None instead of {described}: is there a `return`?"
    return f"returned a {type(result).__name__} instead of {described}"


def route_names(names: Iterable[object]) -> frozenset[str]:
    """Return the names of routes that a hook has returned. Raises PluginError."""
    # None is the name of every route that has none.
    found = tuple(names)
    if isinstance(names, str) or not all(isinstance(name, str) for name in found):
        raise PluginError(
            'returned something else than names of routes: return {"webhook"} for name="webhook"'
        )
    return frozenset(map(str, found))
