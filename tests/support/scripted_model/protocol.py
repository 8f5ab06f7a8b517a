"""What differs between the protocols of providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Interface

from llms_core.testing.wire import Event, Framing
from scripted_model.answers import NamedAnswer
from scripted_model.conversation import Conversation


class Reads(Interface):
    """Reads the conversation of a request's body."""

    def __call__(self, body: Mapping[str, Any]) -> Conversation: ...


class Refuses(Interface):
    """Says what else a provider refuses in a request; "" if nothing."""

    def __call__(self, body: Mapping[str, Any], conversation: Conversation) -> str: ...


class Writes(Interface):
    """Writes the events of a stream; those of the text come before those of the calls."""

    def __call__(self, answer: NamedAnswer) -> Sequence[Event]: ...


class WritesWhole(Interface):
    """Writes an answer to a request without a stream."""

    def __call__(self, answer: NamedAnswer) -> Mapping[str, Any]: ...


def refuses_nothing(body: Mapping[str, Any], conversation: Conversation) -> str:
    """What most providers do."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A protocol that a provider speaks, and a provider of the gateway that speaks it."""

    #: As in the table of docs/clients.md.
    title: str
    #: The provider's name in llms.json, which says how to speak to it.
    provider: str
    #: The provider's own id of the model.
    model: str
    framing: Framing
    read: Reads
    events: Writes
    whole: WritesWhole
    refuses: Refuses = refuses_nothing
    #: Whether the thinking of a turn with calls has to come back with their results.
    returns_thinking: bool = True
    #: How its signatures begin, decoded; None if it has none.
    signature_head: bytes | None = None
    #: The path of the base URL.
    base: str = ""
    #: Further members of the provider's block in llms.json.
    settings: Mapping[str, Any] = field(default_factory=dict)
