"""Whale, whose API speaks OpenAI's JSON, but takes tokens for which a key is exchanged, and only within a project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret


class WhaleSettings(ProviderSettings, kw_only=True):
    """A provider block of llms.json, with members that only Whale has."""

    project_id: str
    #: Where keys are exchanged for tokens.
    token_url: str = "https://iam.whale.example/identity/token"


class _Token(msgspec.Struct):
    access_token: str
    #: In seconds.
    expires_in: float


class Whale(OpenAICompatible):
    """The adapter."""

    def __init__(self, spec: ProviderSpec[Any], settings: WhaleSettings) -> None:
        super().__init__(spec, settings)
        self._own = settings
        self._token: Secret | None = None

    async def prepare(self, http: AdapterHttp) -> float:
        """Exchange the key for a token. The gateway calls this again before the time is over, or after a refusal."""
        if self._own.api_key is None:
            raise ProviderError(ErrorKind.AUTH, "Whale needs a key: set WHALE_API_KEY")
        form = {
            "grant_type": "urn:whale:params:oauth:grant-type:apikey",
            "apikey": self._own.api_key.reveal(),
        }
        request = UpstreamRequest(
            url=self._own.token_url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
        )
        token = (await http.send(request)).json(_Token)
        # Masked in the log and in errors from now on.
        self._token = http.secret(token.access_token)
        return token.expires_in

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Add the project to the request, and the token in place of the key."""
        request = super().request(call)
        members = msgspec.json.decode(request.content, type=dict[str, msgspec.Raw])
        members["project_id"] = msgspec.Raw(msgspec.json.encode(self._own.project_id))
        if self._token is not None:
            request.headers["authorization"] = f"Bearer {self._token.reveal()}"
        return msgspec.structs.replace(request, content=msgspec.json.encode(members))


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="whale",
        title="Whale",
        adapter=Whale,
        settings=WhaleSettings,
        base_url="https://ml.whale.example/v1",
        path="/text/chat",
        key_env=("WHALE_API_KEY",),
        wire="llms_provider_whale_wire:WIRE",
    )
