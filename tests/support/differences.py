"""Differences between two JSON values, and a table of those that are allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

MISSING = type("Missing", (), {"__repr__": lambda self: "missing"})()


class Difference(NamedTuple):
    """A member that was changed; `*` in its path is any position of a list."""

    path: str
    before: Any
    after: Any
    #: the object or list that contains the member
    parent: Any


Allowed = Callable[[Difference], bool]


def differences(
    before: Any, after: Any, path: tuple[str, ...] = (), parent: Any = None
) -> Iterator[Difference]:
    """Yield every difference."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(
                before.get(name, MISSING), after.get(name, MISSING), (*path, name), before
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            yield from differences(old, new, (*path, "*"), before)
    elif type(before) is not type(after) or before != after:
        yield Difference(".".join(path), before, after, parent)


def assert_only(allowed: Mapping[str, tuple[str, Allowed]], before: Any, after: Any) -> set[str]:
    """Assert that all changes are allowed, and return their paths."""
    changed = set()
    for difference in differences(before, after):
        _, is_allowed = allowed.get(difference.path, ("", lambda it: False))
        assert is_allowed(difference), (
            f"{difference.path}: {difference.before!r} became {difference.after!r}"
        )
        changed.add(difference.path)
    return changed
