"""`[plugin.NAME]`: what the user writes reaches the plugin as its own struct, or is refused with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llms_core.config import plugins_toml
from llms_core.errors import ConfigError
from llms_core.plugins.discovery import discover
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
        assert got, "it is configured before it is asked for anything"
        return []
"""


def load(tmp_path: Path, text: str) -> PluginHost:
    path = tmp_path / "plugins.toml"
    path.write_text(text)
    toml = plugins_toml.load(path)
    return discover(toml.plugins, toml.plugin, path=str(path))


def settings() -> object:
    import acme_llms  # type: ignore[import-not-found] # installed by the test

    return acme_llms.got[0]


def test_llms_configure_gets_the_table_before_any_other_hook(install: Callable[..., None], tmp_path: Path) -> None:
    install("acme", PLUGIN)
    host = load(tmp_path, '[plugin.acme]\nregion = "us"\nretries = 3')
    assert [report.reason for report in host.reports if report.name == "acme"] == [""]
    assert (settings().region, settings().retries) == ("us", 3)  # type: ignore[attr-defined]


def test_llms_configure_is_called_without_a_table_too(install: Callable[..., None], tmp_path: Path) -> None:
    install("acme", PLUGIN)
    load(tmp_path, "")
    assert settings().region == "eu"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("regio = 'us'", r"plugins\.toml: plugin\.acme\.regio: unknown member \(did you mean 'region'\?\)"),
        ("retries = 'many'", r"plugin\.acme\.retries: Expected `int`, got `str`"),
        ("token = 'literal'", r"plugin\.acme\.token: a secret is written as a reference, \$NAME"),
        ("token = '$NOT_SET_ANYWHERE'", r"plugin\.acme\.token: the environment variable NOT_SET_ANYWHERE is not set"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_their_place(
    install: Callable[..., None], tmp_path: Path, table: str, said: str
) -> None:
    install("acme", PLUGIN)
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, f"[plugin.acme]\n{table}")


def test_a_secret_is_taken_from_the_environment_and_does_not_show(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", "sk-marked-acme")
    install("acme", PLUGIN)
    load(tmp_path, "[plugin.acme]\ntoken = '${ACME_TOKEN}'")
    assert settings().token.reveal() == "sk-marked-acme"  # type: ignore[attr-defined]
    assert "sk-marked" not in repr(settings())


def test_settings_for_a_plugin_that_takes_none_are_refused(install: Callable[..., None], tmp_path: Path) -> None:
    install("plain", "@hookimpl\ndef llms_providers():\n    return []")
    with pytest.raises(ConfigError, match=r"plugin\.plain: plugin 'plain' of plain-llms 1\.0 takes no settings"):
        load(tmp_path, "[plugin.plain]\na = 1")


def test_settings_for_a_plugin_that_is_not_there_are_said(install: Callable[..., None], tmp_path: Path) -> None:
    install("acme", PLUGIN)
    host = load(tmp_path, "[plugin.acne]\nregion = 'us'")
    assert "[plugin.acne]: there is no such plugin; did you mean 'acme'?" in host.warnings
