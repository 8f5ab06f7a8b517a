"""The examples of the pages about plugins are plugins that work as the pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from llms_core.testing import ScriptedUpstream, error
from llms_core.testing.serve import Served, serve

DOCS = Path(__file__).parents[2] / "docs"
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}


def example(page: str, folder: Path) -> str:
    """Write the page's first Python block to the file that its comment names; return a plugins.toml that loads it."""
    found = re.search(
        r"^```python\n# (\w+\.py)\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S
    )
    assert found is not None
    path = folder / found[1]
    path.write_text(found[2], "utf-8")
    return f"[plugins]\nload = ['{path}']\n"


def llms_json(upstream: ScriptedUpstream) -> dict[str, Any]:
    block = {"type": "openai-compatible", "base_url": upstream.base_url, "models": ["m", "quiet"]}
    return {"providers": {"first": block}}


def ask(gateway: Served, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    return httpx.post(
        f"{gateway.base_url}/chat/completions", json={**BODY, **members}, headers=headers
    )


def test_middleware(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    with serve(llms_json(upstream), example("middleware.md", tmp_path)) as gateway:
        assert ask(gateway).headers["x-shouted"] == "yes"
        assert ask(gateway, model="quiet").status_code == 403
    assert [seen.json["temperature"] for seen in upstream.requests] == [1.5]


@pytest.mark.parametrize(("badge", "status"), [(None, 401), ("4711", 200), ("0000", 403)])
def test_authentication(
    tmp_path: Path, upstream: ScriptedUpstream, badge: str | None, status: int
) -> None:
    with serve(llms_json(upstream), example("authenticate-callers.md", tmp_path)) as gateway:
        headers = {} if badge is None else {"x-badge": badge}
        assert ask(gateway, headers).status_code == status


def test_an_observer(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    upstream.script(error(400, "Too odd"))
    with serve(llms_json(upstream), example("observe-requests.md", tmp_path)) as gateway:
        response = ask(gateway)
        assert f"{response.headers['x-request-id']} failed at first: Too odd" in gateway.log
