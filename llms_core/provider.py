"""The adapter contract: an adapter translates in pure functions, the core owns sockets, deadlines and framing.

A provider is a `ProviderSpec`, which names an adapter and what the provider can do. Its `adapter` is called with the
spec and the settings of one block of llms.json, and gives an object with the four methods of `HttpAdapter`. Abilities
that only some adapters have are protocols of their own: `Discovers`, `Prepares`, `Closes`, `Inlines`,
`Available`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Protocol, runtime_checkable

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ProviderError
from llms_core.secret import Secret

Headers = Mapping[str, str]
"""Header names in lower case."""


class UpstreamRequest(msgspec.Struct, kw_only=True):
    """One HTTP request to a provider. `dropped` names the parameters that had to be left out."""

    url: str
    headers: dict[str, str]
    content: bytes = b""
    method: str = "POST"
    dropped: tuple[str, ...] = ()


Framing = Literal["sse", "ndjson", "aws"]
"""How a provider separates a stream into events: server-sent events, lines of JSON, or AWS's event stream."""


class ChunkTranslator(Protocol):
    """Turns one stream's events into chunks; made anew for each stream."""

    @property
    def framing(self) -> Framing:
        """How the provider separates its stream into events."""

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """The chunks that one event gives. `event` is its name, empty where it has none.

        One of AWS's that tells of a failure is named `exception:` or `error:` and the failure's own name.

        Raises ProviderError where the event is an error, or makes no sense.
        """


@runtime_checkable
class HttpAdapter(Protocol):
    """What every adapter does. No I/O: each method is a function of its arguments and of the settings."""

    def request(self, call: ChatCall) -> UpstreamRequest:
        """What to send. Raises Unsupported where the provider cannot do what is asked."""

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """The provider's whole answer as a chat.completion. Raises ProviderError where it is none."""

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        """A translator for one stream."""

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an answer with a status other than 2xx means; `llms_core.failure.classify` is the default."""


@runtime_checkable
class Discovers(Protocol):
    """An adapter that can ask its provider which models there are."""

    def models_request(self) -> UpstreamRequest:
        """The question."""

    def models(self, body: bytes) -> dict[str, str]:
        """The answer: name for clients -> the provider's id. Raises ProviderError where it is none."""


@runtime_checkable
class Prepares(Protocol):
    """An adapter whose provider has to be made ready. Awaited before each request; all but free when ready."""

    async def prepare(self) -> None:
        """Raises ProviderError where the provider cannot be made ready."""


@runtime_checkable
class Closes(Protocol):
    """An adapter that holds something which has to be let go."""

    async def aclose(self) -> None:
        """Awaited once, when the adapter is retired: at a reload that drops it, and at shutdown."""


@runtime_checkable
class Inlines(Protocol):
    """An adapter whose provider takes bytes where a client may give a URL: the core fetches them before `request`."""

    @property
    def inlines(self) -> frozenset[str]:
        """Types of content parts (`image_url`, `file`, …) whose http(s) URLs are to become data URIs."""


@runtime_checkable
class Available(Protocol):
    """An adapter that may lack what it needs on this machine."""

    def available(self) -> str | None:
        """None where the provider can be used, else the reason why not and how to mend it. Cheap; no network."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do. A candidate that cannot do what a request asks is passed over, with its reason."""

    streaming: bool = True
    tools: bool = True
    json_schema: bool = True
    json_object: bool = True
    vision: bool = True
    audio: bool = True
    files: bool = True
    logprobs: bool = True
    n: bool = True
    prefill: bool = False
    #: knows `stream_options.include_usage`
    stream_usage: bool = True


class ProviderSettings(msgspec.Struct, kw_only=True):
    """A provider's block of llms.json, decoded; an adapter with members of its own subclasses it."""

    id: str
    base_url: str = ""
    api_key: Secret | None = None
    headers: dict[str, str] = {}
    defaults: dict[str, Raw] = {}
    force: dict[str, Raw] = {}


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An adapter type or preset, as a plugin registers it.

    `name` is what llms.json says as `type` (or as the provider's id, for a preset); `aliases` mean the same.
    `base_url` is what `/chat/completions` and the like are appended to. `key_env` are the environment variables that
    may hold the key, in order. `rename` and `drop` are parameters of OpenAI's that the provider names otherwise, or
    refuses. `models` maps names for clients to the provider's ids where the configuration names none. `wire` names the
    provider's protocol by example for the conformance suite, `package.module:NAME` of an `llms_core.testing.wire.Wire`;
    the suite alone imports it, and adapters that speak OpenAI's JSON need none.
    """

    name: str
    adapter: Callable[[ProviderSpec, ProviderSettings], HttpAdapter]
    title: str
    docs: str = ""
    base_url: str = ""
    key_env: tuple[str, ...] = ()
    needs_key: bool = True
    capabilities: Capabilities = Capabilities()
    rename: Mapping[str, str] = {}
    drop: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    models: Mapping[str, str] = {}
    settings: type[ProviderSettings] = ProviderSettings
    wire: str = ""
    #: a model for trying things out, not for work
    demo: bool = False
