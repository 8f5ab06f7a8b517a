"""The state that the steps of building a request share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_providers.anthropic.blocks import Block, Turn
from llms_providers.anthropic.models import ModelFamily


@dataclass
class Draft:
    """A request to Anthropic while it is being built. Each step adds members to `body`."""

    call: ChatCall
    #: The model and its provider, to whom signatures belong.
    owner: Owner
    #: What the requested model accepts.
    family: ModelFamily
    #: The names of the functions as Anthropic accepts them.
    names: FunctionNames
    #: The decoded members of the client's request, without `messages` and `tools`.
    parameters: Mapping[str, Any]
    #: The system prompt; added to `body` last, because `response_format` may extend it.
    system: list[Block]
    #: The conversation; never empty.
    turns: list[Turn]
    #: The JSON object to send.
    body: dict[str, Any] = field(default_factory=dict)
    #: `output_config` as the OpenAI parameters translate to it; the client's own takes precedence.
    output_config: dict[str, Any] = field(default_factory=dict)
    #: Names of the client's parameters that are not sent.
    dropped: set[str] = field(default_factory=set)
