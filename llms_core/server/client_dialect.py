"""Which dialect a client speaks whose request is for no dialect's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llms_core.dialects import Dialect


def client_dialect(headers: Mapping[str, str], dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect that a header of its own tells; None if there is none."""
    return next((dialect for dialect in dialects if dialect.header and dialect.header in headers), None)


def dialect_of_error(path: str, headers: Mapping[str, str], dialects: Sequence[Dialect]) -> Dialect | None:
    """Return the dialect of an error: by a path at or above this one, or by a header. None stands for OpenAI's."""
    found: list[tuple[int, Dialect]] = []
    for dialect in dialects:
        found += [(len(each), dialect) for each in dialect.paths if f"{path}/".startswith(f"{each}/")]
    if found:
        return max(found, key=lambda each: each[0])[1]
    return client_dialect(headers, dialects)
