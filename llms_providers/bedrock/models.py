"""What the name of a model on Bedrock tells about the model.

Model ids: https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html
Structured output: https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from __future__ import annotations

import re

import msgspec

from llms_core import Unsupported
from llms_core.contracts.function_names import FunctionNames, NameRule
from llms_core.contracts.request import ChatCall

#: The first part of an inference profile's id: the region in which the model may run.
_REGION_PREFIXES = frozenset({"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "global"})
#: Vendors by a part of the name, for ids without a vendor: ARNs of application inference profiles.
_VENDORS_BY_NAME = (("claude", "anthropic"), ("nova", "amazon"), ("gpt-oss", "openai"))
#: Vendors whose models follow a JSON schema. For Anthropic it depends on the version.
_STRUCTURED_OUTPUT_VENDORS = frozenset(
    {
        "openai",
        "qwen",
        "deepseek",
        "google",
        "minimax",
        "mistral",
        "moonshot",
        "moonshotai",
        "nvidia",
    }
)
#: The versions of Claude that follow a JSON schema on Bedrock, both inclusive.
_FIRST_STRUCTURED_CLAUDE = (4, 5)
_LAST_STRUCTURED_CLAUDE = (4, 6)

# Matches "claude-3-7-sonnet-20250219" and "claude-sonnet-4-5-20250929". A minor version has at most two digits,
# which tells it from the date.
_CLAUDE_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?")


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html
_NAMES = NameRule(characters="A-Za-z0-9_-", first="A-Za-z0-9_-")
# Models of these vendors reject hyphens and digits at the beginning, which Bedrock lets through.
_STRICTLY_NAMED_VENDORS = frozenset({"amazon", "cohere"})
_STRICT_NAMES = NameRule(characters="A-Za-z0-9_", first="A-Za-z")


class Family(msgspec.Struct, frozen=True):
    """The family that a model belongs to."""

    #: As in the ids of models: "anthropic", "amazon", "meta", …
    vendor: str
    name: str
    #: Major and minor version of a Claude model; (0, 0) for any other model.
    claude_version: tuple[int, int]

    @property
    def has_structured_output(self) -> bool:
        """Whether Bedrock can make the model follow a JSON schema."""
        if self.vendor == "anthropic":
            return _FIRST_STRUCTURED_CLAUDE <= self.claude_version <= _LAST_STRUCTURED_CLAUDE
        if "deepseek.r1" in self.name:
            return False
        return self.vendor in _STRUCTURED_OUTPUT_VENDORS


def function_names_of(call: ChatCall, family: Family) -> FunctionNames:
    """Return the names of the call's functions as its model accepts them."""
    return FunctionNames(
        call, _STRICT_NAMES if family.vendor in _STRICTLY_NAMED_VENDORS else _NAMES
    )


def family_of(call: ChatCall) -> Family:
    """Return the family of the call's model."""
    return family_named(call.upstream_model, call.client_model)


def family_named(model: str, client_model: str) -> Family:
    """Return the family of a model.

    An ARN may end in an opaque id. The client's name for the model then decides.
    """
    name = model.rpartition("/")[2]
    prefix, _, rest = name.partition(".")
    if not rest:
        name = f"{name} {client_model}".lower()
        vendor = _vendor_by_name(name, default=prefix)
    elif prefix in _REGION_PREFIXES:
        vendor = rest.partition(".")[0]
    else:
        vendor = prefix
    claude_version = _claude_version(name) if vendor == "anthropic" else (0, 0)
    return Family(vendor, name, claude_version)


def countable_model(call: ChatCall) -> str:
    """Return the id by which CountTokens knows the call's model. Raises Unsupported if it does not.

    It takes ids of foundation models and none of inference profiles, and counts for Claude only:
    https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html
    """
    model = call.upstream_model.rpartition("/")[2]
    prefix, _, rest = model.partition(".")
    if prefix in _REGION_PREFIXES:
        model = rest
    if not model.startswith("anthropic."):
        raise Unsupported("Bedrock does not count tokens for this model")
    return model


def _vendor_by_name(name: str, default: str) -> str:
    for part, vendor in _VENDORS_BY_NAME:
        if part in name:
            return vendor
    return default


def _claude_version(name: str) -> tuple[int, int]:
    found = _CLAUDE_VERSION.search(name)
    if found is None:
        return (0, 0)
    major = int(found[1])
    minor = int(found[2] or 0)
    return (major, minor)
