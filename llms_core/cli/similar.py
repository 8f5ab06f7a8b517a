"""Errors for names that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from llms_core.cli import UserError

_MOST_LISTED = 20


class Failure(UserError):
    """What the user asked for could not be done: prints only its message, and exits with code 1, as llms.py does."""

    exit_code = 1


def no_such(kind: str, name: str, known: Sequence[str]) -> Failure:
    """Return the error for an unknown name of a `kind`, with similar names, or else with those that there are."""
    similar = difflib.get_close_matches(name.lower(), known, n=3)
    if similar:
        return Failure(f"unknown {kind} '{name}' (similar: {', '.join(similar)})")
    listed = list(known[:_MOST_LISTED])
    if len(known) > _MOST_LISTED:
        listed.append("…")
    return Failure(f"unknown {kind} '{name}' (known: {', '.join(listed) or 'none'})")
