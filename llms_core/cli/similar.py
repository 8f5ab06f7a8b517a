"""Errors for names that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from llms_core.cli.user_error import Failure

_MOST_LISTED = 20


def no_such(kind: str, name: str, names: Iterable[str]) -> Failure:
    """Return the error for an unknown name of a `kind`, with similar names, or else with those that there are."""
    known = list(dict.fromkeys(names))
    similar = difflib.get_close_matches(name.lower(), known, n=3)
    if similar:
        return Failure(f"unknown {kind} '{name}' (similar: {', '.join(similar)})")
    listed = known[:_MOST_LISTED]
    if len(known) > _MOST_LISTED:
        listed.append("…")
    return Failure(f"unknown {kind} '{name}' (known: {', '.join(listed) or 'none'})")
