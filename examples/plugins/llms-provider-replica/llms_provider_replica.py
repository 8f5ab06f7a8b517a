"""Replica, which runs models as jobs: create one, and ask until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.building import completion
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatCall
from llms_core.provider import (
    AdapterHttp,
    Capabilities,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)

_ROLES = {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant"}


class ReplicaSettings(ProviderSettings, kw_only=True):
    """A provider block of llms.json, with a member that only Replica has."""

    #: Seconds between two questions whether a job is done.
    poll: float = 0.5


class _Metrics(msgspec.Struct):
    input_token_count: int
    output_token_count: int


class _Urls(msgspec.Struct):
    get: str
    cancel: str


class _Job(msgspec.Struct):
    status: Literal["starting", "processing", "succeeded", "failed", "canceled"]
    urls: _Urls
    output: list[str] = []
    error: str | None = None
    metrics: _Metrics | None = None


class Replica:
    """The adapter. It takes part in several exchanges, so it has `generate` instead of the four pure functions."""

    def __init__(self, spec: ProviderSpec[Any], settings: ReplicaSettings) -> None:
        self._settings = settings
        self._base_url = settings.base_url or spec.base_url

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        """Create a job and wait for it. If the client leaves meanwhile, the job is cancelled, because it costs."""
        given = {"max_tokens": call.request.token_limit, "seed": call.get("seed")}
        parameters = {name: value for name, value in given.items() if value is not None}
        body = {"input": {"prompt": _prompt(call), **parameters}}
        url = f"{self._base_url}/models/{call.upstream_model}/predictions"
        created = await http.send(self._request(url, body))
        job = created.json(_Job)
        try:
            while job.status in ("starting", "processing"):
                await asyncio.sleep(self._settings.poll)
                job = (await http.send(self._request(job.urls.get, method="GET"))).json(_Job)
        except asyncio.CancelledError:
            await http.send(self._request(job.urls.cancel))
            raise
        if job.status != "succeeded":
            text = f"The job {job.status}: {job.error or 'no reason given'}"
            raise ProviderError(ErrorKind.OVERLOADED, text)
        text = "".join(job.output)
        return completion(call, content=text, finish_reason="stop", usage=_usage(job.metrics))

    def _request(self, url: str, body: object = None, method: str = "POST") -> UpstreamRequest:
        headers = {"content-type": "application/json", **self._settings.headers}
        if self._settings.api_key is not None:
            headers["authorization"] = f"Bearer {self._settings.api_key.reveal()}"
        content = b"" if body is None else msgspec.json.encode(body)
        return UpstreamRequest(url=url, headers=headers, content=content, method=method)


def _usage(counts: _Metrics | None) -> Usage | None:
    if counts is None:
        return None
    return Usage(counts.input_token_count, counts.output_token_count)


def _prompt(call: ChatCall) -> str:
    lines = []
    for message in call.request.messages:
        if message.role not in _ROLES:
            text = f"Messages with the role '{message.role}' are not supported"
            raise Unsupported(text, param="messages")
        lines.append(f"{_ROLES[message.role]}: {text_of(message.content)}")
    return "\n".join([*lines, "Assistant:"])


_CANNOT = ("tools", "json_schema", "json_object", "vision", "audio", "files", "logprobs", "n")


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="replica",
        title="Replica",
        adapter=Replica,
        settings=ReplicaSettings,
        base_url="https://api.replica.example/v1",
        key_env=("REPLICA_API_TOKEN",),
        capabilities=Capabilities(**dict.fromkeys(_CANNOT, False)),
        wire="llms_provider_replica_wire:WIRE",
    )
