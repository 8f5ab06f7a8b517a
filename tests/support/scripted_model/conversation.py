"""A conversation as a provider receives it, without the differences between their protocols."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["user", "assistant"]

_DATA_URI = re.compile(r"data:[^,]*;base64,(.*)", re.DOTALL)


class Tool(NamedTuple):
    """A tool that the model may call."""

    #: With its namespace, as in `agents__spawn`.
    name: str
    kind: str = "function"
    #: Empty if the tool is in none, or the protocol has none.
    namespace: str = ""


@dataclass(frozen=True)
class Thought:
    """Thinking that came back to the model."""

    text: str
    #: Empty where the protocol has none, or it was not sent.
    signature: str = ""


@dataclass(frozen=True)
class CallMade:
    """A call of an earlier turn."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    signature: str = ""


@dataclass(frozen=True)
class Result:
    """What a tool returned."""

    id: str
    text: str


@dataclass
class Turn:
    """Everything that one side said before the other did."""

    role: Role
    text: str = ""
    thoughts: list[Thought] = field(default_factory=list)
    calls: list[CallMade] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)


@dataclass
class Conversation:
    """The turns of a request, which alternate, and the tools that it offers."""

    turns: list[Turn] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    #: The text of all instructions of the system.
    system: str = ""

    def turn(self, role: Role) -> Turn:
        """Return the turn that the next part of `role` belongs to."""
        if not self.turns or self.turns[-1].role != role:
            self.turns.append(Turn(role))
        return self.turns[-1]

    def of(self, role: Role) -> list[Turn]:
        return [turn for turn in self.turns if turn.role == role]

    @property
    def results(self) -> dict[str, str]:
        """The texts of all results, by the ids of their calls."""
        return {result.id: result.text for turn in self.turns for result in turn.results}

    @property
    def calls(self) -> list[CallMade]:
        return [call for turn in self.turns for call in turn.calls]

    @property
    def images(self) -> list[bytes]:
        return [image for turn in self.turns for image in turn.images]

    @property
    def thoughts(self) -> list[Thought]:
        return [thought for turn in self.turns for thought in turn.thoughts]


def bytes_of(data: str) -> bytes:
    """Decode base64, with or without the beginning of a data URI."""
    uri = _DATA_URI.fullmatch(data)
    return base64.b64decode(uri[1] if uri else data, validate=True)


def joined(texts: Iterable[str]) -> str:
    return "\n".join(text for text in texts if text)
