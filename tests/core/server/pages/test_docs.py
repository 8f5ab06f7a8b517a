"""The page at `/docs`: it works without any other server, and nothing else runs in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llms_core.server.pages import assets
from llms_core.testing import Body, Reply, Seen, Status, completion, embeddings, json_body
from tests.core.server.conftest import Asking, Pair

STATIC = Path(assets.__file__).parent / "static"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PAGES = ("/", "/docs")


@pytest.mark.parametrize("name", [path.name for path in STATIC.iterdir()])
def test_every_file_is_served_and_may_be_kept(ask: Asking, name: str) -> None:
    response = ask.get(assets.url(name))
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == MEDIA_TYPES[Path(name).suffix]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in response.headers["cache-control"]


def test_the_icon_is_where_browsers_look_for_it(ask: Asking) -> None:
    response = ask.get("/favicon.ico")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_files_of_this_server_alone(ask: Asking, path: str) -> None:
    named = re.findall(r'(?:src|href)="([^"]*)"', ask.get(path).text)
    files = {each for each in named if not each.startswith("#")}
    assert {ask.get(each).status_code for each in files} == {200}


# An SVG names its namespace.
@pytest.mark.parametrize(
    "path", [*STATIC.glob("*.js"), *STATIC.glob("*.css")], ids=lambda path: path.name
)
def test_no_file_names_another_server(path: Path) -> None:
    assert re.findall(r"https?://|[\"'(]//", path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", [*PAGES, "/docs/"])
def test_a_strict_policy(ask: Asking, path: str) -> None:
    """Scripts and styles are files of this server, and no other site may show the page in a frame."""
    response = ask.get(path)
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy["script-src"], policy["style-src"], policy["connect-src"]} == {"'self'"}
    assert re.findall(r"<script(?![^>]*src=)|<style|style=|\son\w+=", response.text) == []


def test_texts_of_the_document_are_never_read_as_html() -> None:
    """Plugins contribute to the document."""
    scripts = "".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    words = ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "outerHTML =")
    assert [word for word in words if word in scripts] == []


def test_the_document_says_how_a_key_is_presented(ask: Asking) -> None:
    document = ask.get("/docs/openapi.json").json()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    # Without keys nobody needs one.
    assert {} in document["security"]
    assert document["paths"]["/health"]["get"]["security"] == []


IMAGES = {"created": 1, "data": [{"b64_json": "QUFB"}]}


def ranking(seen: Seen) -> Reply:
    """Rank all documents in their order."""
    return json_body(
        {
            "results": [
                {"index": i, "relevance_score": 0} for i in range(len(seen.json["documents"]))
            ]
        }
    )


def test_every_example_of_the_document_is_a_request_that_works(pair: Pair, ask: Asking) -> None:
    """With a model that is served."""
    pair.upstream.routes.update(
        {
            "/chat/completions": completion("Hello!"),
            "/embeddings": embeddings(),
            "/rerank": Reply(ranking),
            "/moderations": json_body({"results": [{"flagged": False}]}),
            "/images/generations": json_body(IMAGES),
            "/audio/speech": Reply(Status(200, {"content-type": "audio/mpeg"}), Body(b"sound")),
        }
    )
    statuses: dict[str, int] = {}
    for path, methods in ask.get("/docs/openapi.json").json()["paths"].items():
        operation = methods.get("post", {})
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" not in content:
            continue
        for parameter in operation.get("parameters", ()):
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        statuses[path] = ask.post(content["example"], path).status_code
    assert len(statuses) > 15
    assert {path: status for path, status in statuses.items() if status != 200} == {}
