"""What a provider says, as plain data in its own protocol: the examples that the conformance suite plays from.

An author writes a handful of answers down once. The suite makes the faults of them: cut at every event and byte,
stalled, damaged, repeated, split, with other line ends.

    ACME = Wire(
        text=Example(
            whole={"output": "Grüße, Welt!", "why": "done", "tokens": [9, 4]},
            events=[{"piece": "Grüße"}, {"piece": ", Welt!"}, {"why": "done", "tokens": [9, 4]}],
            means=Meaning(text="Grüße, Welt!"),
            usage=(9, 4),
        ),
        length=Example(…, means=Meaning(text="Grü", finish_reason="length")),
        failures=(Failure(401, {"oops": "The key is wrong"}), Failure(429, {"oops": "Too many requests"}), …),
    )

Name it in the provider's spec, `ProviderSpec(…, wire="acme_llms.wire:ACME")`: it is imported by the suite alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

from llms_core.errors import ConfigError, ErrorKind

Framing: TypeAlias = Literal["sse", "ndjson", "aws"]

Event: TypeAlias = "Mapping[str, Any] | str | bytes | tuple[str, Mapping[str, Any] | str]"
"""One event of a stream: its data as JSON or as text, or a pair of its name and its data; bytes go out as they are."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool call."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one choice of an answer has to be in OpenAI's terms."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True, kw_only=True)
class Example:
    """One answer, whole and as a stream, and what it means.

    `means` is a Meaning for each choice, or the kind of failure that the answer has to become. `usage` are the tokens
    of the prompt and of the answer. `kept` are texts of the answer that have to be in the next turn's request when the
    client sends the assistant's message back: signatures of reasoning and the like. Leave `events` out where the
    provider never says such a thing in a stream.
    """

    whole: Mapping[str, Any] | bytes
    events: Sequence[Event] = ()
    means: Meaning | tuple[Meaning, ...] | ErrorKind = Meaning()
    usage: tuple[int, int] | None = None
    kept: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Meaning, ...]:
        """What each choice means; () for an answer that is a failure."""
        if isinstance(self.means, ErrorKind):
            return ()
        return self.means if isinstance(self.means, tuple) else (self.means,)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls of every choice."""
        return tuple(call for choice in self.choices for call in choice.calls)


@dataclass(frozen=True)
class Failure:
    """An error answer. `kind` is only needed where the status alone does not tell it.

    Status 200 is for errors that come in the place of an answer; they need their kind. `says` is a text that the
    error's message has to contain: the longest text of the body unless given.
    """

    status: int
    body: Mapping[str, Any] | Sequence[Any] | bytes
    kind: ErrorKind | None = None
    says: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A provider's protocol by example. Only `text`, `length` and `failures` are always needed.

    The text of `text` should have characters outside of ASCII, in three events or more. What the provider's
    capabilities claim needs its example: `tools` needs `tool_call` and `parallel_calls` (an example of one call where
    the provider never makes two), `n` needs `several`, `logprobs` needs `logprobs`. `blocked` is an answer that a
    content filter stopped, `empty` one without any text.

    `failures` are error answers, at least one each of 400, 401, 429 and a 5xx. `stream_failures` are events that end
    a stream as failed, `ignored` events that say nothing, such as pings.

    `auth` names the headers that may hold the key, in lower case. `base` is the path of the base URL that the suite
    configures, where it is not that of the spec's. `model` is the provider's id of the model, for adapters that look
    at it; ids made of it by a dash and more have to mean a model of the same kind. `settings` are further members of
    the provider's block in llms.json; "$KEY" in them is the suite's key, and one that is None is left out.
    """

    text: Example
    length: Example
    failures: Sequence[Failure]
    tool_call: Example | None = None
    parallel_calls: Example | None = None
    reasoning: Example | None = None
    several: Example | None = None
    logprobs: Example | None = None
    empty: Example | None = None
    blocked: Example | None = None
    stream_failures: Sequence[Event] = ()
    ignored: Sequence[Event] = ()
    framing: Framing = "sse"
    auth: frozenset[str] = frozenset({"authorization"})
    base: str | None = None
    model: str = "conformance-upstream"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def example(self, name: str) -> Example | None:
        """An example by the name of its field."""
        found = getattr(self, name)
        return found if isinstance(found, Example) else None


EXAMPLES = (
    "text", "length", "tool_call", "parallel_calls", "reasoning", "several", "logprobs", "empty", "blocked",
)  # fmt: skip
"""The fields of a Wire that are examples."""


def load(name: str) -> Wire:
    """The Wire that `package.module:NAME` names. Raises ConfigError where there is none."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ConfigError(f"'{name}' names no Wire", hint="write package.module:NAME")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the Wire {name} cannot be imported: {error}") from error
    if not isinstance(found, Wire):
        raise ConfigError(f"{name} is a {type(found).__name__}, and no Wire")
    return found
