"""The form with which a browser signs in, where keys are required: the key becomes a session (`sessions.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from litestar import Response, get, post
from litestar.connection import Request
from litestar.datastructures import Cookie, State
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from llms_core.errors import RequestError
from llms_core.server.authenticate import key_hash
from llms_core.server.gateway import Gateway
from llms_core.server.pages import sessions
from llms_core.server.pages.layout import HEADERS, page
from llms_core.server.pages.markup import element
from llms_core.server.pages.visitors import cookie_name, is_from_own_page
from llms_core.server.request_body import read_body
from llms_core.server.request_headers import HEADERS as HEADERS_BY_NAME

#: Bytes of the form.
_MAX_FORM = 16_384
#: Where a browser may go once it has signed in: nowhere else, whatever the form says.
_DESTINATIONS = ("/", "/docs")


def form(gateway: Gateway, destination: str, problem: str = "") -> bytes:
    """Return the page with the form. A stranger learns from it whether the server is ready, and nothing else."""
    state = element("p", "Not ready.", class_="state bad")
    if gateway.readiness()["ready"]:
        state = element("p", "Ready.", class_="state ok")
    alert = ""
    described = {"aria_describedby": "hint"}
    if problem:
        alert = element("p", problem, class_="problem", role="alert", id="problem")
        described = {"aria_describedby": "problem", "aria_invalid": "true"}
    field = element(
        "input",
        id="key",
        name="key",
        type="password",
        required=True,
        autocomplete="current-password",
        spellcheck="false",
        **described,
    )
    hint = "It is exchanged for a session that can only read these pages."
    content = element(
        "section",
        element("h1", "Sign in"),
        state,
        alert,
        element(
            "form",
            element("label", "Key of this server", for_="key"),
            field,
            element("p", hint, class_="soft", id="hint"),
            element("input", type="hidden", name="page", value=destination),
            element("button", "Sign in"),
            method="post",
            action="/sign-in",
        ),
        class_="card narrow",
    )
    return page(destination, "Sign in · llms", content, has_navigation=False)


@post("/sign-in", include_in_schema=False, status_code=303, response_headers=HEADERS)
async def sign_in(request: Request[object, object, State]) -> Response[Any]:
    """Exchange a key for a session."""
    _require_own_page(request)
    gateway: Gateway = request.app.state.gateway
    data = await read_body(request.scope, request.receive, _MAX_FORM, gateway.server.body_timeout)
    fields = _fields(data)
    destination = fields.get("page", "")
    if destination not in _DESTINATIONS:
        destination = "/"
    if gateway.is_open:
        return Redirect(destination, status_code=303)
    key = fields.get("key", "").strip().encode()
    try:
        caller = await gateway.identify(_with_key(request, key))
    except RequestError as error:
        # A plugin may have reasons of its own, which are for whoever has the key.
        problem = "This is not a key of this server." if error.status == 401 else error.message
        return Response(
            form(gateway, destination, problem), status_code=error.status, media_type="text/html"
        )
    if caller is None:
        return Redirect(destination, status_code=303)
    value, seconds = sessions.begin(gateway, caller, key_hash(key))
    return Redirect(destination, status_code=303, cookies=[_cookie(request, value, seconds)])


@get(
    "/sign-in",
    include_in_schema=False,
    status_code=303,
    response_headers=HEADERS,
    sync_to_thread=False,
)
def after_reload() -> Redirect:
    """Lead to the form: the browser is at this address after a wrong key."""
    return Redirect("/", status_code=303)


@post("/sign-out", include_in_schema=False, status_code=303, response_headers=HEADERS)
async def sign_out(request: Request[object, object, State]) -> Response[Any]:
    """Make the browser forget its session."""
    _require_own_page(request)
    return Redirect("/", status_code=303, cookies=[_cookie(request, "", 0)])


def routes() -> Sequence[HTTPRouteHandler]:
    """Return the routes of the forms."""
    return [sign_in, after_reload, sign_out]


def _fields(data: bytes) -> dict[str, str]:
    """The fields of a form. Raises RequestError if it is none."""
    try:
        found = parse_qs(data.decode("latin-1"), max_num_fields=10)
    except ValueError as error:
        raise RequestError(f"The form cannot be read: {error}", code="invalid_value") from None
    return {name: values[0] for name, values in found.items()}


def _require_own_page(request: Request[Any, Any, State]) -> None:
    if not is_from_own_page(request):
        message = "Pages of other sites may not sign in to this server"
        raise RequestError(message, status=403, type="permission_error", code="origin_not_allowed")


def _with_key(request: Request[Any, Any, State], key: bytes) -> Any:
    """The request as one that presents the key, and nothing else that may identify its sender."""
    header = (b"authorization", b"Bearer " + key)
    return {**request.scope, "headers": [header], HEADERS_BY_NAME: dict([header])}


def _cookie(request: Request[Any, Any, State], value: str, seconds: int) -> Cookie:
    return Cookie(
        key=cookie_name(request),
        value=value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
