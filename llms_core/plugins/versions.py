"""Checks the range of llms-core versions that a distribution requires.

Implements only the part of PEP 440 that ranges on a single package need, so that `packaging` is not a dependency.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from operator import eq, ge, gt, le, lt, ne

#: The name of the core's distribution.
CORE = "llms-core"

Release = tuple[int, ...]

# A Requires-Dist line for llms-core: group 1 is the range, group 2 an environment marker.
_REQUIREMENT = re.compile(
    r"^\s*llms[-_.]core\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?$", re.IGNORECASE
)
# One comparison: group 1 is the operator, group 2 the release, group 3 the wildcard.
_CLAUSE = re.compile(r"^(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?$")
_RELEASE = re.compile(r"^v?(\d+(?:\.\d+)*)")
_COMPARISONS = {"==": eq, "!=": ne, "<=": le, ">=": ge, "<": lt, ">": gt}


def unsatisfied(requires: Iterable[str], version: str) -> str | None:
    """Return the range on llms-core among `requires` (Requires-Dist lines) that excludes `version`, or None.

    Requirements with environment markers, and clauses that cannot be parsed, are ignored: the installer has already
    checked the range, and this second check must not reject what the installer accepted.
    """
    for line in requires:
        requirement = _REQUIREMENT.match(line)
        if requirement is None or requirement[2]:
            continue
        for clause in _clauses(requirement[1]):
            if not _satisfies(version, clause):
                return ",".join(_clauses(requirement[1]))
    return None


def range_on_core(distribution: str) -> str | None:
    """Return the range on llms-core that an installed distribution declares, or None."""
    try:
        requires = importlib.metadata.requires(distribution) or ()
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    ranges = []
    for line in requires:
        requirement = _REQUIREMENT.match(line)
        if requirement is not None and requirement[1].strip():
            ranges.append(requirement[1].strip())
    return ",".join(ranges) or None


def _clauses(text: str) -> list[str]:
    stripped = map(str.strip, text.split(","))
    return [clause for clause in stripped if clause]


def _satisfies(version: str, clause: str) -> bool:
    parsed_version = _RELEASE.match(version)
    parsed_clause = _CLAUSE.match(clause)
    if parsed_version is None or parsed_clause is None:
        return True
    actual = _release(parsed_version[1])
    operator = parsed_clause[1]
    wanted = _release(parsed_clause[2])
    if operator == "~=":
        # "~=1.4.2" means ">=1.4.2" and "==1.4.*".
        return _compare(">=", actual, wanted) and _has_prefix(actual, wanted[:-1])
    if parsed_clause[3]:
        return _has_prefix(actual, wanted) == (operator == "==")
    return _compare(operator, actual, wanted)


def _compare(operator: str, left: Release, right: Release) -> bool:
    # 1.2 and 1.2.0 are the same release.
    width = max(len(left), len(right))
    return bool(_COMPARISONS[operator](_padded(left, width), _padded(right, width)))


def _has_prefix(release: Release, prefix: Release) -> bool:
    return _padded(release, len(prefix))[: len(prefix)] == prefix


def _padded(release: Release, width: int) -> Release:
    return release + (0,) * (width - len(release))


def _release(text: str) -> Release:
    return tuple(map(int, text.split(".")))
