"""`prepare`: once for all who wait, until its time is over, and again after the provider refused it."""

from __future__ import annotations

import asyncio

import msgspec
from adapter_router import routing_to

from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import AdapterHttp, UpstreamRequest
from llms_core.testing import Reply, ScriptedUpstream, Seen, completion, error, json_body


class Token(msgspec.Struct):
    access_token: str
    expires_in: float


class Exchanging(OpenAICompatible):
    """Exchanges its key for a token."""

    async def prepare(self, http: AdapterHttp) -> float:
        token = (await http.send(UpstreamRequest(url=f"{self.base_url}/token", headers={}))).json(Token)
        self.api_key = http.secret(token.access_token)
        return token.expires_in


def token_endpoint(upstream: ScriptedUpstream, accepted: str = "token-") -> list[str]:
    """Hand out numbered tokens, and accept those that begin with `accepted`."""
    handed_out: list[str] = []

    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("/token"):
            handed_out.append(f"token-{len(handed_out)}")
            return json_body({"access_token": handed_out[-1], "expires_in": 3600})
        sent = seen.headers["authorization"].removeprefix("Bearer ")
        return completion("Hello") if sent.startswith(accepted) else error(401)

    upstream.default = Reply(answer)
    return handed_out


def test_concurrent_requests_share_one_run(upstream: ScriptedUpstream) -> None:
    handed_out = token_endpoint(upstream)

    async def ask() -> list[str]:
        async with routing_to(Exchanging, base_url=upstream.base_url) as asking:
            return [*await asyncio.gather(*(asking.text() for _ in range(20))), await asking.text()]

    assert asyncio.run(ask()) == ["Hello"] * 21
    assert handed_out == ["token-0"]


def test_a_refused_token_is_renewed_once(upstream: ScriptedUpstream) -> None:
    handed_out = token_endpoint(upstream, accepted="token-1")

    async def ask() -> str:
        async with routing_to(Exchanging, base_url=upstream.base_url) as asking:
            return await asking.text()

    assert asyncio.run(ask()) == "Hello"
    assert handed_out == ["token-0", "token-1"]
