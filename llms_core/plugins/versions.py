"""Whether this core is one that a distribution asks for. Reads as much of PEP 440 as ranges on one package need."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from operator import eq, ge, gt, le, lt, ne

_REQUIREMENT = re.compile(r"^\s*llms[-_.]core\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?$", re.IGNORECASE)
_CLAUSE = re.compile(r"^(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?$")
_RELEASE = re.compile(r"^v?(\d+(?:\.\d+)*)")
_COMPARE = {"==": eq, "!=": ne, "<=": le, ">=": ge, "<": lt, ">": gt}


def unsatisfied(requires: Iterable[str], version: str) -> str | None:
    """The range on llms-core among `requires` (lines of Requires-Dist) that `version` is outside of, else None.

    What cannot be read is let pass: the installer has checked it once already, and this is the second look.
    """
    for line in requires:
        found = _REQUIREMENT.match(line)
        if found and not found[2]:
            clauses = [clause.strip() for clause in found[1].split(",") if clause.strip()]
            if not all(_satisfies(version, clause) for clause in clauses):
                return ",".join(clauses)
    return None


def range_on_core(distribution: str) -> str | None:
    """The range on llms-core that an installed distribution asks for; None where it names none."""
    try:
        requires = importlib.metadata.requires(distribution) or ()
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    found = [match[1].strip() for line in requires if (match := _REQUIREMENT.match(line))]
    return ",".join(filter(None, found)) or None


def _satisfies(version: str, clause: str) -> bool:
    ours, wanted = _RELEASE.match(version), _CLAUSE.match(clause)
    if ours is None or wanted is None:
        return True
    have, want = _release(ours[1]), _release(wanted[2])
    if wanted[1] == "~=":
        return _padded_compare(">=", have, want) and have[: len(want) - 1] == want[:-1]
    if wanted[3]:
        same = (have + (0,) * len(want))[: len(want)] == want
        return same if wanted[1] == "==" else not same
    return _padded_compare(wanted[1], have, want)


def _padded_compare(operator: str, have: tuple[int, ...], want: tuple[int, ...]) -> bool:
    width = max(len(have), len(want))
    pad = [release + (0,) * (width - len(release)) for release in (have, want)]
    return bool(_COMPARE[operator](*pad))


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
