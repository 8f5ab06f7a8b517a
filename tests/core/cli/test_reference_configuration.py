"""docs/configuration.md and plugins.schema.json are generated, complete, and right."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import msgspec
import pytest
import trustme
from click.testing import CliRunner, Result

from llms_core.cli import main
from llms_core.cli.reference import plugins_schema
from llms_core.cli.reference.configuration import own_sections, page
from llms_core.cli.reference.sections import LLMS_JSON, PLUGINS_TOML, Section
from llms_core.config.described import members
from llms_core.config.model import Plugins
from llms_core.errors import ErrorKind, LlmsError
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.plugins.loading import load_plugins

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "configuration.md"
SPECS = load_enabled_plugins(Plugins(allow=("llms-providers",)), entry_points=entry_points).specs
CERTIFICATE = trustme.CA().issue_cert("gateway.example").private_key_and_cert_chain_pem
SECTIONS = [*LLMS_JSON, *own_sections(SPECS.values()), *PLUGINS_TOML]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(SPECS.values()), (
        "python -m llms_core.cli.reference.configuration > docs/configuration.md"
    )


def test_the_schema_is_up_to_date() -> None:
    assert (ROOT / "llms_providers" / "plugins.schema.json").read_text(
        "utf-8"
    ) == plugins_schema.rendered(), (
        "python -m llms_core.cli.reference.plugins_schema > llms_providers/plugins.schema.json"
    )


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_member_has_a_meaning_and_an_example(section: Section) -> None:
    """A member that is a table of its own has its examples there."""
    for member in members(section.struct):
        if section.only is not None and member.name not in section.only:
            continue
        assert member.description or member.name == "path", member.name
        is_table = isinstance(member.default, msgspec.Struct) or "Struct" in repr(member.type)
        has_table = is_table or member.name in ("path", "$schema")
        assert has_table or member.example is not msgspec.NODEFAULT, member.name


def test_every_kind_of_error_is_explained() -> None:
    text = PAGE.read_text("utf-8")
    for kind in ErrorKind:
        row = re.search(rf"^\| `{kind}` \| (.+?) \|", text, re.MULTILINE)
        assert row, kind


# Examples


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Result]:
    """Run `llms config check` on an example, in a folder with the files that examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    monkeypatch.setenv("LEDGER_PASSWORD", "sk-marked-password")
    (tmp_path / "keys.toml").write_text(f'bob = "sha256:{hashlib.sha256(b"secret").hexdigest()}"\n')
    plugin = "from llms_core import hookimpl\n@hookimpl\ndef llms_providers(): return []\n"
    (tmp_path / "my_provider.py").write_text(plugin)
    for name in ("company-ca.pem", "client.pem"):
        CERTIFICATE.write_to_path(tmp_path / name)
    (tmp_path / "llms.json").write_text(_first_block("json"), "utf-8")

    def run(file: str, text: str) -> Result:
        (tmp_path / file).write_text(text, "utf-8")
        return CliRunner().invoke(
            main, ["config", "check", "--strict"], prog_name="llms", catch_exceptions=False
        )

    return run


def _blocks(language: str) -> Iterator[str]:
    yield from re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def _first_block(language: str) -> str:
    return next(_blocks(language))


@pytest.mark.parametrize("language", ["json", "toml"])
def test_the_examples_of_both_files_are_accepted(
    check: Callable[[str, str], Result], language: str
) -> None:
    file = "llms.json" if language == "json" else "plugins.toml"
    for block in _blocks(language):
        result = check(file, block)
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_the_example_of_every_member_is_accepted(
    check: Callable[[str, str], Result], section: Section
) -> None:
    for text in section.examples():
        result = check(section.file, text)
        assert result.exit_code == 0, f"{text}\n{result.stderr}"
        assert "unknown member" not in result.stderr


# The schema


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Validates like an editor."""
    jsonschema.Draft202012Validator.check_schema(plugins_schema.schema())
    return jsonschema.Draft202012Validator(plugins_schema.schema())


def test_the_examples_are_valid_by_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    for section in PLUGINS_TOML:
        for text in section.examples():
            validator.validate(tomllib.loads(text))


def test_the_file_at_the_root_names_the_schema_and_is_valid(
    validator: jsonschema.Draft202012Validator,
) -> None:
    text = (ROOT / "plugins.toml").read_text("utf-8")
    first_line = text.partition("\n")[0]
    named = ROOT / first_line.removeprefix("#:schema ")
    assert named.read_text("utf-8") == plugins_schema.rendered()
    validator.validate(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "[server]\nmax_request = 1",
        "[server]\nmax_requests = 0",
        "[routing]\nstrategy = 'random'",
        "[routing.policy]\nratelimit = 'next'",
        "[routing.policy]\nauth = 'retry'",
        "[timeouts.provider.a]\ntotla = 1",
        "[types.acme]\nbase-url = 'https://x'",
        "[types.acme.rules]\ndeveloper = 'yes'",
        "path = 'x'",
        "plugin = 1",
    ],
)
def test_an_editor_marks_mistakes(
    validator: jsonschema.Draft202012Validator, tmp_path: Path, text: str
) -> None:
    """The same ones that a start refuses."""
    assert not validator.is_valid(tomllib.loads(text))
    (tmp_path / "plugins.toml").write_text(text, "utf-8")
    with pytest.raises(LlmsError):
        load_plugins(tmp_path / "plugins.toml")


def test_settings_of_other_plugins_are_not_mistakes(
    validator: jsonschema.Draft202012Validator,
) -> None:
    """The schema does not know which plugins are installed, and a plugin may have settings of the core's."""
    validator.validate({"plugin": {"mine": {"region": "north"}, "guard": {"fail": "open"}}})


@pytest.mark.parametrize("file", ["llms.json", "plugins.toml"])
def test_the_command_prints_the_schema(file: str) -> None:
    printed = CliRunner().invoke(main, ["config", "schema", file], prog_name="llms").output
    name = "llms.schema.json" if file == "llms.json" else "plugins.schema.json"
    assert printed == (ROOT / "llms_providers" / name).read_text("utf-8")
