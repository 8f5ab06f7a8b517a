"""The routes of all pages but `/docs`, which belongs to the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from llms_core.server.pages import assets, sign_in, status


def pages() -> Sequence[ControllerRouterHandler]:
    """Return the routes."""
    return [status.show, *sign_in.routes(), *assets.routers()]
