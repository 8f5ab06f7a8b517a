"""What is in effect: the files, the providers, and what a reload has changed. For the terminal and the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from llms_core import checks, default_config
from llms_core.candidate import Configured
from llms_core.config.model import DISABLED_BY_USER, LACKS_KEY, WITHOUT_KEYS, PluginsToml
from llms_core.startup import Startup

NO_PROVIDER = "no provider is enabled, so that every request fails: `llms add` sets one up"


def lines(startup: Startup, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the files, the providers that are enabled, and the others with what would enable them."""
    yield from _files(startup)
    enabled = [item for item in startup.configured if item.disabled is None]
    if enabled:
        yield f"enabled: {', '.join(f'{item.id} ({_models(item)})' for item in enabled)}"
    yield from _disabled(startup.configured)
    yield from unused_keys(startup, env)


def warnings(startup: Startup) -> list[str]:
    """Return what looks like a mistake, except for missing keys: `lines` has one line for all of those."""
    found = checks.warnings(startup)
    return [text for text in found if LACKS_KEY not in text and WITHOUT_KEYS not in text]


def unused_keys(startup: Startup, env: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each key in the environment for which llms.json has no provider."""
    document = startup.llms_json
    if document.path == default_config.PACKAGED:
        return  # every key is used
    for spec, variable in default_config.unused_keys(startup.host, document, env):
        yield f"{variable} is set, but llms.json has no provider {spec.name}: run `llms enable {spec.name}`"


def changes(old: Startup, new: Startup) -> str:
    """Return what differs after a reload, in words. No value is named: any of them may be a key."""
    found = [*_changed_providers(old, new), *_changed_tables(old.plugins_toml, new.plugins_toml)]
    return "; ".join(found) or "nothing that has an effect has changed"


def _files(startup: Startup) -> Iterator[str]:
    path = startup.llms_json.path
    if path == default_config.PACKAGED:
        yield "llms.json: none, so that every known provider whose key is in the environment is used"
    else:
        yield f"llms.json: {_absolute(path)}"
    toml = startup.plugins_toml.path
    yield f"plugins.toml: {_absolute(toml) if toml else 'none, so that the defaults apply'}"


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _models(item: Configured) -> str:
    """How many models a provider has, as far as that is known."""
    number = len(item.provider.models)
    known = f"{number} model{'' if number == 1 else 's'}"
    if not item.provider.discover:
        return known
    if number:
        return f"{known} and those it lists"
    return "the models it lists"


def _disabled(configured: Iterable[Configured]) -> Iterator[str]:
    """The providers that are not enabled: those that only lack a key, or were switched off, in one line each."""
    keyless = []
    switched_off = []
    for item in configured:
        reason = item.disabled
        if reason is None:
            continue
        if reason.startswith(LACKS_KEY):
            keyless.append(f"{item.id} ({reason.removeprefix(LACKS_KEY)})")
        elif reason == DISABLED_BY_USER:
            switched_off.append(item.id)
        else:
            yield f"not enabled: {item.id}: {reason}"
    if switched_off:
        yield f"switched off: {', '.join(switched_off)}; `llms enable NAME` switches one on"
    if keyless:
        yield f"not enabled for lack of a key in the environment: {', '.join(keyless)}"


def _changed_providers(old: Startup, new: Startup) -> Iterator[str]:
    before = {item.id: item for item in old.configured}
    after = {item.id: item for item in new.configured}
    for name, item in after.items():
        previous = before.get(name)
        if previous is None:
            yield f"{name} was added, {_state(item)}"
        elif item.disabled != previous.disabled:
            yield f"{name} is now {_state(item)}"
        elif not _is_same(item, previous):
            yield f"{name} has other settings"
    for name in before:
        if name not in after:
            yield f"{name} was removed"
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"the order is {', '.join(after)}"
    if _rest_of(old) != _rest_of(new):
        yield "settings of llms.json that concern all providers"


def _state(item: Configured) -> str:
    if item.disabled is None:
        return "enabled"
    return f"not enabled: {item.disabled}"


def _is_same(item: Configured, previous: Configured) -> bool:
    return msgspec.structs.astuple(item.provider) == msgspec.structs.astuple(previous.provider)


def _rest_of(startup: Startup) -> tuple[object, ...]:
    """The members of llms.json that concern all providers."""
    document = startup.llms_json
    return (
        document.max_body,
        document.client_timeout,
        document.retries,
        document.images,
        document.templates,
    )


def _changed_tables(old: PluginsToml, new: PluginsToml) -> Iterator[str]:
    """The tables of plugins.toml that differ, except for those that need a restart, which the log names by itself."""
    for table in PluginsToml.__struct_fields__:
        if getattr(old, table) != getattr(new, table):
            yield f"[{table}] of plugins.toml"
