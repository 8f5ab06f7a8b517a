"""Who looks at a page: somebody with a session or a key, or a stranger."""

from __future__ import annotations

from typing import Any, NamedTuple

from litestar.connection import ASGIConnection

from llms_core.errors import RequestError
from llms_core.records import Caller
from llms_core.server.gateway import Gateway
from llms_core.server.pages import sessions

Connection = ASGIConnection[Any, Any, Any, Any]


class Visitor(NamedTuple):
    """Somebody who may see the pages."""

    #: None if nobody needs a key.
    caller: Caller | None
    #: Whether the browser has signed in.
    has_session: bool = False


async def visitor(connection: Connection) -> Visitor | None:
    """Return who wants to see a page; None for a stranger with a browser, who gets the form to sign in.

    Raises RequestError for any other stranger.
    """
    gateway: Gateway = connection.app.state.gateway
    if gateway.is_open:
        return Visitor(None)
    caller = session(connection)
    if caller is not None:
        return Visitor(caller, has_session=True)
    try:
        return Visitor(await gateway.identify(connection.scope))
    except RequestError as error:
        if error.status == 401 and "text/html" in connection.headers.get("accept", ""):
            return None
        raise


def session(connection: Connection) -> Caller | None:
    """Return the caller of the browser's session, unless another site's page makes the request."""
    cookie = connection.cookies.get(cookie_name(connection))
    if cookie is None or not _is_own(connection):
        return None
    return sessions.caller_of(connection.app.state.gateway, cookie)


def cookie_name(connection: Connection) -> str:
    """The name of the cookie. Browsers do not keep apart the cookies of two ports, so that the port is in it."""
    server = connection.scope.get("server") or ("", 0)
    return f"llms-session-{server[1]}"


def is_from_own_page(connection: Connection) -> bool:
    """Whether a page of this server sent a form, or a program that is no browser."""
    site = connection.headers.get("sec-fetch-site")
    if site not in (None, "same-origin"):
        return False
    origin = connection.headers.get("origin")
    host = connection.headers.get("host", "")
    # Behind a proxy that speaks TLS the scheme is another one.
    return origin is None or origin in (f"http://{host}", f"https://{host}")


def _is_own(connection: Connection) -> bool:
    """Whether the user, or a page of this server, makes a request. Pages of other ports are of the same site."""
    site = connection.headers.get("sec-fetch-site")
    if site in ("cross-site", "same-site"):
        return connection.headers.get("sec-fetch-dest") == "document"
    return is_from_own_page(connection) or site == "none"
