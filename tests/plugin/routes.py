"""A plugin with two routes, one of which anybody may use, and a state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from litestar import get
from litestar.types import ControllerRouterHandler

from llms_core import hookimpl


@get("/about", name="about", sync_to_thread=False)
def about() -> str:
    """Return what everybody may know."""
    return "routes"


@get("/report", sync_to_thread=False)
def report() -> str:
    """Return what only callers with a key may know."""
    return "secret"


@hookimpl
def llms_routes() -> Iterable[ControllerRouterHandler]:
    return [about, report]


@hookimpl
def llms_public_routes() -> Set[str]:
    return {"about"}


@hookimpl
def llms_status() -> Mapping[str, Any]:
    return {"problem": None, "routes": 2}
