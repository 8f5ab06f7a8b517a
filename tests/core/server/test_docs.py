"""The page at `/docs`: it works without any other server, and nothing else runs in it."""

from __future__ import annotations

import re

import pytest

from tests.core.server.conftest import Asking

FILES = {"/docs": "text/html", "/docs/viewer.js": "text/javascript", "/docs/viewer.css": "text/css"}


@pytest.mark.parametrize(("path", "media_type"), FILES.items())
def test_the_page_and_its_files(ask: Asking, path: str, media_type: str) -> None:
    response = ask.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", FILES)
def test_nothing_comes_from_another_server(ask: Asking, path: str) -> None:
    assert re.findall(r"https?://|[\"'(]//", ask.get(path).text) == []


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/"])
def test_a_strict_policy(ask: Asking, path: str) -> None:
    """Scripts and styles are files of this server, and no other site may show the page in a frame."""
    response = ask.get(path)
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy["script-src"], policy["style-src"], policy["connect-src"]} == {"'self'"}
    assert re.findall(r"<script(?![^>]*src=)|<style|style=|\son\w+=", response.text) == []


def test_the_page_names_its_files(ask: Asking) -> None:
    named = re.findall(r'(?:src|href)="(/[^"]*)"', ask.get("/docs").text)
    assert {"/docs/viewer.js", "/docs/viewer.css", "/docs/openapi.json"} == set(named)
    assert {ask.get(path).status_code for path in named} == {200}


def test_texts_of_the_document_are_never_read_as_html(ask: Asking) -> None:
    """Plugins contribute to the document."""
    script = ask.get("/docs/viewer.js").text
    assert [
        word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in script
    ] == []
