"""A plugin with two routes, one of which anybody may use, a third without a prefix, and a number for `/metrics`.

It also has a state, and tells providers what they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from litestar import get
from litestar.types import ControllerRouterHandler

from llms_core import hookimpl
from llms_core.records import AttemptStart
from llms_core.status import Measurement


@get("/about", name="about", sync_to_thread=False)
def about() -> str:
    """Return what everybody may know."""
    return "routes"


@get("/report", sync_to_thread=False)
def report() -> str:
    """Return what only callers with a key may know."""
    return "secret"


@get("/report.txt", sync_to_thread=False)
def at_root() -> str:
    """Return the same where other programs expect it."""
    return "secret"


@hookimpl
def llms_root_routes() -> Iterable[ControllerRouterHandler]:
    return [at_root]


@hookimpl
def llms_measurements() -> Iterable[Measurement]:
    return [Measurement(name="routes_reports", help="Reports that there are.", value=1)]


@hookimpl
def llms_attempt_started(attempt: AttemptStart) -> Mapping[str, str]:
    return {"x-report": attempt.upstream_model, "Authorization": "never sent"}


@hookimpl
def llms_routes() -> Iterable[ControllerRouterHandler]:
    return [about, report]


@hookimpl
def llms_public_routes() -> Set[str]:
    return {"about"}


@hookimpl
def llms_status() -> Mapping[str, Any]:
    return {"problem": None, "routes": 2}
