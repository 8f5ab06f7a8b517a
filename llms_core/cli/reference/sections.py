"""The sections of docs/configuration.md: which struct each describes, and where its members are in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from llms_core.cache.middleware import CacheSettings
from llms_core.cli.reference.tables import Write, as_json, as_toml
from llms_core.config import model, price_shape, shape
from llms_core.config.conversion_shape import Conversions, ImageConversion
from llms_core.config.described import members
from llms_core.contracts.abilities import Capabilities, RequestRules
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.guard.rules import GuardSettings
from llms_core.ledger.settings import LedgerSettings
from llms_core.metrics import MetricsSettings
from llms_core.otel import OtelSettings
from llms_core.plugins.declarative import DeclaredType

HOLE = "EXAMPLE"
"""Where an example is inserted in `Section.around`."""

#: Of a key that nobody has.
_HASH = f"sha256:{'0' * 64}"
#: The lines before a table of a declared type.
_ACME = '[types.acme]\nbase_url = "https://api.acme.example/v1"\n'


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One table of plugins.toml, or one object of llms.json."""

    struct: type[msgspec.Struct]
    title: str
    #: a file that is complete once the hole is filled with members
    around: str
    #: members that no example is valid without
    beside: Mapping[str, Any] = {}
    #: what precedes the table of members, beside the struct's docstring
    text: str = ""
    #: the members that are not described elsewhere; None for all
    only: frozenset[str] | None = None

    @property
    def file(self) -> Literal["llms.json", "plugins.toml"]:
        """The file that it is part of."""
        if self.around.startswith("{"):
            return "llms.json"
        return "plugins.toml"

    @property
    def write(self) -> Write:
        """How its members are written."""
        return as_json if self.file == "llms.json" else as_toml

    def examples(self) -> Iterator[str]:
        """Yield a whole file for the example of each member."""
        for member in members(self.struct):
            is_described = self.only is None or member.name in self.only
            if not is_described or member.example is msgspec.NODEFAULT:
                continue
            shown = {
                **self.beside,
                member.name: msgspec.to_builtins(member.example, order="sorted"),
            }
            written = [self.write(name, value) for name, value in shown.items()]
            separator = ", " if self.file == "llms.json" else "\n"
            yield self.around.replace(HOLE, separator.join(written))


def _toml(struct: type[msgspec.Struct], table: str, text: str = "", before: str = "") -> Section:
    name = _EXAMPLES.get(table, "")
    around = f"{before}[{table.replace('NAME', name)}]\n{HOLE}\n"
    return Section(struct=struct, title=f"[{table}]", text=text, around=around)


#: Table -> the NAME in its example.
_EXAMPLES = {
    "timeouts.provider.NAME": "ollama",
    "types.NAME": "acme",
    "types.NAME.rules": "acme",
    "types.NAME.embeddings": "acme",
    "types.NAME.capabilities": "acme",
}


def _json(struct: type[msgspec.Struct], title: str, around: str, text: str = "") -> Section:
    return Section(struct=struct, title=title, text=text, around=around)


def own(
    struct: type[msgspec.Struct], title: str, type_name: str, text: str, only: frozenset[str]
) -> Section:
    """Return the section of what one type of provider has in addition."""
    around = f'{{"providers": {{"mine": {{"type": "{type_name}", {HOLE}}}}}}}'
    return Section(struct=struct, title=title, text=text, around=around, only=only)


_PARAMETERS = frozenset(shape.Parameters.__struct_fields__)
_SERVER = '"type": "openai-compatible", "base_url": "http://localhost:8080"'
_MODEL = f'{{"providers": {{"mine": {{{_SERVER}, "models": {{"m": {HOLE}}}}}}}}}'

LLMS_JSON = (
    _json(shape.File, "The file", f"{{{HOLE}}}"),
    Section(
        struct=shape.ProviderBlock,
        title="providers.NAME",
        around=f'{{"providers": {{"mine": {{{HOLE}}}}}}}',
        beside={"type": "openai-compatible", "base_url": "http://localhost:8080"},
        text="A block may also have the parameters and, by its type, the settings below.",
        only=frozenset(shape.ProviderBlock.__struct_fields__) - _PARAMETERS,
    ),
    _json(
        shape.Parameters,
        "Parameters in providers.NAME",
        f'{{"providers": {{"mine": {{{_SERVER}, {HOLE}}}}}}}',
        "In `force`, every parameter of the API has the same meaning, and replaces the client's.",
    ),
    _json(
        shape.ModelEntry,
        "providers.NAME.models.MODEL",
        _MODEL.replace(HOLE, f"{{{HOLE}}}"),
        "Most models need only the provider's id: a text.",
    ),
    _json(
        price_shape.Cost,
        "providers.NAME.models.MODEL.cost",
        _MODEL.replace(HOLE, f'{{"cost": {{{HOLE}}}}}'),
    ),
    _json(
        price_shape.LongPromptCost,
        "providers.NAME.models.MODEL.cost.context_over_200k",
        _MODEL.replace(HOLE, f'{{"cost": {{"context_over_200k": {{{HOLE}}}}}}}'),
    ),
    _json(
        price_shape.CostTier,
        "providers.NAME.models.MODEL.cost.tiers",
        _MODEL.replace(HOLE, f'{{"cost": {{"tiers": [{{{HOLE}}}]}}}}'),
    ),
    _json(
        price_shape.TierOfCost,
        "providers.NAME.models.MODEL.cost.tiers.tier",
        _MODEL.replace(HOLE, f'{{"cost": {{"tiers": [{{"tier": {{{HOLE}}}}}]}}}}'),
    ),
    _json(
        shape.TokenLimits,
        "providers.NAME.models.MODEL.limit",
        _MODEL.replace(HOLE, f'{{"limit": {{{HOLE}}}}}'),
    ),
    _json(
        shape.Modalities,
        "providers.NAME.models.MODEL.modalities",
        _MODEL.replace(HOLE, f'{{"modalities": {{{HOLE}}}}}'),
    ),
    Section(
        struct=price_shape.PriceRow,
        title="providers.NAME.pricing.MODEL",
        around=f'{{"providers": {{"mine": {{{_SERVER}, "default_pricing": {{{HOLE}}}}}}}}}',
        beside={"input": 0.5, "output": 2.5},
    ),
    _json(shape.Defaults, "defaults", f'{{"defaults": {{{HOLE}}}, "providers": {{"groq": {{}}}}}}'),
    _json(
        shape.RequestLimits, "limits", f'{{"limits": {{{HOLE}}}, "providers": {{"groq": {{}}}}}}'
    ),
    _json(Conversions, "convert", f'{{"convert": {{{HOLE}}}, "providers": {{"groq": {{}}}}}}'),
    _json(
        ImageConversion,
        "convert.image",
        f'{{"convert": {{"image": {{{HOLE}}}}}, "providers": {{"groq": {{}}}}}}',
    ),
)
"""llms.json, without the settings of single types of providers."""

PLUGINS_TOML = (
    _toml(model.Plugins, "plugins"),
    _toml(model.Server, "server", "Requests that still run after `drain` are cut off."),
    Section(
        struct=model.ClientKey,
        title="[server.keys.NAME]",
        around=f"[server.keys.alice]\n{HOLE}\n",
        beside={"hash": _HASH},
        text="`llms keys new NAME` prints one. In `[server.keys]`, a name may also have the hash alone as its value. A "
        "`keys_file` has the same entries at its top level. Both are read again within a second after a change.",
    ),
    _toml(
        model.Routing,
        "routing",
        "With `weighted`, each request draws the order of its candidates: a provider with weight 3 comes first three "
        "times as often as one with weight 1, which is the default; one with weight 0 comes last.",
    ),
    _toml(
        model.Retry,
        "routing.retry",
        "A provider's own `retries` in llms.json precede the next provider.",
    ),
    _toml(model.Breaker, "routing.breaker", "[Failover](failover.md) tells how the pause grows."),
    _toml(model.Timeouts, "timeouts"),
    _toml(model.FailoverTimeouts, "timeouts.failover"),
    _toml(model.ProviderTimeouts, "timeouts.provider.NAME"),
    _toml(
        model.Upstream,
        "upstream",
        "By default, the proxy is that of `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` in the environment.",
    ),
    _toml(model.Responses, "responses"),
    _toml(
        LedgerSettings,
        "ledger",
        "[ledger.md](ledger.md) tells what is recorded, and how to read it.",
    ),
    _toml(
        MetricsSettings,
        "metrics",
        "[operations/monitoring.md](operations/monitoring.md) describes the metrics.",
    ),
    _toml(
        OtelSettings,
        "otel",
        "OpenTelemetry's own `OTEL_…` variables decide where to. It needs the extra `llms-core[otel]`.",
    ),
    _toml(DeclaredType, "types.NAME"),
    _toml(RequestRules, "types.NAME.rules", before=_ACME),
    _toml(EmbeddingRules, "types.NAME.embeddings", before=_ACME),
    _toml(Capabilities, "types.NAME.capabilities", before=_ACME),
    Section(
        struct=GuardSettings,
        title="[plugin.guard]",
        around=f"[plugin.guard]\n{HOLE}\n",
        # A rule has to be listed, and what is listed has to exist.
        beside={
            "mask": ["word", "ticket"],
            "words": ["Project X"],
            "patterns": {"ticket": "TICKET-[0-9]+"},
        },
        text="The guard is off without this table ([middleware](middleware.md)).",
    ),
    _toml(
        CacheSettings,
        "plugin.cache",
        "The cache is off without this table ([middleware](middleware.md)).",
    ),
)
"""plugins.toml."""
