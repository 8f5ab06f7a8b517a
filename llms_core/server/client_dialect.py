"""Which dialect a request belongs to, also if it is for none of the paths that dialects accept POST requests at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llms_core.dialects import Dialect
from llms_core.dialects.paths import fixed_part, parameters


def client_dialect(headers: Mapping[str, str], dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect that a header of its own tells; None if there is none."""
    return next((dialect for dialect in dialects if dialect.header and dialect.header in headers), None)


def dialect_of_path(path: str, dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect of a path at or above this one; None if there is none. The longest of these paths counts."""
    found: list[tuple[int, Dialect]] = []
    for dialect in dialects:
        found += [(len(each), dialect) for each in _beginnings(dialect) if f"{path}/".startswith(each)]
    # Of several dialects with the same beginning, the first.
    return max(found, key=lambda each: each[0])[1] if found else None


def dialect_of_error(path: str, headers: Mapping[str, str], dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect of an error: by a path at or above this one, or by a header. None stands for OpenAI's."""
    return dialect_of_path(path, dialects) or client_dialect(headers, dialects)


def _beginnings(dialect: Dialect) -> list[str]:
    """Return what the paths of a dialect, and those below them, begin with."""
    found = [fixed_part(path) if parameters(path) else f"{path}/" for path in dialect.paths]
    if dialect.models_path:
        found.append(f"{dialect.models_path}/")
    return found
