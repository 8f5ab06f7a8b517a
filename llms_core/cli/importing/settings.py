"""`router_settings`, `litellm_settings` and `general_settings`: to the tables of plugins.toml."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llms_core.cli.importing.blocks import Block, add_aliases
from llms_core.cli.importing.document import Document
from llms_core.cli.importing.names import STRATEGIES
from llms_core.config.locate import JsonPath

Tables = dict[str, Any]

#: What is so here anyway, or only concerns LiteLLM itself.
_IRRELEVANT = frozenset(
    (
        "background_health_checks",
        "debug_level",
        "disable_prisma_schema_update",
        "drop_params",
        "enable_pre_call_checks",
        "forward_traceparent_to_llm_provider",
        "health_check_interval",
        "include_cost_in_streaming_usage",
        "json_logs",
        "redis_host",
        "redis_password",
        "redis_port",
        "set_verbose",
        "suppress_debug_info",
        "telemetry",
    )
)
_OPEN = "as long as plugins.toml has no key, everybody on this machine may use the server"
_MOST_RETRIES = 10
_CACHE_SECONDS = 3600


def convert_settings(document: Document, blocks: Sequence[Block], names: Sequence[str]) -> Tables:
    """Convert the sections with settings. `names` are those of deployments, one for each."""
    router = document.section("router_settings")
    litellm = document.section("litellm_settings")
    general = document.section("general_settings")
    routing: Tables = {}
    timeouts: Tables = {}
    _strategy(document, router, routing, names)
    _weights(blocks, routing)
    _aliases(document, router, blocks)
    for section, path in ((router, ("router_settings",)), (litellm, ("litellm_settings",))):
        _fallbacks(document, section, path, routing, names)
        _retries(document, section, path, routing)
        _limits(document, section, path, routing, timeouts)
    for block in blocks:
        if block.timeouts:
            timeouts.setdefault("provider", {})[block.id] = block.timeouts
    tables: Tables = {"routing": routing, "timeouts": timeouts, "server": {}, "plugin": {}}
    _cache(document, litellm, tables["plugin"])
    _master_key(document, general, tables["server"])
    for section, path in (
        (router, ("router_settings",)),
        (litellm, ("litellm_settings",)),
        (general, ("general_settings",)),
    ):
        document.leave_out_rest(_relevant(section), path)
    return {name: table for name, table in tables.items() if table}


def _relevant(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in _IRRELEVANT}


def _strategy(document: Document, router: Tables, routing: Tables, names: Sequence[str]) -> None:
    """Choose the strategy: LiteLLM's default is a weighted draw among the deployments of a name."""
    path = ("router_settings", "routing_strategy")
    written = router.pop("routing_strategy", None)
    has_choice = len(set(names)) < len(names)
    if written is None and not has_choice:
        return
    strategy, difference = STRATEGIES.get(str(written or "simple-shuffle"), ("", ""))
    if not strategy:
        document.leave_out(path, f"there is no strategy such as '{written}'")
        return
    if difference:
        document.note(path, f"becomes {strategy}: {difference}")
    routing["strategy"] = strategy


def _weights(blocks: Iterable[Block], routing: Tables) -> None:
    weights = {block.id: block.weight for block in blocks if block.weight is not None}
    if weights and routing.get("strategy") == "weighted":
        routing["weights"] = weights


def _aliases(document: Document, router: Tables, blocks: Sequence[Block]) -> None:
    """Offer models under their aliases, too."""
    path: JsonPath = ("router_settings", "model_group_alias")
    for alias, target in document.members(router.pop("model_group_alias", None), path).items():
        name = target
        if isinstance(target, dict):
            name = target.get("model")
            if target.get("hidden"):
                document.note(
                    (*path, alias), "is listed in /v1/models, although it is hidden in LiteLLM"
                )
        if not add_aliases(blocks, str(name), alias):
            document.leave_out((*path, alias), f"no deployment has the name '{name}'")


def _fallbacks(
    document: Document, section: Tables, path: JsonPath, routing: Tables, names: Iterable[str]
) -> None:
    """Collect the models that are tried after all providers of another have failed."""
    kinds = {
        "fallbacks": "",
        "context_window_fallbacks": "is used after every kind of failure, and not only for a prompt that is too long",
        "content_policy_fallbacks": "is used after every kind of failure, and not only for a refusal",
    }
    for kind, difference in kinds.items():
        here = (*path, kind)
        for index, entry in enumerate(document.items(section.pop(kind, None), here)):
            for name, models in document.members(entry, (*here, index)).items():
                _add_fallbacks(document, routing, name, models, (*here, index, name))
            if difference:
                document.note((*here, index), difference)
            if kind == "content_policy_fallbacks":
                routing.setdefault("policy", {})["content_policy"] = "next"
    here = (*path, "default_fallbacks")
    defaults = document.items(section.pop("default_fallbacks", None), here)
    if defaults:
        for name in dict.fromkeys(names):
            if name not in routing.get("fallbacks", {}):
                _add_fallbacks(document, routing, name, defaults, here)


def _add_fallbacks(
    document: Document, routing: Tables, name: str, models: Any, path: JsonPath
) -> None:
    if "*" in name:
        document.leave_out(path, f"fallbacks are by exact names, and not for {name}")
        return
    known = routing.setdefault("fallbacks", {}).setdefault(name, [])
    for index, model in enumerate(document.items(models, path)):
        if not isinstance(model, str):
            document.leave_out((*path, index), "a fallback with parameters of its own")
        elif model not in known and model != name:
            known.append(model)
    if not known:
        del routing["fallbacks"][name]


def _retries(document: Document, section: Tables, path: JsonPath, routing: Tables) -> None:
    retries = _number(document, section, "num_retries", path)
    if retries is not None:
        routing.setdefault("retry", {})["attempts"] = min(int(retries), _MOST_RETRIES)


def _limits(
    document: Document, section: Tables, path: JsonPath, routing: Tables, timeouts: Tables
) -> None:
    """Time limits, and when a provider that fails is left out."""
    for name in ("request_timeout", "timeout"):
        seconds = _number(document, section, name, path)
        if seconds:
            timeouts["total"] = seconds
    seconds = _number(document, section, "stream_timeout", path)
    if seconds:
        timeouts["first_token"] = seconds
    breaker = routing.setdefault("breaker", {})
    if (cooldown := _number(document, section, "cooldown_time", path)) is not None:
        breaker["cooldown"] = cooldown or 1.0
    if (allowed := _number(document, section, "allowed_fails", path)) is not None:
        breaker["failures"] = int(allowed) + 1
        document.note(
            (*path, "allowed_fails"), "counts failures in a row, and not those of a minute"
        )
    if not breaker:
        del routing["breaker"]


def _number(document: Document, section: Tables, name: str, path: JsonPath) -> float | None:
    value = section.pop(name, None)
    if value is None:
        return None
    return document.number(value, (*path, name))


def _cache(document: Document, litellm: Tables, plugin: Tables) -> None:
    path = ("litellm_settings", "cache")
    enabled = litellm.pop("cache", None)
    params = document.members(
        litellm.pop("cache_params", None), ("litellm_settings", "cache_params")
    )
    if not enabled:
        return
    seconds = _number(document, params, "ttl", ("litellm_settings", "cache_params"))
    plugin["cache"] = {"max_age": _CACHE_SECONDS if seconds is None else seconds}
    kind = params.pop("type", "local")
    if kind != "local":
        document.note(path, f"answers are kept in the memory of each process, and not in {kind}")
    document.leave_out_rest(params, ("litellm_settings", "cache_params"))


def _master_key(document: Document, general: Tables, server: Tables) -> None:
    """Let clients use the gateway with the key that they have."""
    path = ("general_settings", "master_key")
    written = general.pop("master_key", None)
    if written is None:
        return
    key = document.text(written, path)
    if key is None:
        document.note(path, _OPEN)
        document.is_complete = False
    else:
        digest = hashlib.sha256(key.encode()).hexdigest()
        server["keys"] = {"master": f"sha256:{digest}"}
