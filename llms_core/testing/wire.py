"""A provider's protocol by example, as plain data: the conformance suite plays the provider from these examples.

The author of a provider writes down a few real responses, each with its meaning. The suite derives the faults from
them: responses that are truncated at every event and byte, stalled, damaged, repeated, split, or sent with other line
endings.

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

The provider's spec names it, `ProviderSpec(…, wire="acme_llms.wire:ACME")`. Only the suite imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

from llms_core.errors import ConfigError, ErrorKind

Framing: TypeAlias = Literal["sse", "ndjson", "aws"]

Event: TypeAlias = "Mapping[str, Any] | str | bytes | tuple[str, Mapping[str, Any] | str]"
"""One event of a stream: its data as JSON or plain text, or a pair of its name and its data. Bytes are sent unchanged.
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool call."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one choice of a response has to become in OpenAI's format."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True, kw_only=True)
class Example:
    """One response of the provider, both whole and as a stream, and its meaning."""

    #: The response to a request without streaming.
    whole: Mapping[str, Any] | bytes
    #: The same response as a stream. Empty if the provider never streams such a response.
    events: Sequence[Event] = ()
    #: One Meaning for each choice, or the kind of error that the response has to become.
    means: Meaning | tuple[Meaning, ...] | ErrorKind = Meaning()
    #: The tokens of the prompt and of the response.
    usage: tuple[int, int] | None = None
    #: Texts of the response that the next request must contain once the client has sent the assistant's message back,
    #: such as signatures of reasoning.
    kept: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Meaning, ...]:
        """The meaning of each choice; empty for a response that is an error."""
        if isinstance(self.means, ErrorKind):
            return ()
        if isinstance(self.means, Meaning):
            return (self.means,)
        return self.means

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls of all choices."""
        calls: list[Call] = []
        for choice in self.choices:
            calls += choice.calls
        return tuple(calls)


@dataclass(frozen=True)
class Failure:
    """An error response."""

    #: 200 for an error that the provider sends with a success status; `kind` is required then.
    status: int
    body: Mapping[str, Any] | Sequence[Any] | bytes
    #: The kind of error that the adapter has to return, if the status alone does not determine it.
    kind: ErrorKind | None = None
    #: A text that the error's message has to contain. By default the longest text of the body.
    says: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds that the provider asks to wait.
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class EmbeddingExample:
    """One response to a request for embeddings, and the vectors in it."""

    whole: Mapping[str, Any] | bytes
    #: One vector for each text; the suite sends as many texts as there are vectors.
    vectors: Sequence[Sequence[float]]
    #: The tokens of the texts; None if the provider does not count them.
    tokens: int | None = None
    #: The provider's id of the model, for adapters that inspect it. By default that of the Wire.
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class TokenExample:
    """The endpoint at which `prepare` obtains a token, for adapters that exchange their key for one."""

    #: The response. "$TOKEN" in it is replaced by the suite's token, and the token in Wire.auth is sent from then on.
    whole: Mapping[str, Any]
    #: How the path of the endpoint ends.
    path: str
    #: The member of the provider's block that has the endpoint's URL; empty if it is below the base URL.
    setting: str = ""
    #: What `prepare` returns for this response: the seconds that the token is used.
    lasts: float


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One of the requests that `generate` makes, and the response to it."""

    #: How the path of the request ends.
    path: str
    #: "$BASE" in it is replaced by the base URL of the suite's server.
    whole: Mapping[str, Any] | bytes
    method: str = "POST"


NOTHING = Example(whole=b"")
"""In place of an example that a provider does not need."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A provider's protocol by example. `text`, `length` and `failures` are required, unless the adapter `Generates`.

    Such an adapter needs `exchanges`, and the meaning and usage of the answer in `text`. A model in the gateway's own
    process has no exchanges; then nothing has to be given.

    A capability that the spec claims requires its example: `tools` requires `tool_call` and `parallel_calls`, `n`
    requires `several`, `logprobs` requires `logprobs`.
    """

    #: A normal response. Should contain non-ASCII characters, spread over at least three events.
    text: Example = NOTHING
    #: A response that stops at the token limit.
    length: Example = NOTHING
    #: Error responses: at least one each with status 400, 401, 429 and a 5xx.
    failures: Sequence[Failure] = ()
    #: What `generate` requests for one answer, in order.
    exchanges: Sequence[Exchange] = ()
    #: Required if `prepare` obtains a token.
    token: TokenExample | None = None
    tool_call: Example | None = None
    #: Two calls in one response; an example of one call if the provider never makes two.
    parallel_calls: Example | None = None
    reasoning: Example | None = None
    #: A response with two choices.
    several: Example | None = None
    logprobs: Example | None = None
    #: A response without any text.
    empty: Example | None = None
    #: A response that a content filter stopped.
    blocked: Example | None = None
    #: Required if the adapter offers embeddings.
    embeddings: EmbeddingExample | None = None
    #: Events that end a stream with an error.
    stream_failures: Sequence[Event] = ()
    #: Events without content, such as pings.
    ignored: Sequence[Event] = ()
    #: The events of `llms_core.testing.messages_wire` in the provider's own wrapping, if its adapter passes Messages
    #: requests on and has one.
    native_events: Sequence[Event] = ()
    framing: Framing = "sse"
    #: Whether events are plain text, so that no text can be told from a damaged event.
    plain_events: bool = False
    #: What the provider joins lists with, such as a comma, if it takes them as one text.
    list_separator: str = ""
    #: The headers that contain the key, or what is computed from it, such as a signature; in lower case.
    auth: frozenset[str] = frozenset({"authorization"})
    #: The path of the base URL that the suite configures. By default that of the spec's base URL.
    base: str | None = None
    #: The provider's id of the model, for adapters that inspect it. An id that extends it with a dash and a suffix has
    #: to denote a model of the same kind.
    model: str = "conformance-upstream"
    #: Further members of the provider's block in llms.json. "$KEY" in a value is replaced by the suite's key, and a
    #: member with the value None is left out of the block.
    settings: Mapping[str, Any] = field(default_factory=dict)

    def example(self, name: str) -> Example | None:
        """Return the example in the field `name`."""
        value = getattr(self, name)
        if isinstance(value, Example):
            return value
        return None


EXAMPLES = (
    "text",
    "length",
    "tool_call",
    "parallel_calls",
    "reasoning",
    "several",
    "logprobs",
    "empty",
    "blocked",
)
"""The fields of a Wire that are examples."""


def load(name: str) -> Wire:
    """Import the Wire that `package.module:NAME` refers to. Raises ConfigError if that is not possible."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ConfigError(f"'{name}' does not name a Wire", hint="write package.module:NAME")
    try:
        wire = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the Wire {name} cannot be imported: {error}") from error
    if not isinstance(wire, Wire):
        hint = "name an instance of llms_core.testing.wire.Wire"
        raise ConfigError(f"{name} is a {type(wire).__name__}, not a Wire", hint=hint)
    return wire
