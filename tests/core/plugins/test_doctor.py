"""`llms plugins doctor`: problems of the installed plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llms_core.cli import main
from llms_core.plugins import doctor, hookspecs

Install = Callable[..., None]


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins.toml").write_text('[plugins]\nallow = ["acme-llms", "a-llms", "b-llms"]')
    return lambda *options: CliRunner().invoke(main, ["plugins", "doctor", *options])


def test_a_plugin_without_problems_has_no_findings(
    install: Install, examined: Callable[..., Result]
) -> None:
    install(
        "acme", "@hookimpl\ndef llms_providers():\n    return []", requires=["llms-core>=0.1,<0.2"]
    )
    result = examined()
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if "plugin 'acme'" in line] == []


def test_a_broken_plugin_is_reported_and_the_exit_code_is_1(
    install: Install, examined: Callable[..., Result]
) -> None:
    install("acme", "raise RuntimeError('no')")
    result = examined()
    assert result.exit_code == 1
    assert "plugin 'acme' of acme-llms 1.0: RuntimeError: no (" in result.output


def test_a_distribution_without_a_range_on_the_core_is_reported(
    install: Install, examined: Callable[..., Result]
) -> None:
    install("acme", "@hookimpl\ndef llms_providers():\n    return []")
    assert (
        "plugin 'acme' of acme-llms 1.0: acme-llms does not declare which versions of llms-core it supports"
        in examined().output
    )


def test_the_cores_own_plugins_need_no_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(main, ["plugins", "doctor"]).output
    assert "guard: import " in output
    assert "does not declare" not in output


def test_a_slow_import_is_reported(
    install: Install, examined: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SLOW_IMPORT", 0.0)
    install("acme", "@hookimpl\ndef llms_providers():\n    return []")
    assert "plugin 'acme' of acme-llms 1.0: importing it takes" in examined().output


def test_a_deprecated_hook_is_reported(
    install: Install, examined: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook stays deprecated through two minor versions before it is removed."""
    options = hookspecs.llms_routes.llms_core_spec  # type: ignore[attr-defined]
    monkeypatch.setitem(options, "warn_on_impl", DeprecationWarning("use llms_lifespan"))
    install("acme", "@hookimpl\ndef llms_routes():\n    return []")
    with pytest.warns(DeprecationWarning, match="use llms_lifespan"):
        result = examined()
    assert (
        "plugin 'acme' of acme-llms 1.0: llms_routes is deprecated: use llms_lifespan"
        in result.output
    )


def test_two_plugins_with_one_name_are_a_conflict(
    install: Install, examined: Callable[..., Result]
) -> None:
    install(
        "acme",
        "@hookimpl\ndef llms_providers():\n    return []",
        distribution="a-llms",
        module="a_llms",
    )
    install(
        "acme",
        "@hookimpl\ndef llms_providers():\n    return []",
        distribution="b-llms",
        module="b_llms",
    )
    result = examined()
    assert result.exit_code == 1
    assert (
        "two plugins have this name: plugin 'acme' of a-llms 1.0 is used, and plugin 'acme' of b-llms 1.0 is not"
        in result.output
    )


def test_pins_are_printed_for_plugins_toml(
    install: Install, examined: Callable[..., Result]
) -> None:
    install("acme", "@hookimpl\ndef llms_providers():\n    return []")
    assert '  acme-llms = "==1.0 sha256:' in examined("--pins").output
