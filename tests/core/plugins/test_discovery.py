"""Discovery: each fault of a plugin sets that plugin aside, with its reason, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from time import perf_counter

import pytest

from llms_core.config.model import Plugins
from llms_core.errors import ConfigError
from llms_core.plugins.discovery import discover
from llms_core.plugins.host import PluginHost
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import PluginReport
from llms_core.plugins.versions import unsatisfied

Install = Callable[..., None]

GOOD = """
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec

@hookimpl
def llms_providers():
    return [ProviderSpec(name="acme", adapter=OpenAICompatible, title="Acme", aliases=("Acme-AI",))]
"""


def report(host: PluginHost, name: str, distribution: str = "") -> PluginReport:
    found = [each for each in host.reports if each.name == name and distribution in ("", each.distribution)]
    assert len(found) == 1, host.reports
    return found[0]


def quarantined(name: str = "bad") -> str:
    """Discover all; the one plugin is quarantined, the shipped and the good one are not. Gives the reason."""
    host = discover(Plugins())
    found = report(host, name)
    assert found.state == "quarantined"
    assert found.provides == ()
    assert f"plugin '{name}' of {name}-llms 1.0" in found.reason
    assert report(host, "good").state == "ok"
    assert {"acme", "openai-compatible", "ollama"} <= host.specs.keys()
    return found.reason


def test_an_installed_plugin_is_there(install: Install) -> None:
    """llms_providers: specs by name and alias in lower case; the report says what there is."""
    install("good", GOOD, distribution="acme-llms", version="1.2")
    host = discover(Plugins())
    assert host.specs["acme"] is host.specs["acme-ai"]
    found = report(host, "good")
    assert (found.distribution, found.version, found.state, found.provides) == ("acme-llms", "1.2", "ok", ("acme",))
    assert host.origin(host.specs["acme"]) == "plugin 'good' of acme-llms 1.2"


def test_plugins_are_listed_by_name_then_distribution(install: Install) -> None:
    """SR-071: nothing hangs on the order in which the file system lists distributions."""
    for name in ("zeta", "alpha", "mid"):
        install(name, "")
    names = [each.name for each in discover(Plugins()).reports]
    assert names == sorted(names)


def test_the_import_is_timed(install: Install) -> None:
    install("good", GOOD)
    start = perf_counter()
    found = report(discover(Plugins()), "good")
    assert 0 < found.import_seconds < perf_counter() - start


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        ("@hookimpl\ndef llms_provider(): return []", "there is no hook llms_provider; did you mean llms_providers?"),
        ("def llms_providers(): return []", "llms_providers is not marked: put @hookimpl above it"),
        ("@hookimpl\ndef llms_candidates(request, candidate): ...", "'candidate'"),
        ("@hookimpl\nasync def llms_providers(): return []", "llms_providers is async"),
        ("@hookimpl\nasync def llms_lifespan(): yield", "contextlib.asynccontextmanager"),
        ("@hookimpl(wrapper=True)\ndef llms_providers():\n    return (yield)", "hook wrapper"),
        ("@hookimpl\ndef llms_providers(): raise OSError('no disk')", "llms_providers raised OSError: no disk"),
        ("@hookimpl\ndef llms_providers(): raise SystemExit", "llms_providers raised SystemExit"),
        ("@hookimpl\ndef llms_providers():\n    yield 1 / 0", "llms_providers raised ZeroDivisionError"),
        ("@hookimpl\ndef llms_providers(): return None", "llms_providers raised TypeError"),
        ("@hookimpl\ndef llms_providers(): return ['acme']", "llms_providers gave a str, which is no ProviderSpec"),
        ("async def f(): ...\n@hookimpl\ndef llms_providers(): return f()", "gave a coroutine"),
        (GOOD.replace('("Acme-AI",)', '"Acme-AI"'), "the provider 'acme': `aliases` is not a collection of strings"),
        (GOOD.replace("adapter=OpenAICompatible", "adapter=None"), "the provider 'acme': `adapter` cannot be called"),
    ],
)
def test_a_plugin_at_fault_is_set_aside(install: Install, source: str, reason: str) -> None:
    """Every fault that loading and registering can have; user-pains 26."""
    install("bad", source)
    install("good", GOOD)
    assert reason in quarantined()


def test_an_entry_point_of_nothing_is_set_aside(install: Install) -> None:
    install("bad", "", entry_points={"bad": "bad_llms:plugin"})
    install("good", GOOD)
    assert "AttributeError" in quarantined()


def test_ctrl_c_gets_through(install: Install) -> None:
    install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover(Plugins())


def test_of_two_plugins_of_one_name_the_second_is_set_aside(install: Install) -> None:
    install("acme", "", distribution="b-llms", module="b_llms")
    install("acme", GOOD, distribution="a-llms", module="a_llms")
    host = discover(Plugins())
    assert report(host, "acme", "a-llms").state == "ok"
    second = report(host, "acme", "b-llms")
    assert second.state == "quarantined"
    assert "plugin 'acme' of a-llms 1.0 comes before plugin 'acme' of b-llms 1.0" in second.reason
    assert "b_llms" not in sys.modules


def test_of_two_specs_of_one_name_the_second_is_left_out(install: Install) -> None:
    """The plugin stays, its other specs too; the report says whose the name is."""
    install("first", GOOD)
    install("second", GOOD.replace('aliases=("Acme-AI",))', ")").replace('"acme"', '"ACME"'))
    host = discover(Plugins())
    assert host.specs["acme"].name == "acme"
    second = report(host, "second")
    assert (second.state, second.provides) == ("ok", ())
    assert second.reason == "its provider 'ACME' is left out: the name is that of plugin 'first' of first-llms 1.0"


def test_an_alias_that_is_taken_leaves_its_spec_in(install: Install) -> None:
    install("first", GOOD)
    install("second", GOOD.replace('"acme"', '"other"'))
    host = discover(Plugins())
    assert host.specs["acme-ai"].name == "acme"
    second = report(host, "second")
    assert second.provides == ("other",)
    assert "its alias 'Acme-AI' of 'other' is left out" in second.reason


def test_a_plugin_without_hooks_is_told_so(install: Install) -> None:
    install("empty", "")
    assert report(discover(Plugins()), "empty").reason == "it implements no hook"


def test_a_plugin_for_a_newer_core_is_not_imported(install: Install) -> None:
    install("bad", "raise AssertionError", requires=["llms-core (>=2,<3)"])
    install("good", GOOD, requires=["llms-core>=0.1,<0.2", "msgspec>=99"])
    host = discover(Plugins())
    assert "bad-llms asks for llms-core >=2,<3, and this is 0.1" in report(host, "bad").reason
    assert report(host, "good").state == "ok"


@pytest.mark.parametrize(
    ("requirement", "satisfied"),
    [
        ("llms-core", True),
        ("llms_core>=0.1", True),
        ("LLMS.Core [testing] >=0.1.0,<0.2", True),
        ("llms-core (~=0.1)", True),
        ("llms-core~=0.1.3", False),
        ("llms-core==0.1.*", True),
        ("llms-core==0.2.*", False),
        ("llms-core!=0.1.2", False),
        ("llms-core<0.1.2", False),
        ("llms-core==0.1.2.0", True),
        ("llms-core>=2; extra == 'new'", True),
        ("llms-core-extras>=2", True),
        ("llms-core @ https://example.com/llms.whl", True),
    ],
)
def test_ranges_on_the_core(requirement: str, satisfied: bool) -> None:
    """The dependency range on llms-core is the version of the plugin API."""
    assert (unsatisfied([requirement], "0.1.2") is None) == satisfied


@pytest.mark.parametrize("name", ["bad", "Bad.LLMS"])
def test_disabled_by_name_or_distribution(install: Install, name: str) -> None:
    install("bad", "raise AssertionError")
    found = report(discover(Plugins(disabled=(name,))), "bad")
    assert (found.state, found.version) == ("disabled", "1.0")


def test_a_disabled_plugin_leaves_its_name_free(install: Install) -> None:
    install("acme", "raise AssertionError", distribution="a-llms", module="a_llms")
    install("acme", GOOD, distribution="b-llms", module="b_llms")
    assert report(discover(Plugins(disabled=("a-llms",))), "acme", "b-llms").state == "ok"


def test_what_is_not_allowed_is_listed_and_not_imported(install: Install) -> None:
    install("bad", "raise AssertionError")
    host = discover(Plugins(allow=("llms_providers",)))
    assert report(host, "bad").state == "not allowed"
    assert "bad_llms" not in sys.modules
    assert "ollama" in host.specs


def test_pins(install: Install) -> None:
    """An exact version, by plugin or distribution; another version is not imported."""
    install("bad", "raise AssertionError", version="1.3")
    install("good", GOOD)
    host = discover(Plugins(pins={"bad-llms": "==1.2", "good": "1.0"}))
    assert report(host, "bad").reason == "pinned to 1.2, and 1.3 is installed"
    assert report(host, "good").state == "ok"


def test_a_pin_is_an_exact_version() -> None:
    with pytest.raises(ConfigError, match=r"plugins\.pins\.acme: '>=1' is not an exact version"):
        discover(Plugins(pins={"acme": ">=1"}))


def test_names_that_nothing_has_are_warned_of() -> None:
    warnings = discover(Plugins(disabled=("olama",), allow=("llms-provider",))).warnings
    assert len(warnings) == 2
    assert "did you mean 'ollama'?" in warnings[0]
    assert "did you mean 'llms-providers'?" in warnings[1]


def test_a_plugin_in_one_file(install: Install, tmp_path: Path) -> None:
    """`load` takes paths relative to plugins.toml, and modules; what is named there needs no `allow`."""
    install("other", GOOD.replace("acme", "other").replace("Acme-AI", "x"), entry_points={})
    (tmp_path / "mine.py").write_text("from llms_core import hookimpl\n" + GOOD)
    host = discover(Plugins(load=("./mine.py", "other_llms"), allow=()), path=str(tmp_path / "plugins.toml"))
    assert host.specs["acme"].title == "Acme"
    assert report(host, "mine").distribution == "./mine.py"
    assert report(host, "other_llms").provides == ("other",)


def test_a_file_that_is_missing_or_broken_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    host = discover(Plugins(load=("gone.py", "broken.py", "no.such.module")), path=str(tmp_path / "plugins.toml"))
    assert "there is no Python file" in report(host, "gone").reason
    assert "ZeroDivisionError" in report(host, "broken").reason
    assert "ModuleNotFoundError" in report(host, "no.such.module").reason
    assert "llms_plugin_broken" not in sys.modules


def test_a_pin_may_have_the_hash_of_what_is_installed(install: Install, tmp_path: Path) -> None:
    """`[plugins] pins`: files that differ from those that were looked at are not imported."""
    install("acme", "raise SystemExit('imported')")
    (tmp_path / "acme_llms-1.0.dist-info" / "RECORD").write_text("acme_llms.py,,\nacme_llms-1.0.dist-info/METADATA,,\n")
    good = digest(distribution("acme-llms"))
    assert "imported" in only(discover(Plugins(pins={"acme-llms": f"==1.0 {good}"}))).reason
    (tmp_path / "acme_llms.py").write_text("raise SystemExit('changed')")
    report = only(discover(Plugins(pins={"acme-llms": f"==1.0 {good}"})))
    assert report.state == "quarantined"
    assert report.reason.startswith(f"pinned to {good}, and what is installed has sha256:")


def only(host: PluginHost) -> PluginReport:
    return next(report for report in host.reports if report.name == "acme")
