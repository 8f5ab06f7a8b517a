"""What a scripted model does in one turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripted_model.conversation import Tool


@dataclass(frozen=True)
class Call:
    """A tool call. A tool whose offered name ends with `name` is called, because gateways may add a namespace."""

    name: str
    #: A function makes them of the text of the last result.
    arguments: Mapping[str, Any] | Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One turn of the model: its thinking, then its text, then its calls."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    #: Whether the stream stops for ever after the text, as if the model went on thinking.
    stalls: bool = False
    #: The tokens of the prompt that the provider reports.
    prompt_tokens: int = 1000


@dataclass(frozen=True, kw_only=True)
class NamedCall:
    """A call as it is written down: with its id and the offered tool."""

    id: str
    tool: Tool
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class NamedAnswer:
    """An answer with what a provider adds to it."""

    id: str
    model: str
    text: str
    thinking: str
    #: Proves that the thinking, or the first call, is the model's own.
    signature: str
    calls: tuple[NamedCall, ...]
    prompt_tokens: int

    @property
    def output_tokens(self) -> int:
        return 1 + (len(self.thinking) + len(self.text)) // 4
