"""`llms plugins new`: the project can be installed and passes its own tests, ruff and mypy unchanged."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fresh_environment import Environment, Running

from llms_core.cli import main, scaffold
from llms_core.errors import ConfigError
from llms_core.plugins.versions import unsatisfied

# 40 characters, the maximum: lines that contain the name must not become too long.
LONG_NAME = "Longest-Name.of_a_Provider-That-There-Is"
KINDS = {"tiny": (), "Short-Lived": ("--token",), LONG_NAME: ("--native",)}
PLUGINS = ("middleware", "auth", "observer")


def llms(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        main, list(map(str, arguments)), prog_name="llms", catch_exceptions=False
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment.shared(tmp_path_factory)


@pytest.fixture(scope="module")
def projects(environment: Environment) -> dict[str, Path]:
    """Both kinds of projects, created and installed in an environment of their own."""
    found = {}
    for name, options in KINDS.items():
        done = environment.run("llms", "plugins", "new", name, *options)
        assert done.returncode == 0, done.stderr
        found[name] = environment.home / scaffold.names_of(name)["distribution"]
    environment.install(*found.values())
    return found


@pytest.fixture(scope="module")
def running(environment: Environment, projects: dict[str, Path]) -> Iterator[dict[str, Running]]:
    """Each project's own tests, and mypy for both: slow, so they run concurrently."""
    with ExitStack() as ended:
        started = {
            name: environment.start("pytest", "-q", cwd=folder) for name, folder in projects.items()
        }
        sources = [path for folder in projects.values() for path in folder.rglob("*.py")]
        started["mypy"] = environment.start("mypy", "--strict", *sources)
        for process in started.values():
            ended.callback(process.stop)
        yield started


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("name", KINDS)
def test_ruff_reports_nothing(
    environment: Environment, projects: dict[str, Path], name: str
) -> None:
    folder = projects[name]
    assert len(list(folder.glob("*.py"))) == (2 if KINDS[name] else 1)
    for command in (("ruff", "check"), ("ruff", "format", "--check")):
        done = environment.run(*command, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("running")
def test_the_gateway_finds_the_plugins(environment: Environment, projects: dict[str, Path]) -> None:
    listed = environment.run("llms", "plugins").stdout
    examined = environment.run("llms", "plugins", "doctor").stdout
    for name in (scaffold.names_of(name)["name"] for name in projects):
        assert f"{name}: provides {name}" in listed
        # On a loaded machine, a line about a slow import may come first.
        assert re.search(rf"^{re.escape(name)}: import \d+ ms, ok$", examined, re.MULTILINE)


def test_mypy_reports_nothing(running: dict[str, Running]) -> None:
    done = running["mypy"].wait()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", KINDS)
def test_its_own_tests_pass_at_level_gold(running: dict[str, Running], name: str) -> None:
    done = running[name].wait()
    assert done.returncode == 0, done.stdout
    names = scaffold.names_of(name)
    assert f"{names['name']}, of {names['distribution']} 0.1.0" in done.stdout
    assert "level: gold" in done.stdout


@pytest.fixture(scope="module")
def plugin_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment of its own, because these plugins would take part in the tests of the others."""
    return Environment.with_tools(tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLUGINS)
def test_a_plugin_that_is_no_provider(
    plugin_environment: Environment, tmp_path: Path, kind: str
) -> None:
    """Its own tests, ruff and mypy pass, and `llms plugins` lists it."""
    environment = plugin_environment
    folder = tmp_path / "project"
    done = environment.run("llms", "plugins", "new", f"--{kind}", LONG_NAME, "--folder", folder)
    assert done.returncode == 0, done.stderr
    names = scaffold.names_of(LONG_NAME, scaffold.KINDS[kind])
    environment.install(folder)
    try:
        for command in (
            ("ruff", "check"),
            ("ruff", "format", "--check"),
            ("mypy", "--strict", f"{names['module']}.py", "tests"),
            ("pytest", "-q"),
        ):
            done = environment.run(*command, cwd=folder)
            assert done.returncode == 0, done.stdout + done.stderr
        assert f"\n{names['name']}  " in environment.run("llms", "plugins").stdout
    finally:
        environment.uninstall(names["distribution"])


def test_an_openai_compatible_plugin_is_short(tmp_path: Path) -> None:
    scaffold.create("acme", folder=tmp_path)
    assert (
        len(
            [line for line in (tmp_path / "llms_provider_acme.py").read_text().splitlines() if line]
        )
        < 15
    )


def test_the_project(tmp_path: Path) -> None:
    """Entry point, range on the core, test dependencies; no placeholder is left."""
    scaffold.create("My.Own-LLM", scaffold.KINDS["native"], folder=tmp_path / "new" / "project")
    project = tmp_path / "new" / "project"
    toml: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text())
    assert toml["project"]["name"] == "llms-provider-my-own-llm"
    assert toml["project"]["entry-points"] == {
        "llms_core": {"my-own-llm": "llms_provider_my_own_llm"}
    }
    assert toml["project"]["dependencies"] == ["llms-core>=0.1,<0.2", "msgspec>=0.20,<1"]
    assert unsatisfied(toml["project"]["dependencies"], "0.2.0") == ">=0.1,<0.2"
    assert toml["project"]["optional-dependencies"]["test"][0] == "llms-core[testing]>=0.1,<0.2"
    texts = {path: path.read_text() for path in project.rglob("*") if path.is_file()}
    assert {path.name for path in texts} >= {"README.md", "LICENSE", ".gitignore", "tests.yml"}
    for path, text in texts.items():
        assert "@" not in text.replace("@hookimpl", "").replace("@v", "").replace("@pytest", ""), (
            path
        )
        assert "$" not in text.replace("${{ matrix.python }}", ""), path
    assert (
        "class TestMyOwnLLM(ProviderConformance)"
        in texts[project / "tests/test_llms_provider_my_own_llm.py"]
    )


@pytest.mark.parametrize("name", ["acme", "llms-provider-acme", "LLMS-Provider-Acme", " acme "])
def test_the_prefix_is_optional(name: str) -> None:
    assert scaffold.names_of(name)["distribution"] == "llms-provider-acme"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "1st",
        "acme-",
        "-acme",
        ".acme",
        "a b",
        "../acme",
        "a/b",
        "acmé",
        "$name",
        "a\nb",
        "x" * 41,
    ],
)
def test_an_invalid_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exits with code 2 and writes nothing."""
    monkeypatch.chdir(tmp_path)
    result = llms("plugins", "new", "--", name)
    assert result.exit_code == 2
    assert "is not a valid provider name" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_taken_name(tmp_path: Path) -> None:
    result = llms("plugins", "new", "Ollama", "--folder", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == (
        "llms: the provider 'ollama' already exists (`llms plugins` shows which plugin provides it)\n"
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "README.md"
    mine.write_text("mine")
    result = llms("plugins", "new", "acme", "--folder", tmp_path)
    assert result.exit_code == 2
    assert "the folder is not empty, and existing files are not overwritten" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert mine.read_text() == "mine"


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("mine")
    with pytest.raises(ConfigError, match="here"):
        scaffold.create("acme", folder=tmp_path / "here")


def test_it_lists_the_files_and_the_next_step(tmp_path: Path) -> None:
    result = llms("plugins", "new", "acme", "--folder", tmp_path / "p")
    assert result.exit_code == 0
    assert str(tmp_path / "p" / "llms_provider_acme.py") in result.output
    assert f"cd {tmp_path / 'p'} && pip install -e '.[test]' && pytest" in result.output
