"""What all pages have in common: head, header, and the headers of the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llms_core.server.pages import assets
from llms_core.server.pages.markup import Markup, element, join

HEADERS: Mapping[str, str] = {
    # The pages show text of plugins, and `/docs` holds the user's key: nothing but our files may run or be called.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With `no-referrer`, the form to sign in would be sent with the origin `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # What a page shows depends on who asks, and is old at once.
    "cache-control": "no-store",
    "vary": "Cookie, Authorization, Accept",
}
"""The headers of every page."""

#: The paths of the pages, and what the navigation calls them.
_PAGES = {"/": "Status", "/docs": "API reference"}


def page(
    path: str,
    title: str,
    *content: str,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    has_session: bool = False,
    has_navigation: bool = True,
) -> bytes:
    """Return a page. `styles` and `scripts` are further files of `static`; with a session, one can sign out."""
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", type="image/svg+xml", href=assets.url("icon.svg")),
    ]
    head += [
        element("link", rel="stylesheet", href=assets.url(name)) for name in ("style.css", *styles)
    ]
    head += [
        element("script", type="module", src=assets.url(name)) for name in ("page.js", *scripts)
    ]
    body = join(
        element("a", "Skip to the content", class_="skip", href="#content"),
        _header(path, has_session=has_session, has_navigation=has_navigation),
        element("main", *content, id="content", tabindex="-1"),
    )
    written = element("html", element("head", *head), element("body", body), lang="en")
    return f"<!doctype html>\n{written}\n".encode()


def _header(path: str, *, has_session: bool, has_navigation: bool) -> Markup:
    parts = [
        element(
            "a",
            element("img", src=assets.url("icon.svg"), alt="", width="28", height="28"),
            "llms",
            href="/",
            class_="brand",
        )
    ]
    if has_navigation:
        links = [
            element("a", name, href=each, aria_current=_current(each, path))
            for each, name in _PAGES.items()
        ]
        parts.append(element("nav", *links, aria_label="Pages"))
    if has_session:
        button = element("button", "Sign out", class_="quiet")
        parts.append(element("form", button, method="post", action="/sign-out", class_="sign-out"))
    return element("header", element("div", *parts, class_="bar"))


def _current(path: str, shown: str) -> str | None:
    if path == shown:
        return "page"
    return None
