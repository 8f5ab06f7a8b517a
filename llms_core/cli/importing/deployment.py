"""One entry of `model_list`: a model of a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from llms_core.cli.importing.connection import connection
from llms_core.cli.importing.document import Document
from llms_core.cli.importing.names import find
from llms_core.config.locate import JsonPath
from llms_core.config.reader import Specs
from llms_core.config.shape import Parameters, member_names

_PARAMETERS = frozenset(member_names(Parameters))
#: Members that only inform, or that say what is so here anyway.
_INFORMATION = frozenset(
    (
        "base_model",
        "created_at",
        "created_by",
        "db_model",
        "description",
        "drop_params",
        "health_check_model",
        "id",
        "litellm_provider",
        "mode",
        "updated_at",
        "updated_by",
        "use_in_pass_through",
    )
)
_COSTS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
_MOST_RETRIES = 10


class Deployment(msgspec.Struct, kw_only=True):
    """A deployment in our terms."""

    path: JsonPath
    #: the name for clients
    name: str
    #: the provider's id of the model; empty if the block stands for all that the provider lists
    upstream: str
    #: the members of the provider's block but its models
    block: dict[str, Any]
    #: `[timeouts.provider]`
    timeouts: dict[str, float]
    #: a row of `pricing`
    price: dict[str, str] | None
    #: its share among the deployments of one name; None if the file does not say
    weight: float | None
    #: deployments with a lower number are tried first
    order: float


def read_deployment(
    document: Document, specs: Specs, entry: Any, path: JsonPath
) -> Deployment | None:
    """Convert an entry. None, with a report, if that is not possible."""
    members = document.members(entry, path)
    params_path = (*path, "litellm_params")
    params = document.members(members.pop("litellm_params", None), params_path)
    info_path = (*path, "model_info")
    info = document.members(members.pop("model_info", None), info_path)
    name = str(members.pop("model_name", None) or "")
    model = str(params.pop("model", None) or "")
    if not name or not model:
        document.leave_out_deployment(path, "it has no `model_name`, or no `litellm_params.model`")
        return None
    spec, provider, upstream = find(specs, model, params.pop("custom_llm_provider", None))
    if spec is None:
        document.leave_out_deployment(
            params_path, f"no provider is installed for LiteLLM's '{provider or model}'"
        )
        return None
    if spec.litellm.prefix:
        upstream = re.sub(f"^(?:{spec.litellm.prefix})", "", upstream)
    params.update(_credentials(document, params, params_path))
    block = connection(document, spec, params, params_path)
    if block is None:
        return None
    block.update(_defaults(document, params, params_path))
    deployment = Deployment(
        path=path,
        name=name,
        upstream=upstream,
        block=block,
        timeouts=_timeouts(document, params, params_path),
        price=_price(document, (params, info), path),
        weight=_weight(document, (params, members), path),
        order=_number(document, params, "order", params_path) or 0,
    )
    if info.pop("max_input_tokens", None) is not None or info.pop("max_tokens", None) is not None:
        document.leave_out(info_path, "limits of tokens are not used")
    for rest, place in ((params, params_path), (info, info_path), (members, path)):
        document.leave_out_rest(_relevant(rest), place)
    if "*" in name or "*" in upstream:
        return _wildcard(document, deployment)
    return deployment


def _relevant(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in members.items()
        if name not in _INFORMATION and not name.startswith("supports_") and "_cost" not in name
    }


def _credentials(document: Document, params: dict[str, Any], path: JsonPath) -> dict[str, Any]:
    """The members of `credential_list` that a deployment names, as far as it has none of its own."""
    name = params.pop("litellm_credential_name", None)
    if name is None:
        return {}
    found = document.credentials.get(str(name))
    if found is None:
        document.leave_out((*path, "litellm_credential_name"), f"`credential_list` has no '{name}'")
        return {}
    return {each: value for each, value in found.items() if each not in params}


def _defaults(document: Document, params: dict[str, Any], path: JsonPath) -> dict[str, Any]:
    """Parameters for requests that do not set them, retries, and what is added to each request."""
    block: dict[str, Any] = {}
    if (most := params.pop("max_tokens", None)) is not None:
        params.setdefault("max_completion_tokens", most)
    for name in [name for name in params if name in _PARAMETERS]:
        value = params.pop(name)
        if value is not None:
            block[name] = value
    retries = _number(document, params, "max_retries", path)
    if retries:
        block["retries"] = min(int(retries), _MOST_RETRIES)
    forced = document.members(params.pop("extra_body", None), (*path, "extra_body"))
    if forced:
        block["force"] = forced
    return block


def _timeouts(document: Document, params: dict[str, Any], path: JsonPath) -> dict[str, float]:
    timeouts = {}
    total = _number(document, params, "timeout", path)
    if total:
        timeouts["total"] = total
    first_token = _number(document, params, "stream_timeout", path)
    if first_token:
        timeouts["first_token"] = first_token
    return timeouts


def _price(
    document: Document, places: tuple[dict[str, Any], ...], path: JsonPath
) -> dict[str, str] | None:
    """The price of a token, as text so that it keeps its digits."""
    row = {}
    for place in places:
        for name, ours in _COSTS.items():
            cost = _number(document, place, name, path)
            if cost is not None:
                row[ours] = f"{Decimal(str(cost)):f}"
    if not row:
        return None
    if "input" not in row or "output" not in row:
        document.leave_out(path, "the price lacks the one of prompts or that of answers")
        return None
    return row


def _weight(document: Document, places: tuple[dict[str, Any], ...], path: JsonPath) -> float | None:
    """The share of the traffic: LiteLLM draws by `weight`, or else by `rpm` or `tpm`."""
    found: dict[str, float] = {}
    for place in places:
        for name in ("weight", "rpm", "tpm"):
            value = _number(document, place, name, path)
            if value is not None:
                found.setdefault(name, value)
    for name in ("rpm", "tpm"):
        if name in found:
            document.note(
                path, f"`{name}` is only used as a weight: the number of requests is not limited"
            )
    return found.get("weight", found.get("rpm", found.get("tpm")))


def _number(document: Document, members: dict[str, Any], name: str, path: JsonPath) -> float | None:
    value = members.pop(name, None)
    if value is None:
        return None
    return document.number(value, (*path, name))


def _wildcard(document: Document, deployment: Deployment) -> Deployment | None:
    """Return a deployment for all models that the provider lists, with names such as those for LiteLLM's clients."""
    name, star, rest = deployment.name.partition("*")
    upstream, upstream_star, upstream_rest = deployment.upstream.partition("*")
    if not star or not upstream_star or rest or upstream_rest or not name.endswith(upstream):
        reason = "only wildcards are converted that add a prefix to the provider's names, such as `openai/*`"
        document.leave_out_deployment(deployment.path, reason)
        return None
    document.note(
        deployment.path, "only models that the provider lists are offered, and not every name"
    )
    block = deployment.block
    block["all_models"] = True
    if prefix := name.removesuffix(upstream):
        block["model_prefix"] = prefix
    if upstream:
        block["include_models"] = f"^{re.escape(upstream)}"
    deployment.upstream = ""
    return deployment
