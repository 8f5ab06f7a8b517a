"""What the two files say, once read: the configuration that the rest of the gateway works with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from llms_core.errors import Action, ErrorKind
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.secret import Secret

Seconds = Annotated[float, Meta(gt=0)]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens. None: not known, or the same as its plain counterpart (cache, reasoning)."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model of one provider. `names` are what clients may call it; the first is the one that is listed."""

    names: tuple[str, ...]
    upstream: str
    price: Price | None = None
    context: int | None = None
    output: int | None = None


class Provider(msgspec.Struct, kw_only=True):
    """One provider block of llms.json. `disabled` is the reason why it is no candidate; None means enabled.

    `discover` asks the provider for its models (`all_models`); `include` and `exclude` are regular expressions on the
    provider's ids, for what is discovered too. `fold_case` is v3's lenient look-up of names (L-20). `retries` are
    retries at this provider before moving on. `check` is the chat template for `--check`. `price` is that of models
    which have none of their own: what is discovered.
    """

    id: str
    spec: ProviderSpec
    settings: ProviderSettings
    disabled: str | None = None
    models: tuple[Model, ...] = ()
    discover: bool = False
    include: str | None = None
    exclude: str | None = None
    fold_case: bool = False
    retries: int = 0
    check: Raw | None = None
    label: str = ""
    price: Price | None = None


class LlmsJson(msgspec.Struct, kw_only=True):
    """llms.json, whichever version. `providers` are in the file's order, which is the order of routing.

    `templates` are the chat templates of `defaults` by name (`text`, `image`, `check`, …), as JSON. `warnings` are for
    the user to see; `notes` say what is not used here and rightly in the file. `secrets` are all that were come across,
    for the redactor.
    """

    path: str
    version: int
    providers: tuple[Provider, ...]
    templates: Mapping[str, Raw] = {}
    max_body: int = 20 * 1024 * 1024
    client_timeout: float | None = None
    retries: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    pass


class Plugins(_Strict, frozen=True):
    """`[plugins]`: which plugins may load. With `allow`, any other distribution is listed and not imported."""

    disabled: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    pins: Mapping[str, str] = {}
    load: tuple[str, ...] = ()


class Server(_Strict, frozen=True):
    """`[server]`: keys, bounds and deadlines of the HTTP side.

    `keys` are `sha256:<hex>` of the keys that clients may use, by name; `keys_file` holds the same, a TOML table.
    `max_requests` is the bound on requests at once, `drain` how long a stop waits for running ones (seconds),
    `keep_alive` the pause between comment frames of a silent stream (seconds), `body_timeout` the time a client has
    to send a body, and `write_timeout` how long it may take nothing of its answer (seconds).
    """

    keys: Mapping[str, str] = {}
    keys_file: str | None = None
    max_requests: Annotated[int, Meta(ge=1)] = 2048
    max_headers: Annotated[int, Meta(ge=1024)] = 64 * 1024
    drain: Seconds = 30.0
    keep_alive: Seconds = 15.0
    body_timeout: Seconds = 60.0
    write_timeout: Seconds = 60.0


class Retry(_Strict, frozen=True):
    """`[routing.retry]`: how the last candidate left is retried in place. Waits are in seconds, jittered."""

    attempts: Annotated[int, Meta(ge=0, le=10)] = 2
    base: Seconds = 0.25
    longest: Seconds = 8.0


class Breaker(_Strict, frozen=True):
    """`[routing.breaker]`: opens after `failures` in a row, for `cooldown` seconds."""

    failures: Annotated[int, Meta(ge=1)] = 5
    cooldown: Seconds = 30.0


class Routing(_Strict, frozen=True):
    """`[routing]`: the order of candidates, and what a failure leads to.

    `policy` overrides the table from kind of failure to `next` (candidate) or `stop`. `fallbacks` names models to try
    when every provider of a model has failed.
    """

    strategy: str = "ordered"
    weights: Mapping[str, Annotated[float, Meta(ge=0)]] = {}
    policy: Mapping[ErrorKind, Action] = {}
    fallbacks: Mapping[str, tuple[str, ...]] = {}
    retry: Retry = Retry()
    breaker: Breaker = Breaker()


class Limits(_Strict, frozen=True):
    """The four time limits, in seconds; None leaves one as it is for every provider."""

    connect: Seconds | None = None
    first_token: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class Timeouts(_Strict, frozen=True):
    """`[timeouts]`: connect, first token of a stream, idle between two reads, total over all attempts.

    A whole answer may take the model minutes before its first byte: up to there only `total` holds. `provider`
    overrides them for one provider each; its `total` bounds one attempt at that provider.
    """

    connect: Seconds = 10.0
    first_token: Seconds = 120.0
    idle: Seconds = 60.0
    total: Seconds = 600.0
    provider: Mapping[str, Limits] = {}


class Upstream(_Strict, frozen=True):
    """`[upstream]`: the HTTP client. `proxy` defaults to what HTTPS_PROXY and its kin say.

    `max_answer` is the largest answer in bytes. `fetch_from` are networks (`10.1.0.0/16`) that media named by URL in a
    request may come from although they are not public.
    """

    engine: Literal["aiohttp", "httpx"] = "aiohttp"
    proxy: Secret | None = None
    max_answer: Annotated[int, Meta(ge=1024)] = 64 * 1024 * 1024
    fetch_from: tuple[str, ...] = ()


class PluginsToml(_Strict, frozen=True):
    """plugins.toml. `plugin` holds each plugin's own settings, `types` providers that are pure configuration."""

    path: str = ""
    plugins: Plugins = Plugins()
    server: Server = Server()
    routing: Routing = Routing()
    timeouts: Timeouts = Timeouts()
    upstream: Upstream = Upstream()
    plugin: Mapping[str, Mapping[str, Any]] = {}
    types: Mapping[str, Mapping[str, Any]] = {}

    def __repr__(self) -> str:
        """Without the tables, in which literal secrets may stand."""
        return f"PluginsToml(path={self.path!r})"
