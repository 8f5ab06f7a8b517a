"""Which dialect a request belongs to, also if it is for none of the paths that dialects accept POST requests at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llms_core.dialects import Dialect
from llms_core.dialects.paths import parameters, pattern


def client_dialect(headers: Mapping[str, str], dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect that a header of its own tells; None if there is none."""
    for dialect in dialects:
        if dialect.header and dialect.header in headers:
            return dialect
    return None


def dialect_of_path(path: str, dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect of a path at or above this one; None if there is none. The longest of these paths counts."""
    found: list[tuple[int, Dialect]] = []
    for dialect in dialects:
        found += [(len(each), dialect) for each in dialect.paths if _is_at_or_below(path, each)]
        if dialect.models_path and _is_at_or_below(path, dialect.models_path):
            found.append((len(dialect.models_path), dialect))
    if found:
        return max(found, key=lambda each: each[0])[1]
    return None


def dialect_of_error(
    path: str, headers: Mapping[str, str], dialects: Sequence[Dialect]
) -> Dialect | None:
    """Return the dialect of an error: by a path at or above this one, or by a header. None stands for OpenAI's."""
    return dialect_of_path(path, dialects) or client_dialect(headers, dialects)


def _is_at_or_below(path: str, served: str) -> bool:
    """Whether a path is one that is served, or below it. Nothing is below a path with parameters."""
    if parameters(served):
        return pattern(served).fullmatch(path) is not None
    return f"{path}/".startswith(f"{served}/")
