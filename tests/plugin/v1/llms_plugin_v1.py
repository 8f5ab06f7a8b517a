"""Every hook and both kinds of adapter, as llms-core 0.1 had them. Never change this file: see README.md beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import click
import msgspec
from litestar import get

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported, hookimpl
from llms_core.contracts.building import Chunks, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatCall
from llms_core.failure import classify
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.settings import PluginSettings
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.records import AttemptRecord, Caller, RequestRecord
from llms_core.secret import Secret

heard: list[tuple[str, Any]] = []


class Settings(msgspec.Struct, kw_only=True):
    greeting: str = "Hello!"
    upstream: str = "http://localhost:1/v1"
    token: Secret | None = None


class State:
    settings = Settings()


class OwnSettings(ProviderSettings, kw_only=True):
    volume: int = 5


class Compatible(OpenAICompatible):
    def headers(self) -> dict[str, str]:
        return {**super().headers(), "x-v1": "compatible"}


class Native:
    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        self.closed = False

    def request(self, call: ChatCall) -> UpstreamRequest:
        text = text_of(call.request.messages[-1].content)
        if "unsupported" in text:
            raise Unsupported("this cannot be said here", param="messages")
        volume = self.settings.volume if isinstance(self.settings, OwnSettings) else 0
        body = {"model": call.model, "text": text, "volume": volume, "stream": call.stream}
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["x-key"] = self.settings.api_key.reveal()
        url, dropped = f"{self.settings.base_url}/say", tuple(sorted(call.members.keys() & {"logit_bias"}))
        return UpstreamRequest(url=url, headers=headers, content=msgspec.json.encode(body), dropped=dropped)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        said: dict[str, Any] = json.loads(body)
        usage = Usage(prompt_tokens=said["in"], completion_tokens=said["out"])
        return completion(call, content=said["said"], finish_reason="stop", usage=usage)

    def chunks(self, call: ChatCall) -> NativeChunks:
        return NativeChunks(call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        return classify(status, headers, body)

    def models_request(self) -> UpstreamRequest:
        return UpstreamRequest(method="GET", url=f"{self.settings.base_url}/says", headers={})

    def models(self, body: bytes) -> dict[str, str]:
        return {name: name for name in json.loads(body)}

    async def prepare(self) -> None:
        heard.append(("prepared", self.settings.id))

    async def aclose(self) -> None:
        heard.append(("closed", self.settings.id))

    def available(self) -> str | None:
        return None


class NativeChunks:
    framing: Literal["ndjson"] = "ndjson"

    def __init__(self, call: ChatCall):
        self.chunks = Chunks(call)

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        said: dict[str, Any] = json.loads(data)
        if "failed" in said:
            raise ProviderError(ErrorKind.OVERLOADED, said["failed"])
        if "said" in said:
            yield self.chunks.text(said["said"])
        if "out" in said:
            yield self.chunks.finish("stop")
            yield self.chunks.usage(Usage(prompt_tokens=said["in"], completion_tokens=said["out"]))


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    State.settings = settings.decode(Settings)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    return [
        ProviderSpec(name="v1", adapter=Compatible, title="Compatible", key_env=("V1_KEY",), aliases=("v1-alias",)),
        ProviderSpec(
            name="v1-native",
            adapter=Native,
            title="Native",
            needs_key=False,
            capabilities=Capabilities(tools=False, vision=False),
            settings=OwnSettings,
        ),
    ]


@hookimpl
def llms_default_config() -> bytes | None:
    block = {"type": "v1", "base_url": State.settings.upstream, "api_key": "of-no-account", "models": {"m": "up-m"}}
    return json.dumps({"providers": {"by-default": block}}).encode()


@hookimpl
def llms_candidates(candidates: Sequence[Any]) -> Sequence[Any] | None:
    """Takes fewer arguments than its hook offers."""
    heard.append(("candidates", [candidate.provider.id for candidate in candidates]))
    return [candidate for candidate in candidates if candidate.provider.id != "unwanted"]


@hookimpl
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    heard.append(("attempt", attempt))


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    heard.append(("request", record))


@hookimpl
def llms_authenticate(headers: Mapping[str, str]) -> Caller | None:
    if headers.get("x-banned"):
        raise RequestError("You may not", status=403, type="permission_error", code="banned")
    token = State.settings.token
    if token is not None and headers.get("authorization") == f"Bearer {token.reveal()}":
        return Caller(name="frozen")
    return None


@hookimpl
def llms_lifespan() -> AbstractAsyncContextManager[Any]:
    return lifespan()


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    heard.append(("lifespan", "in"))
    yield
    heard.append(("lifespan", "out"))


@hookimpl
def llms_commands(group: click.Group) -> None:
    @group.command()
    def greet() -> None:
        """Greet."""
        click.echo(State.settings.greeting)


@get("/greeting", sync_to_thread=False)
def greeting() -> dict[str, str]:
    return {"greeting": State.settings.greeting}


@hookimpl(trylast=True)
def llms_routes() -> Iterator[Any]:
    yield greeting
