"""What the families of models on Bedrock take beside what the Converse API has for all of them.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html; Claude's thinking:
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html; Nova 2's:
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html; structured output:
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import msgspec

from llms_core.contracts.request import ChatCall

#: The first part of an inference profile's id: where the model may run.
_PLACES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "global"})
#: The vendors of names that have no vendor: those that clients use for profiles whose id says nothing.
_HINTS = (("claude", "anthropic"), ("nova", "amazon"), ("gpt-oss", "openai"))
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?")
#: Vendors of open models that follow a JSON schema; of Claude's it is the versions 4.5 and 4.6.
_STRUCTURED = frozenset(
    {"openai", "qwen", "deepseek", "google", "minimax", "mistral", "moonshot", "moonshotai", "nvidia"}
)

#: Keywords of JSON schemas that structured output does not take, but for these values.
_HELD = {"minLength": 1, "minItems": 1}
_UNHELD = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
    "maxItems", "uniqueItems", "contains", "prefixItems", "minProperties", "maxProperties", "patternProperties",
    "propertyNames", "dependentRequired", "dependentSchemas", "not", "if", "oneOf",
})  # fmt: skip

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
_SMALLEST_BUDGET = 1024


class Family(msgspec.Struct, frozen=True):
    """What is known of a model by its name. `claude` is its version, (0, 0) for other models."""

    vendor: str
    name: str
    claude: tuple[int, int]

    @property
    def structured(self) -> bool:
        """Whether it can be held to a JSON schema."""
        if self.vendor == "anthropic":
            return (4, 5) <= self.claude <= (4, 6)
        return self.vendor in _STRUCTURED and "deepseek.r1" not in self.name


def family(call: ChatCall) -> Family:
    """The family of the call's model; the client's name for it is looked at where the id says nothing."""
    name = call.upstream_model.rpartition("/")[2]
    place, _, rest = name.partition(".")
    vendor = (rest if place in _PLACES else name).partition(".")[0]
    if not rest:
        name = f"{name} {call.client_model}".lower()
        vendor = next((vendor for hint, vendor in _HINTS if hint in name), vendor)
    found = _CLAUDE.search(name) if vendor == "anthropic" else None
    return Family(vendor, name, (int(found[1]), int(found[2] or 0)) if found else (0, 0))


def can_hold(schema: object) -> bool:
    """Whether structured output takes this JSON schema: its objects are closed, nothing in it refers to itself."""
    return isinstance(schema, dict) and _can_hold(schema, schema, (), set())


def _can_hold(part: object, whole: dict[str, Any], above: tuple[str, ...], seen: set[str]) -> bool:
    if not isinstance(part, dict) or any(name in _UNHELD and part[name] != _HELD.get(name) for name in part):
        return False
    if (ref := part.get("$ref")) is not None:
        kind, _, name = str(ref).removeprefix("#/").partition("/")
        known = whole.get(kind) if kind in ("$defs", "definitions") else None
        if ref in above or not isinstance(known, dict):
            return False
        if ref not in seen and not _can_hold(known.get(name), whole, (*above, ref), seen):
            return False
        seen.add(ref)
    properties, kinds = part.get("properties", {}), part.get("type")
    choices = [part[name] for name in ("anyOf", "allOf") if name in part]
    if not isinstance(properties, dict) or not all(isinstance(each, list) for each in choices):
        return False
    is_object = "properties" in part or "object" in (kinds if isinstance(kinds, list) else [kinds])
    if is_object and part.get("additionalProperties") is not False:
        return False
    items = [part["items"]] if "items" in part else []
    return all(_can_hold(each, whole, above, seen) for each in (*properties.values(), *items, *chain(*choices)))


class Tuning:
    """The parameters of one call: `inference` is `inferenceConfig`, `fields` `additionalModelRequestFields`.

    `forced`: a tool has to be called. `midway`: the answer has begun, by text or by reasoning that the client does not
    have any more.
    """

    def __init__(self, call: ChatCall, family: Family, *, forced: bool, midway: bool):
        self.inference: dict[str, Any] = {}
        self.fields: dict[str, Any] = {}
        self.dropped: set[str] = set()
        self._call, self._family = call, family
        request = call.request
        if request.token_limit is not None:
            self.inference["maxTokens"] = request.token_limit
        if request.temperature is not None:
            self.inference["temperature"] = min(request.temperature, 1.0)
            self.dropped.update(["temperature"] if request.temperature > 1 else [])
        if request.top_p is not None:
            self.inference["topP"] = request.top_p
        self._top_k()
        if family.vendor == "anthropic":
            self._claude(forced=forced, midway=midway)
        elif call.get("thinking") is not None:
            self.dropped.add("thinking")
        if request.reasoning_effort is not None and family.vendor != "anthropic":
            self._effort(request.reasoning_effort)
        for name in ("additional_model_request_fields", "additionalModelRequestFields"):
            if isinstance(given := call.get(name), dict):
                self.fields |= given

    def _top_k(self) -> None:
        if (top_k := self._call.get("top_k")) is None:
            return
        if self._family.vendor == "anthropic":
            self.fields["top_k"] = top_k
        elif self._family.vendor == "amazon":
            self.fields["inferenceConfig"] = {"topK": top_k}
        else:
            self.dropped.add("top_k")

    def _effort(self, effort: str) -> None:
        known = _EFFORTS.get(effort)
        if self._family.vendor == "openai" and known:
            self.fields["reasoning_effort"] = known
        elif self._family.vendor == "amazon" and "nova-2" in self._family.name and known:
            if known == "high":  # takes no limit and no sampling parameters
                self._drop("temperature", "top_p", "top_k")
                if "maxTokens" in self.inference:
                    self.dropped.add("reasoning_effort")
                    known = "medium"
            self.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": known}
        elif effort != "none":
            self.dropped.add("reasoning_effort")

    def _claude(self, *, forced: bool, midway: bool) -> None:
        version, effort, thinking = self._family.claude, self._call.request.reasoning_effort, self._call.get("thinking")
        if thinking is not None:
            self.fields["thinking"] = thinking
        elif effort not in (None, "none") and (
            # Where it thinks it cannot be forced to call a tool, and the older ones think before all else.
            forced or (midway and version < (4, 6)) or not self._think(effort)
        ):
            self.dropped.add("reasoning_effort")
        thinks = self.fields.get("thinking", {"type": "disabled"}) != {"type": "disabled"}
        if thinks or version >= (4, 7):  # these have no sampling parameters
            self._drop("top_k")
            if self.inference.get("temperature") != 1:
                self._drop("temperature")
            if self.inference.get("topP", 0) < (0.95 if version < (4, 7) else 1):
                self._drop("top_p")
        if version >= (4, 1) and {"temperature", "topP"} <= self.inference.keys():
            self._drop("top_p")

    def _think(self, effort: str | None) -> bool:
        """Whether Claude can be told to think so much: it does since 3.7, and within the limit."""
        version, limit = self._family.claude, self.inference.get("maxTokens")
        if effort is None or effort not in _EFFORTS or version < (3, 7):
            return False
        if version >= (4, 6):
            newest = version >= (4, 7)
            self.fields["thinking"] = {"type": "adaptive", **({"display": "summarized"} if newest else {})}
            more = {"xhigh": "xhigh" if newest else "max", "max": "max"}
            self.fields["output_config"] = {"effort": more.get(effort, _EFFORTS[effort])}
            return True
        budget = _BUDGETS[effort] if limit is None else min(_BUDGETS[effort], limit * 4 // 5)
        if budget < _SMALLEST_BUDGET:
            return False
        self.fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
        return True

    def _drop(self, *names: str) -> None:
        """Leave out what the client said and this model does not take."""
        for name in names:
            if self._call.get(name) is not None:
                self.dropped.add(name)
            self.inference.pop({"top_p": "topP"}.get(name, name), None)
            if name == "top_k":
                self.fields.pop("top_k", None)
                self.fields.pop("inferenceConfig", None)
