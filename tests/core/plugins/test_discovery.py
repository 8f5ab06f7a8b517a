"""Loading plugins: a plugin that fails is quarantined with the reason, and the others are loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from time import perf_counter

import pytest

from llms_core.config.model import Plugins
from llms_core.errors import ConfigError
from llms_core.plugins.discovery import load_enabled_plugins
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
    found = [
        each
        for each in host.reports
        if each.name == name and distribution in ("", each.distribution)
    ]
    assert len(found) == 1, host.reports
    return found[0]


def quarantined(name: str = "bad") -> str:
    """Load all plugins, check that only one is quarantined, and return the reason."""
    host = load_enabled_plugins(Plugins())
    found = report(host, name)
    assert found.state == "quarantined"
    assert found.provides == ()
    assert f"plugin '{name}' of {name}-llms 1.0" in found.reason
    assert report(host, "good").state == "ok"
    assert {"acme", "openai-compatible", "ollama"} <= host.specs.keys()
    return found.reason


def test_an_installed_plugin_is_loaded(install: Install) -> None:
    """llms_providers: specs by name and alias in lower case, and a report."""
    install("good", GOOD, distribution="acme-llms", version="1.2")
    host = load_enabled_plugins(Plugins())
    assert host.specs["acme"] is host.specs["acme-ai"]
    found = report(host, "good")
    assert (found.distribution, found.version) == ("acme-llms", "1.2")
    assert found.state == "ok"
    assert found.provides == ("acme",)
    assert host.origin(host.specs["acme"]) == "plugin 'good' of acme-llms 1.2"


def test_plugins_are_sorted_by_name_then_distribution(install: Install) -> None:
    """SR-071: the order does not depend on the file system."""
    for name in ("zeta", "alpha", "mid"):
        install(name, "")
    names = [each.name for each in load_enabled_plugins(Plugins()).reports]
    assert names == sorted(names)


def test_the_import_is_timed(install: Install) -> None:
    install("good", GOOD)
    start = perf_counter()
    found = report(load_enabled_plugins(Plugins()), "good")
    assert 0 < found.import_seconds < perf_counter() - start


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import no_such_module_anywhere",
            "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        (
            "@hookimpl\ndef llms_provider(): return []",
            "bad_llms.py:2); did you mean llms_providers?",
        ),
        (
            "def llms_providers(): return []",
            "bad_llms.py:2) is not marked as a hook: add @hookimpl above it",
        ),
        ("@hookimpl\ndef llms_candidates(request, candidate): ...", "'candidate'"),
        (
            "@hookimpl\nasync def llms_providers(): return []",
            "bad_llms.py:2) is async; hooks must be synchronous",
        ),
        ("@hookimpl\nasync def llms_lifespan(): yield", "@asynccontextmanager"),
        ("@hookimpl(wrapper=True)\ndef llms_providers():\n    return (yield)", "hook wrapper"),
        (
            "@hookimpl\ndef llms_providers(): raise OSError('no disk')",
            "llms_providers raised OSError: no disk",
        ),
        ("@hookimpl\ndef llms_providers(): raise SystemExit", "llms_providers raised SystemExit"),
        (
            "@hookimpl\ndef llms_providers():\n    yield 1 / 0",
            "llms_providers raised ZeroDivisionError",
        ),
        (
            "@hookimpl\ndef llms_providers(): return None",
            "llms_providers returned None instead of a list of ProviderSpecs: is there a `return`?",
        ),
        (
            "@hookimpl\ndef llms_providers(): return ['acme']",
            "llms_providers returned a str instead of a ProviderSpec",
        ),
        (
            "async def f(): ...\n@hookimpl\ndef llms_providers(): return f()",
            "the hook returned a coroutine",
        ),
        (
            GOOD.replace('("Acme-AI",)', '"Acme-AI"'),
            "provider 'acme': `aliases` must be a collection of strings",
        ),
        (
            GOOD.replace("adapter=OpenAICompatible", "adapter=None"),
            "provider 'acme': `adapter` must be callable",
        ),
    ],
)
def test_a_plugin_that_fails_is_quarantined(install: Install, source: str, reason: str) -> None:
    """Everything that can go wrong when a plugin is loaded."""
    install("bad", source)
    install("good", GOOD)
    assert reason in quarantined()


def test_an_entry_point_of_a_missing_attribute_is_quarantined(install: Install) -> None:
    install("bad", "", entry_points={"bad": "bad_llms:plugin"})
    install("good", GOOD)
    assert "AttributeError" in quarantined()


def test_ctrl_c_is_not_suppressed(install: Install) -> None:
    install("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_enabled_plugins(Plugins())


def test_the_second_of_two_plugins_with_one_name_is_quarantined(install: Install) -> None:
    install("acme", "", distribution="b-llms", module="b_llms")
    install("acme", GOOD, distribution="a-llms", module="a_llms")
    host = load_enabled_plugins(Plugins())
    assert report(host, "acme", "a-llms").state == "ok"
    second = report(host, "acme", "b-llms")
    assert second.state == "quarantined"
    assert (
        "plugin 'acme' of a-llms 1.0 is used, and plugin 'acme' of b-llms 1.0 is not"
        in second.reason
    )
    assert "b_llms" not in sys.modules


def test_the_second_of_two_specs_with_one_name_is_ignored(install: Install) -> None:
    """The plugin and its other specs are used; the report names the plugin that owns the name."""
    install("first", GOOD)
    install("second", GOOD.replace('aliases=("Acme-AI",))', ")").replace('"acme"', '"ACME"'))
    host = load_enabled_plugins(Plugins())
    assert host.specs["acme"].name == "acme"
    second = report(host, "second")
    assert (second.state, second.provides) == ("ok", ())
    owner = "plugin 'first' of first-llms 1.0"
    assert (
        second.reason == f"provider 'ACME' is ignored, because {owner} already provides that name"
    )


def test_a_spec_is_registered_without_an_alias_that_is_taken(install: Install) -> None:
    install("first", GOOD)
    install("second", GOOD.replace('"acme"', '"other"'))
    host = load_enabled_plugins(Plugins())
    assert host.specs["acme-ai"].name == "acme"
    second = report(host, "second")
    assert second.provides == ("other",)
    assert "alias 'Acme-AI' of provider 'other' is ignored" in second.reason


def test_a_plugin_without_hooks_is_reported(install: Install) -> None:
    install("empty", "")
    assert report(load_enabled_plugins(Plugins()), "empty").reason.startswith(
        "implements no hook: mark functions with @hookimpl"
    )


def test_a_plugin_for_a_newer_core_is_not_imported(install: Install) -> None:
    install("bad", "raise AssertionError", requires=["llms-core (>=2,<3)"])
    install("good", GOOD, requires=["llms-core>=0.1,<0.2", "msgspec>=99"])
    host = load_enabled_plugins(Plugins())
    assert (
        "bad-llms requires llms-core >=2,<3, but this is llms-core 0.1"
        in report(host, "bad").reason
    )
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
    found = report(load_enabled_plugins(Plugins(disabled=(name,))), "bad")
    assert (found.state, found.version) == ("disabled", "1.0")


def test_a_disabled_plugin_leaves_its_name_free(install: Install) -> None:
    install("acme", "raise AssertionError", distribution="a-llms", module="a_llms")
    install("acme", GOOD, distribution="b-llms", module="b_llms")
    assert (
        report(load_enabled_plugins(Plugins(disabled=("a-llms",))), "acme", "b-llms").state == "ok"
    )


def test_a_plugin_that_is_not_allowed_is_listed_but_not_imported(install: Install) -> None:
    install("bad", "raise AssertionError")
    host = load_enabled_plugins(Plugins(allow=("llms_providers",)))
    assert report(host, "bad").state == "not allowed"
    assert "bad_llms" not in sys.modules
    assert "ollama" in host.specs


def test_pins(install: Install) -> None:
    """An exact version, by plugin or distribution; another version is not imported."""
    install("bad", "raise AssertionError", version="1.3")
    install("good", GOOD)
    host = load_enabled_plugins(Plugins(pins={"bad-llms": "==1.2", "good": "1.0"}))
    assert report(host, "bad").reason == "pinned to 1.2, but 1.3 is installed"
    assert report(host, "good").state == "ok"


def test_a_pin_is_an_exact_version() -> None:
    with pytest.raises(ConfigError, match=r"plugins\.pins\.acme: '>=1' is not an exact version"):
        load_enabled_plugins(Plugins(pins={"acme": ">=1"}))


def test_unknown_names_are_reported() -> None:
    warnings = load_enabled_plugins(Plugins(disabled=("olama",), allow=("llms-provider",))).warnings
    assert len(warnings) == 2
    assert "did you mean 'ollama'?" in warnings[0]
    assert "did you mean 'llms-providers'?" in warnings[1]


def test_a_plugin_in_one_file(install: Install, tmp_path: Path) -> None:
    """`load` takes modules, and paths relative to plugins.toml; its plugins are exempt from `allow`."""
    install("other", GOOD.replace("acme", "other").replace("Acme-AI", "x"), entry_points={})
    (tmp_path / "mine.py").write_text("from llms_core import hookimpl\n" + GOOD)
    host = load_enabled_plugins(
        Plugins(load=("./mine.py", "other_llms"), allow=()), path=str(tmp_path / "plugins.toml")
    )
    assert host.specs["acme"].title == "Acme"
    assert report(host, "mine").distribution == "./mine.py"
    assert report(host, "other_llms").provides == ("other",)


def test_a_missing_or_broken_file_is_quarantined(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    host = load_enabled_plugins(
        Plugins(load=("gone.py", "broken.py", "no.such.module")),
        path=str(tmp_path / "plugins.toml"),
    )
    assert "no such Python file" in report(host, "gone").reason
    assert "ZeroDivisionError" in report(host, "broken").reason
    assert "ModuleNotFoundError" in report(host, "no.such.module").reason
    assert "llms_plugin_broken" not in sys.modules


def test_a_pin_may_contain_the_hash_of_the_installed_files(
    install: Install, tmp_path: Path
) -> None:
    """`[plugins] pins`: a distribution whose files have changed is not imported."""
    install("acme", "raise SystemExit('imported')")
    (tmp_path / "acme_llms-1.0.dist-info" / "RECORD").write_text(
        "acme_llms.py,,\nacme_llms-1.0.dist-info/METADATA,,\n"
    )
    good = digest(distribution("acme-llms"))
    assert (
        "imported"
        in only(load_enabled_plugins(Plugins(pins={"acme-llms": f"==1.0 {good}"}))).reason
    )
    (tmp_path / "acme_llms.py").write_text("raise SystemExit('changed')")
    report = only(load_enabled_plugins(Plugins(pins={"acme-llms": f"==1.0 {good}"})))
    assert report.state == "quarantined"
    assert report.reason.startswith(f"pinned to {good}, but the installed files have sha256:")


def only(host: PluginHost) -> PluginReport:
    return next(report for report in host.reports if report.name == "acme")


# Plugins that authenticate

GUARD = """
@hookimpl
def llms_authenticate(headers):
    return None
"""


def guards(plugins: Plugins | None = None) -> bool:
    return report(load_enabled_plugins(plugins or Plugins()), "doorman").may_authenticate


@pytest.mark.parametrize(
    "plugins",
    [
        Plugins(pins={"doorman-llms": "==2.0"}),
        Plugins(pins={"doorman": f"==1.0 sha256:{'0' * 64}"}),
    ],
    ids=["version", "hash"],
)
def test_a_pin_that_does_not_match_may_keep_out_a_plugin_that_authenticates(
    install: Install, plugins: Plugins
) -> None:
    install("doorman", GUARD)
    assert guards(plugins)
    assert not guards()


def test_so_may_a_range_of_versions(install: Install) -> None:
    install("doorman", GUARD, requires=["llms-core>=7.5"])
    assert guards()


def test_so_may_an_import_that_fails_somewhere_in_its_package(
    install: Install, tmp_path: Path
) -> None:
    package = tmp_path / "acme_guard"
    package.mkdir()
    (package / "__init__.py").write_text("import gone\n")
    (package / "plugin.py").write_text("from acme_guard.check import hook\n")
    (package / "check.py").write_text(
        "from llms_core import hookimpl\n@hookimpl(specname='llms_authenticate')\n...\n"
    )
    install("doorman", "", entry_points={"doorman": "acme_guard.plugin"})
    assert guards()


def test_so_may_the_second_of_two_plugins_with_one_name(install: Install) -> None:
    install("doorman", "", distribution="a-llms", module="a_llms")
    install("doorman", GUARD, distribution="b-llms", module="b_llms")
    found = {
        each.distribution: each
        for each in load_enabled_plugins(Plugins()).reports
        if each.name == "doorman"
    }
    assert not found["a-llms"].may_authenticate
    assert found["b-llms"].may_authenticate


@pytest.mark.parametrize("entry_point", ["gone_module", "doorman_llms_gone:plugin"])
def test_so_may_a_plugin_whose_source_is_missing(install: Install, entry_point: str) -> None:
    install("doorman", "", entry_points={"doorman": entry_point})
    assert guards()


def test_a_plugin_without_the_hook_does_not(install: Install) -> None:
    install("doorman", "import gone\n@hookimpl\ndef llms_request_finished(record): ...\n")
    assert not guards()


def test_a_plugin_that_is_left_out_on_purpose_does_not(install: Install) -> None:
    install("doorman", f"import gone\n{GUARD}")
    assert not guards(Plugins(disabled=("doorman",)))
    assert not guards(Plugins(allow=("llms-providers",)))


def test_nothing_of_it_is_imported_to_find_out(install: Install) -> None:
    install(
        "doorman",
        f"import sys\nsys.modules['guard_ran'] = sys\n{GUARD}",
        requires=["llms-core>=7.5"],
    )
    assert guards()
    assert "guard_ran" not in sys.modules


def test_what_an_untrusted_file_names_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "doorman.py").write_text(
        f"from llms_core import hookimpl\nraise KeyboardInterrupt\n{GUARD}"
    )
    path = str(tmp_path / "plugins.toml")
    found = report(
        load_enabled_plugins(Plugins(load=("doorman.py",)), path=path, trusted=False), "doorman"
    )
    assert found.state == "quarantined"
    assert "--plugins ./plugins.toml" in found.reason
    assert found.may_authenticate
