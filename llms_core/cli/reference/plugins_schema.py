"""The JSON schema of plugins.toml, for editors.

`python -m llms_core.cli.reference.plugins_schema > llms_providers/plugins.schema.json`

An editor finds it by the comment `#:schema plugins.schema.json` at the top of the file.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from llms_core.cache.middleware import CacheSettings
from llms_core.config.described import describe
from llms_core.config.model import (
    Breaker,
    ClientKey,
    FailoverTimeouts,
    Plugins,
    PluginsToml,
    ProviderTimeouts,
    Responses,
    Retry,
    Routing,
    Server,
    Timeouts,
    Upstream,
)
from llms_core.config.schema import DIALECT, as_text, drop_null_defaults
from llms_core.contracts.abilities import Capabilities, RequestRules
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.errors import ErrorKind
from llms_core.guard.rules import GuardSettings
from llms_core.ledger.settings import LedgerSettings
from llms_core.metrics import MetricsSettings
from llms_core.otel import OtelSettings
from llms_core.plugins.declarative import DeclaredType

TABLES: tuple[type[msgspec.Struct], ...] = (
    PluginsToml,
    Plugins,
    Server,
    ClientKey,
    Routing,
    Retry,
    Breaker,
    Timeouts,
    FailoverTimeouts,
    ProviderTimeouts,
    Upstream,
    Responses,
    DeclaredType,
    RequestRules,
    EmbeddingRules,
    Capabilities,
    GuardSettings,
    CacheSettings,
    LedgerSettings,
    MetricsSettings,
    OtelSettings,
)
"""The structs of the file, and of the tables that are decoded elsewhere."""

OWN_PLUGINS: dict[str, type[msgspec.Struct]] = {"guard": GuardSettings, "cache": CacheSettings}
"""The plugins of the core, by the name of their table `[plugin.NAME]`."""

OWN_TABLES: dict[str, type[msgspec.Struct]] = {
    "ledger": LedgerSettings,
    "metrics": MetricsSettings,
    "otel": OtelSettings,
}
"""The plugins of the core whose tables are at the top level."""

_PARTS_OF_TYPES: dict[str, type[msgspec.Struct]] = {
    "rules": RequestRules,
    "embeddings": EmbeddingRules,
    "capabilities": Capabilities,
}


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12)."""
    (top, *_), definitions = msgspec.json.schema_components(TABLES, schema_hook=_secret)
    describe(definitions, TABLES)
    for table in TABLES:
        definitions[table.__name__]["additionalProperties"] = False
        drop_null_defaults(definitions[table.__name__])
    for settings in (*OWN_PLUGINS.values(), *OWN_TABLES.values()):
        # There are also the core's own settings for a plugin, such as `fail`.
        del definitions[settings.__name__]["additionalProperties"]
    members = definitions[PluginsToml.__name__]["properties"]
    del members["path"]
    members["types"]["additionalProperties"] = _reference(DeclaredType)
    members["plugin"]["properties"] = {
        name: _reference(settings) for name, settings in OWN_PLUGINS.items()
    }
    for name, settings in OWN_TABLES.items():
        members[name] = {"description": members[name]["description"], **_reference(settings)}
    # msgspec's JSON schemas leave out what keys may be.
    policy = definitions[Routing.__name__]["properties"]["policy"]
    policy["propertyNames"] = {"enum": [str(kind) for kind in ErrorKind]}
    declared = definitions[DeclaredType.__name__]["properties"]
    for name, rules in _PARTS_OF_TYPES.items():
        declared[name] = {"description": declared[name]["description"], **_reference(rules)}
    return {"$schema": DIALECT, "title": "plugins.toml", **top, "$defs": definitions}


def rendered() -> str:
    """Return the schema as the text of its file."""
    return as_text(schema())


def _secret(kind: type) -> dict[str, Any]:
    """A secret is written as a text."""
    return {"type": "string"}


def _reference(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{struct.__name__}"}


if __name__ == "__main__":
    sys.stdout.write(rendered())
