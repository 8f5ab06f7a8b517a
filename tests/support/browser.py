"""A real Chromium for the pages: without a network but for the gateway, and with everything noted that goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

#: Chromium may neither update itself nor look for anything: only the server under test is there.
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
#: Milliseconds that the browser waits for an element.
_TIMEOUT = 20_000
_VIOLATIONS = "document.addEventListener('securitypolicyviolation', event => console.error(event.violatedDirective))"

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1180, "height": 900}


def program() -> str:
    """Return the path of Chromium, or skip the test if there is none."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser."""
    path = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """One window at the pages of a gateway. `problems` is what the browser complained about, or asked others for."""

    def __init__(
        self,
        browser: Browser,
        origin: str,
        *,
        scheme: Literal["light", "dark"] = "light",
        size: dict[str, int] = DESKTOP,
        has_scripts: bool = True,
    ) -> None:
        self.origin = origin
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(
            color_scheme=scheme,
            viewport=size,  # type: ignore[arg-type]
            java_script_enabled=has_scripts,
            locale="en-GB",
            timezone_id="UTC",
        )
        self.context.set_default_timeout(_TIMEOUT)
        self.context.route("**", self._only_the_gateway)
        if has_scripts:
            self.context.add_init_script(_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(f"{self.origin}{path}")
        return self.page

    def violations(self, axe: str) -> list[str]:
        """Return what axe-core, whose source is `axe`, finds wrong with the page."""
        self.page.evaluate(f"{axe}; undefined")
        found: dict[str, Any] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']})"
        )
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        wide: bool = self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide

    def close(self) -> None:
        self.context.close()

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _only_the_gateway(self, route: Route) -> None:
        if route.request.url.startswith(f"{self.origin}/"):
            route.continue_()
        else:
            self.problems.append(f"asked for {route.request.url}")
            route.abort()
