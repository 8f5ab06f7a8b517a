"""What is needed to read the provider blocks of one llms.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.config.locate import JsonPath
from llms_core.config.references import References
from llms_core.config.source import Source
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import ProviderSpec

Specs = Mapping[str, ProviderSpec]
"""Provider types by each of their names and aliases, in lower case."""


class Reader(msgspec.Struct, frozen=True):
    """The file, the environment, and the provider types that blocks may name."""

    source: Source
    references: References
    specs: Specs
    #: which plugins are not in use, for messages; empty if all are. A block may name a type of such a plugin.
    missing_plugins: str = ""

    @property
    def openai_compatible(self) -> ProviderSpec:
        """The type of any OpenAI-compatible server."""
        return self.specs[OPENAI_COMPATIBLE.name]

    def decode_setting(self, raw: Raw, kind: Any, path: JsonPath) -> Any:
        """Decode a member of an adapter's own settings, which may contain secrets. Raises ConfigError."""
        return self.source.decode(raw, kind, path, self.references.decode_secret)


def with_openai_compatible(specs: Specs) -> Specs:
    """Add the type `openai-compatible`, which is available without any plugin."""
    spec = specs.get(OPENAI_COMPATIBLE.name, OPENAI_COMPATIBLE)
    names = (OPENAI_COMPATIBLE.name, *OPENAI_COMPATIBLE.aliases)
    return {**{name.lower(): spec for name in names}, **specs}
