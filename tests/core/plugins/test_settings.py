"""`[plugin.NAME]`: the plugin receives the settings as its own struct; errors name the file and the key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from llms_core.config import plugins_toml
from llms_core.config.model import Plugins
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.plugins.host import PluginHost

PLUGIN = """
    import msgspec
    from llms_core.secret import Secret
    class Settings(msgspec.Struct):
        region: str = "eu"
        retries: int = 0
        token: Secret | None = None
    got = []
    @hookimpl
    def llms_configure(settings):
        got.append(settings.decode(Settings))
    @hookimpl
    def llms_providers():
        assert got, "llms_configure is called first"
        return []
"""


def load(tmp_path: Path, text: str) -> PluginHost:
    path = tmp_path / "plugins.toml"
    path.write_text(text)
    toml = plugins_toml.load(path)
    return load_enabled_plugins(toml.plugins, toml.plugin, path=str(path))


def settings() -> object:
    import acme_llms  # type: ignore[import-not-found] # installed by the test

    return acme_llms.got[0]


def test_llms_configure_receives_the_table_before_any_other_hook(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("acme", PLUGIN)
    host = load(tmp_path, '[plugin.acme]\nregion = "us"\nretries = 3')
    assert [report.reason for report in host.reports if report.name == "acme"] == [""]
    assert (settings().region, settings().retries) == ("us", 3)  # type: ignore[attr-defined]


def test_llms_configure_is_called_even_without_a_table(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("acme", PLUGIN)
    load(tmp_path, "")
    assert settings().region == "eu"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "regio = 'us'",
            r"plugins\.toml:2: plugin\.acme\.regio: unknown key \(did you mean 'region'\?\)",
        ),
        ("retries = 'many'", r"plugin\.acme\.retries: Expected `int`, got `str`"),
        (
            "token = 'literal'",
            r"plugin\.acme\.token: write a secret as a reference to an environment variable, \$NAME",
        ),
        (
            "token = '$NOT_SET_ANYWHERE'",
            r"plugin\.acme\.token: the environment variable NOT_SET_ANYWHERE is not set",
        ),
    ],
)
def test_invalid_settings_are_rejected_with_file_and_key(
    install: Callable[..., None], tmp_path: Path, table: str, message: str
) -> None:
    """The plugin is quarantined, and nothing else."""
    install("acme", PLUGIN)
    install("other", "@hookimpl\ndef llms_providers(): return []")
    host = load(tmp_path, f"[plugin.acme]\n{table}")
    (report,) = [report for report in host.reports if report.name == "acme"]
    assert report.state == "quarantined"
    assert re.search(message, report.reason)
    assert [report.state for report in host.reports if report.name == "other"] == ["ok"]


def test_a_secret_is_read_from_the_environment_and_hidden_in_reprs(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", "sk-marked-acme")
    install("acme", PLUGIN)
    load(tmp_path, "[plugin.acme]\ntoken = '${ACME_TOKEN}'")
    assert settings().token.reveal() == "sk-marked-acme"  # type: ignore[attr-defined]
    assert "sk-marked" not in repr(settings())


def test_settings_for_a_plugin_without_settings_are_rejected(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("plain", "@hookimpl\ndef llms_providers():\n    return []")
    (report,) = [
        report
        for report in load(tmp_path, "[plugin.plain]\na = 1").reports
        if report.name == "plain"
    ]
    assert report.state == "quarantined"
    assert (
        "plugin.plain: plugin 'plain' of plain-llms 1.0 does not accept settings (remove a)"
        in report.reason
    )


def test_settings_for_a_missing_plugin_are_reported(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("acme", PLUGIN)
    host = load(tmp_path, "[plugin.acne]\nregion = 'us'")
    assert host.warnings[0].endswith(
        "plugins.toml:1: plugin.acne: no plugin 'acne' is installed (did you mean 'acme'?)"
    )


def test_a_plugin_that_has_switched_itself_off_is_not_missing(tmp_path: Path) -> None:
    """An unknown type in llms.json is a mistake, and not a sign that a plugin is not in use."""
    source = "def llms_configure(settings): settings.switch_off('no table')\n"
    (tmp_path / "off.py").write_text(f"from llms_core import hookimpl\n@hookimpl\n{source}")
    plugins = Plugins(load=("off.py",))
    host = load_enabled_plugins(
        plugins, path=str(tmp_path / "plugins.toml"), entry_points=lambda group: []
    )
    assert [(report.state, report.reason) for report in host.reports] == [("disabled", "no table")]
    assert host.unused == ""
