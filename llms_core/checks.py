"""What only shows when both files are read and the plugins are loaded: for every start and `llms config check`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from llms_core import default_config, images
from llms_core.candidate import Configured
from llms_core.config import plugins_toml
from llms_core.config.locate import JsonPath, nearest
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.plugins.core_settings import fails_open
from llms_core.startup import Startup
from llms_core.upstream import engine

#: How many names a hint lists.
_MAX_NAMES = 20


def check(startup: Startup) -> None:
    """Raise ConfigError for the first reason not to start."""
    for error in errors(startup):
        raise error


def errors(startup: Startup) -> Iterator[ConfigError]:
    """Yield every reason not to start."""
    yield from plugin_errors(startup)
    yield from setting_errors(startup)


def setting_errors(startup: Startup) -> Iterator[ConfigError]:
    """Yield an error for each setting of plugins.toml that cannot be used."""
    toml = startup.plugins_toml
    for network in toml.upstream.fetch_from:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            hint = "such as 10.1.0.0/16"
            yield plugins_toml.mistake(toml.path, ("upstream", "fetch_from"), str(error), hint)
    try:
        engine.check_settings(toml)
    except ConfigError as error:
        yield plugins_toml.located(error, toml.path)
    # A provider that a plugin contributes may come later, or may have gone.
    if not startup.host.contributors:
        yield from _unknown_providers(startup)


def warnings(startup: Startup) -> tuple[str, ...]:
    """Return everything in the files that is valid, but looks like a mistake."""
    found = [*startup.host.warnings, *startup.llms_json.warnings]
    # The user has not written the packaged file.
    if startup.llms_json.path != default_config.PACKAGED:
        found += images.warnings(startup.llms_json)
    if startup.host.contributors:
        found += map(str, _unknown_providers(startup))
    found += map(str, _unserved_fallbacks(startup))
    found += map(str, _types_without_url(startup))
    return tuple(found)


def plugin_errors(startup: Startup) -> Iterator[ConfigError]:
    """Yield an error for each plugin that is missing, and without which the gateway is not safe."""
    yield from _missing_files(startup)
    yield from _missing_authenticators(startup)
    yield from _missing_guards(startup)
    yield from _misspelt_plugins(startup)


def _unknown_providers(startup: Startup) -> Iterator[ConfigError]:
    """The providers that plugins.toml names and llms.json does not have."""
    toml = startup.plugins_toml
    known = [item.id for item in startup.configured]
    tables: dict[JsonPath, Iterable[str]] = {
        ("routing", "weights"): toml.routing.weights,
        ("timeouts", "provider"): toml.timeouts.provider,
    }
    for table, names in tables.items():
        for name in names:
            # An embedded model may not be installed on this machine.
            if name not in known and name not in default_config.embedded(startup.host):
                hint = _suggestion(name, known, "providers")
                yield plugins_toml.mistake(
                    toml.path, (*table, name), f"unknown provider '{name}'", hint
                )


def _unserved_fallbacks(startup: Startup) -> Iterator[ConfigError]:
    """The fallbacks that lead to a model which no enabled provider has."""
    toml = startup.plugins_toml
    enabled = [item for item in startup.configured if item.disabled is None]
    if any(item.provider.discover for item in enabled):
        return  # a provider that lists its models itself may have any
    served = set(_model_names(enabled))
    folded = {
        name.lower() for name in _model_names(item for item in enabled if item.provider.fold_case)
    }
    for model, names in toml.routing.fallbacks.items():
        for name in names:
            if name in served or name.lower() in folded:
                continue
            having = [item.id for item in startup.configured if name in _model_names([item])]
            hint = _suggestion(name, served, "models")
            if having:
                hint = f"{having[0]} has it, but is not enabled"
            message = f"no enabled provider has the model '{name}'"
            yield plugins_toml.mistake(toml.path, ("routing", "fallbacks", model), message, hint)


def _types_without_url(startup: Startup) -> Iterator[ConfigError]:
    """The types that plugins.toml declares without a URL, unless every provider of the type has one."""
    toml = startup.plugins_toml
    for name, table in toml.types.items():
        if (
            table.get("base_url")
            or table.get("extends", OPENAI_COMPATIBLE.name) != OPENAI_COMPATIBLE.name
        ):
            continue
        urls = [
            item.settings.base_url for item in startup.llms_json.providers if item.spec.name == name
        ]
        if not urls or not all(urls):
            message = "`base_url` is missing, here and in llms.json"
            yield plugins_toml.mistake(
                toml.path, ("types", name), message, 'such as "https://api.acme.example/v1"'
            )


def _model_names(configured: Iterable[Configured]) -> list[str]:
    names: list[str] = []
    for item in configured:
        for model in item.provider.models:
            names.extend(model.names)
    return names


def _suggestion(name: str, known: Iterable[str], what: str) -> str:
    """A hint with the most similar name, or a few of those that exist."""
    near = nearest(name, known)
    if near is not None:
        return f"did you mean '{near}'?"
    some = sorted(known)[:_MAX_NAMES]
    if some:
        return f"{what}: {', '.join(some)}"
    return f"there are no {what}"


def _missing_files(startup: Startup) -> Iterator[ConfigError]:
    """A file or a package of `[plugins] load` does not exist: it may be one that guards."""
    for report in startup.host.reports:
        if report.is_missing:
            yield ConfigError(
                f"'{report.distribution}' does not exist: {report.reason}",
                path=startup.plugins_toml.path,
                field="plugins.load",
                hint="correct the entry, or remove it; paths are relative to this file",
            )


def _missing_authenticators(startup: Startup) -> Iterator[ConfigError]:
    """A plugin that may authenticate callers could not be loaded: the gateway would refuse nobody."""
    for report in startup.host.reports:
        if report.may_authenticate:
            yield ConfigError(
                f"{report.reason} (the gateway does not run without a plugin that may authenticate its clients)",
                path=startup.plugins_toml.path,
                field="plugins",
                hint=f'repair the plugin, or run without it: disabled = ["{report.name}"] in [plugins]',
            )


def _missing_guards(startup: Startup) -> Iterator[ConfigError]:
    """A plugin that the user has configured cannot look at requests: it might be a guard."""
    for finding in startup.host.demanded():
        yield plugins_toml.mistake(
            startup.plugins_toml.path,
            ("plugin", finding.plugin),
            f"the gateway does not run without this plugin, because the file has a table for it: {finding.text}",
            'repair it, remove the table, or let requests go on without it: fail = "open"',
        )


def _misspelt_plugins(startup: Startup) -> Iterator[ConfigError]:
    """There are settings of a plugin that is not installed: a misspelt guard would guard nothing."""
    toml = startup.plugins_toml
    installed = [report.name for report in startup.host.reports]
    for name, table in toml.plugin.items():
        if name in installed or fails_open(table):
            continue
        near = nearest(name, installed)
        yield plugins_toml.mistake(
            toml.path,
            ("plugin", name),
            f"no plugin '{name}' is installed" + (f"; did you mean '{near}'?" if near else ""),
            'install it, remove the table, or let requests go on without it: fail = "open"',
        )
