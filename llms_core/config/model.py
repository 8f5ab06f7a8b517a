"""The configuration that the rest of the gateway works with: both files, decoded and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from llms_core.errors import Action, ErrorKind
from llms_core.prices.rates import Rates
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.secret import Secret

# The unit is for the reference (`described.py`).
Seconds = Annotated[float, Meta(gt=0, extra={"unit": "seconds"})]
Bytes = Annotated[int, Meta(ge=1024, extra={"unit": "bytes"})]

DISABLED_BY_USER = "disabled in llms.json"
"""Why a provider is not a candidate that the user has switched off."""

NO_KEY = "no key"
"""What the reason begins with if a provider only lacks its key."""

WITHOUT_KEYS = "left out, because they have no key"
"""How the warning of several providers begins that lack their keys."""

LACKS_KEY = f"{NO_KEY}: set "
"""How the reason begins if a provider would be enabled by a variable in the environment, whose name follows."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs, in USD per million tokens."""

    input: float
    output: float
    #: for prompt tokens read from a cache; None if unknown, or the same as `input`
    cache_read: float | None = None
    #: these, and all others that the configuration states
    rates: Rates | None = None

    def __post_init__(self) -> None:
        if self.rates is None:
            rates = Rates(input=self.input, output=self.output, cache_read=self.cache_read)
            msgspec.structs.force_setattr(self, "rates", rates)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model of one provider."""

    #: what clients may call it; the first is the one that is listed
    names: tuple[str, ...]
    #: the provider's id of it
    upstream: str
    price: Price | None = None
    #: the tokens of a prompt and its answer together; None if unknown
    context: int | None = None


class Provider(msgspec.Struct, kw_only=True):
    """One provider block of llms.json."""

    id: str
    spec: ProviderSpec
    settings: ProviderSettings
    #: why it is not a candidate; None if it is enabled
    disabled: str | None = None
    #: whether settings that only its adapter has are the reason
    misconfigured: bool = False
    #: the plugin that contributed it (`llms_config`); empty for a provider of llms.json
    contributor: str = ""
    #: whether no file mentions it: an embedded model
    implicit: bool = False
    models: tuple[Model, ...] = ()
    #: whether to ask the provider for its models (`all_models`)
    discover: bool = False
    #: regular expressions that the provider's ids have to match, or must not; for discovered models, too
    include: str | None = None
    exclude: str | None = None
    #: what the names of its models for clients begin with; for discovered models, too
    prefix: str = ""
    #: whether names of models are compared without case (L-20)
    fold_case: bool = False
    #: attempts at this provider after the first, before the next provider is tried
    retries: int = 0
    #: the price of models without one of their own, such as discovered ones
    price: Price | None = None
    #: the chat request that `llms check` sends; None for the one of `defaults`
    check: Mapping[str, Any] | None = None


class ImageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The largest image that is sent as it is."""

    #: in pixels
    width: int = 1536
    height: int = 1024
    #: of the file, in bytes
    size: int = 1536 * 1024


class LlmsJson(msgspec.Struct, kw_only=True):
    """llms.json, whichever version of the format it has."""

    path: str
    #: in the file's order, which is the order in which they are tried
    providers: tuple[Provider, ...]
    #: the largest request body, in bytes
    max_body: int = 20 * 1024 * 1024
    #: the most seconds that a request may take
    client_timeout: float | None = None
    #: attempts over all candidates of a request
    retries: int | None = None
    #: when images in chats are made smaller; None if never
    images: ImageLimits | None = None
    #: whether every client needs a key, even if none exists (K-21)
    requires_key: bool = False
    #: the chat requests that the command line starts from: `text`, `image`, `audio`, `file` and `check`
    templates: Mapping[str, Mapping[str, Any]] = {}
    #: what the user should fix
    warnings: tuple[str, ...] = ()
    #: members that have no effect here, and are there for llms.py
    notes: tuple[str, ...] = ()
    #: every secret in the file, for the redactor
    secrets: tuple[Secret, ...] = ()


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A table of plugins.toml. A key that is not known is an error."""


class Plugins(_Strict, frozen=True):
    """`[plugins]`: which plugins may load."""

    #: names of plugins or distributions
    disabled: Annotated[tuple[str, ...], Meta(examples=[["cohere"]])] = ()
    #: if given, plugins of other distributions are listed, but not imported
    allow: Annotated[tuple[str, ...] | None, Meta(examples=[["llms-core", "llms-providers"]])] = (
        None
    )
    #: exact version of a plugin or distribution, optionally with the hash of its files
    pins: Annotated[Mapping[str, str], Meta(examples=[{"llms-providers": "==0.1.0"}])] = {}
    #: files and modules to load as plugins, relative to plugins.toml
    load: Annotated[tuple[str, ...], Meta(examples=[["my_provider.py"]])] = ()
    #: how long a plugin may take to resolve a secret, or to list its providers
    timeout: Seconds = 10.0


class ClientKey(_Strict, frozen=True):
    """`[server.keys.NAME]`: a key that clients may use, with what it permits."""

    #: `sha256:<hex>`
    hash: Annotated[
        str,
        Meta(examples=["sha256:50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"]),
    ]
    #: whether its clients may also switch providers on and off
    admin: bool = False


class Server(_Strict, frozen=True):
    """`[server]`: who may use the HTTP server, and its limits.

    Some limits are read at the start only: `max_connections`, `max_headers`, `write_timeout` and `replay_buffer`.
    """

    #: `sha256:<hex>` of each key that clients may use, or a table with more about it, by a name for it
    keys: Annotated[
        Mapping[str, str | ClientKey],
        Meta(
            examples=[
                {"alice": "sha256:50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"}
            ]
        ),
    ] = {}
    #: a TOML file with more of them
    keys_file: Annotated[str | None, Meta(examples=["keys.toml"])] = None
    #: names that clients may use in `Host`, besides those of this machine; without keys, others are refused on loopback
    hosts: Annotated[tuple[str, ...], Meta(examples=[["gateway.example"]])] = ()
    #: origins whose web pages may use the server, such as `https://app.example`; `*` stands for every origin
    origins: Annotated[tuple[str, ...], Meta(examples=[["https://app.example"]])] = ()
    #: requests at a time
    max_requests: Annotated[int, Meta(ge=1)] = 2048
    #: connections at a time, with or without a request; each request needs another file descriptor for its provider
    max_connections: Annotated[int, Meta(ge=1)] = 4096
    #: size of a request's headers, in bytes
    max_headers: Bytes = 64 * 1024
    #: how long a stopping server waits for running requests
    drain: Seconds = 30.0
    #: pause between comment frames while a stream has nothing to send
    keep_alive: Seconds = 15.0
    #: how long a client may take to send a body, or to send nothing of a form with files
    body_timeout: Seconds = 60.0
    #: size of a form with files, in bytes; it is sent on while it arrives
    max_upload: Bytes = 256 * 1024 * 1024
    #: bytes of a form that are kept in memory, so that it can be sent to another provider; for all forms together,
    #: sixteen times as many
    replay_buffer: Bytes = 2 * 1024 * 1024
    #: how long an asynchronous plugin may take to identify a client
    authenticate_timeout: Seconds = 5.0
    #: how long a client that has a response to read may read nothing
    write_timeout: Seconds = 60.0
    #: whether the message "All providers failed …" says why each of them failed
    explain_errors: bool = False
    #: which streams get a usage chunk: those whose clients requested one, or all
    stream_usage: Literal["requested", "always"] = "requested"
    #: whether chat completions have llms.py's `metadata` in their body: the time that they took, and their price
    llms_py: bool = False


class Retry(_Strict, frozen=True):
    """`[routing.retry]`: retries of the last remaining candidate, after jittered waits."""

    #: how often it is tried again
    attempts: Annotated[int, Meta(ge=0, le=10)] = 2
    #: the first wait at most; each further one may be twice as long
    base: Seconds = 0.5
    #: the longest wait
    longest: Seconds = 8.0


class Breaker(_Strict, frozen=True):
    """`[routing.breaker]`: a provider is left out for a while after repeated failures."""

    #: failures in a row
    failures: Annotated[int, Meta(ge=1)] = 5
    #: how long it is left out at first, if its failures cost clients no time; longer if they do, or if it fails again
    cooldown: Seconds = 5.0
    #: how long it is left out at most, unless `cooldown` is longer
    longest: Seconds = 60.0


class Routing(_Strict, frozen=True):
    """`[routing]`: the order of candidates, and what follows a failure."""

    #: the order in which the providers of a model are tried
    strategy: Literal["ordered", "round_robin", "weighted", "least_busy", "fastest"] = "ordered"
    #: by provider, for the strategy `weighted`
    weights: Annotated[
        Mapping[str, Annotated[float, Meta(ge=0)]], Meta(examples=[{"groq": 3, "ollama": 1}])
    ] = {}
    #: overrides the default action after a kind of failure
    policy: Annotated[
        Mapping[ErrorKind, Action],
        Meta(examples=[{"content_policy": "next", "rate_limit": "next"}]),
    ] = {}
    #: models to try when every provider of a model has failed
    fallbacks: Annotated[
        Mapping[str, tuple[str, ...]], Meta(examples=[{"kimi-k2": ["qwen3"]}])
    ] = {}
    #: when a stream is sent on: with its first content, or once it is whole, so that it can still fail over
    commit: Literal["content", "whole"] = "content"
    #: how the last remaining candidate is tried again
    retry: Retry = Retry()
    #: when a provider that keeps failing is left out for a while
    breaker: Breaker = Breaker()


class ProviderTimeouts(_Strict, frozen=True):
    """`[timeouts.provider.NAME]`: limits for one provider, in place of the general ones."""

    #: for making a connection
    connect: Annotated[Seconds | None, Meta(examples=[3])] = None
    #: until a stream's first token
    first_token: Annotated[Seconds | None, Meta(examples=[600])] = None
    #: between two reads of a response
    idle: Annotated[Seconds | None, Meta(examples=[120])] = None
    #: between two chunks with content
    content: Annotated[Seconds | None, Meta(examples=[300])] = None
    #: for one attempt at this provider
    total: Annotated[Seconds | None, Meta(examples=[900])] = None


class FailoverTimeouts(_Strict, frozen=True):
    """`[timeouts.failover]`: limits of an attempt while another candidate remains."""

    #: until a stream's first token
    first_token: Seconds = 60.0
    #: until a whole answer; by default an equal share of the remaining time, but at least a minute
    total: Annotated[Seconds | None, Meta(examples=[90])] = None


class Timeouts(_Strict, frozen=True):
    """`[timeouts]`: how long providers may take."""

    #: for making a connection
    connect: Seconds = 10.0
    #: until a stream's first token; by default the last candidate may use all remaining time
    first_token: Annotated[Seconds | None, Meta(examples=[120])] = None
    #: between two reads of a response
    idle: Seconds = 60.0
    #: between two chunks with content, while the provider sends others, such as comments
    content: Seconds = 120.0
    #: for a request, over all of its attempts
    total: Seconds = 600.0
    #: shorter limits while another candidate remains
    failover: FailoverTimeouts = FailoverTimeouts()
    #: limits for single providers, by their names in llms.json
    provider: Mapping[str, ProviderTimeouts] = {}


class Upstream(_Strict, frozen=True):
    """`[upstream]`: the HTTP client."""

    #: which HTTP client; `httpx` is slower, and supports SOCKS proxies
    engine: Literal["native", "httpx"] = "native"
    #: URL of a proxy; by default the one that HTTPS_PROXY and related variables name. It may contain a password, and
    #: references such as `${NAME}`.
    #: Hosts that NO_PROXY names are connected to directly in either case.
    proxy: Annotated[Secret | None, Meta(examples=["http://proxy.example:3128"])] = None
    #: PEM file of further certificate authorities that providers are verified by, relative to plugins.toml
    ca: Annotated[str | None, Meta(examples=["company-ca.pem"])] = None
    #: PEM file with a client certificate and its private key, relative to plugins.toml
    cert: Annotated[str | None, Meta(examples=["client.pem"])] = None
    #: size of a response, in bytes
    max_answer: Bytes = 64 * 1024 * 1024
    #: networks that are not public, such as `10.1.0.0/16`, from which media may be fetched that a request links to
    fetch_from: Annotated[tuple[str, ...], Meta(examples=[["10.1.0.0/16"]])] = ()


class Responses(_Strict, frozen=True):
    """`[responses]`: what is stored of the Responses API, in `responses.sqlite3` in the user's folder (`~/.llms`)."""

    #: whether answers are stored, for `previous_response_id` and `GET /v1/responses/{id}`
    store: bool = True
    #: the size of all stored answers and their inputs, in bytes; the oldest are removed first
    max_bytes: Annotated[int, Meta(ge=1, extra={"unit": "bytes"})] = 256 * 1024 * 1024
    #: how long an answer is kept
    max_age: Seconds = 30 * 24 * 3600.0


class PluginsToml(_Strict, frozen=True):
    """plugins.toml: how the gateway behaves."""

    #: the file; set by its reader
    path: str = ""
    #: which plugins may load
    plugins: Plugins = Plugins()
    #: who may use the HTTP server, and its limits
    server: Server = Server()
    #: the order of candidates, and what follows a failure
    routing: Routing = Routing()
    #: how long providers may take
    timeouts: Timeouts = Timeouts()
    #: the HTTP client that sends requests to providers
    upstream: Upstream = Upstream()
    #: what is stored of the Responses API
    responses: Responses = Responses()
    #: the settings of the plugin `ledger`, which may also be written as `[plugin.ledger]`
    ledger: Mapping[str, Any] | None = None
    #: the same for the plugin `metrics`
    metrics: Mapping[str, Any] | None = None
    #: the same for the plugin `otel`
    otel: Mapping[str, Any] | None = None
    #: each plugin's own settings
    plugin: Annotated[
        Mapping[str, Mapping[str, Any]], Meta(examples=[{"guard": {"deny": ["secret"]}}])
    ] = {}
    #: provider types that need no code
    types: Annotated[
        Mapping[str, Mapping[str, Any]],
        Meta(examples=[{"acme": {"base_url": "https://api.acme.example/v1"}}]),
    ] = {}

    def __repr__(self) -> str:
        """Show the path alone: the tables may contain literal secrets."""
        return f"PluginsToml(path={self.path!r})"
