"""What the start of the server imports: libraries that only some requests need would make everybody wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys
from llms_core.server.app import create_app

create_app()
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=home,
        env={"LLMS_HOME": str(home), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["genai_prices", "httpx", "PIL", "psycopg", "pydantic", "rich", "xllamacpp"],
)
def test_the_start_does_not_import_what_few_requests_need(
    imported: frozenset[str], module: str
) -> None:
    assert module not in imported


def test_models_of_pydantic_work_in_routes_of_plugins(tmp_path: Path) -> None:
    """Litestar's support for them is loaded as soon as a plugin imports pydantic."""
    (tmp_path / "fruits.py").write_text(
        "from litestar import get\n"
        "from pydantic import BaseModel\n"
        "from llms_core import hookimpl\n\n\n"
        "class Fruit(BaseModel):\n"
        "    name: str\n\n\n"
        "@get('/best')\n"
        "async def best() -> Fruit:\n"
        "    return Fruit(name='fig')\n\n\n"
        "@hookimpl\n"
        "def llms_routes():\n"
        "    return [best]\n",
        "utf-8",
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["fruits.py"]\n', "utf-8")
    script = (
        "import sys\nfrom pathlib import Path\nfrom litestar.testing import TestClient\n"
        "from llms_core.server.app import create_app\n"
        "app = create_app(plugins=Path('plugins.toml'))\n"
        "with TestClient(app, base_url='http://localhost') as client:\n"
        "    print(client.get('/x/fruits/best').text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"LLMS_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == '{"name":"fig"}\n', done.stderr
