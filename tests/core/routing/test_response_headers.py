"""The headers of a response (rate limits, request ids) are available to whatever reads it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from adapter_router import routing_to

from llms_core.contracts.body import RequestBody
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingCall, Embeddings
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.request import ChatCall
from llms_core.contracts.rerank import Ranking, RerankCall
from llms_core.contracts.upstream import ProviderCall
from llms_core.dialects import Dialect, IncomingRequest
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.dialects.embeddings import OPENAI_EMBEDDINGS
from llms_core.dialects.messages import COUNT_TOKENS
from llms_core.dialects.moderations import MODERATIONS
from llms_core.dialects.rerank import RERANK
from llms_core.openai_compatible import OPENAI_PATHS, OpenAICompatible
from llms_core.provider import ChunkTranslator, UpstreamRequest
from llms_core.routing.trace import RequestTrace
from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Seen,
    Status,
    completion,
    embeddings,
    json_body,
)
from llms_core.testing.upstream import Step

HEADERS = {"X-Request-Id": "7", "X-RateLimit-Remaining": "41"}


class Reading(OpenAICompatible):
    """Notes the headers that each of its methods sees."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: dict[str, dict[str, str]] = {}

    def note(self, method: str, call: ProviderCall) -> None:
        self.seen[method] = dict(call.response_headers)

    def request(self, call: ChatCall) -> UpstreamRequest:
        self.note("request", call)
        return super().request(call)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        self.note("completion", call)
        return super().completion(call, body)

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        self.note("chunks", call)
        return super().chunks(call)

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        self.note("embeddings", call)
        return super().embeddings(call, body)

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        self.note("ranking", call)
        return super().ranking(call, body)

    def forwarded(self, call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
        self.note("forwarded", call)
        return super().forwarded(call, answer)

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        return UpstreamRequest(url=f"{self.base_url}/count", headers=self.headers())

    def token_count(self, call: ChatCall, body: bytes) -> int:
        self.note("token_count", call)
        return int(json.loads(body)["count"])


def answers(seen: Seen) -> Reply:
    """An answer to each operation, with the headers."""
    replies: dict[str, Reply] = {
        "/embeddings": embeddings(),
        "/count": json_body({"count": 7}),
        "/rerank": json_body({"results": [{"index": 0, "relevance_score": 0.5}]}),
        "/moderations": json_body({"id": "m", "model": "m", "results": [{"flagged": False}]}),
        "/chat/completions": completion(),
    }
    reply = next(reply for path, reply in replies.items() if seen.path.endswith(path))
    return Reply(*(with_headers(step) for step in reply.steps(seen)))


def with_headers(step: Step) -> Step:
    return replace(step, headers={**step.headers, **HEADERS}) if isinstance(step, Status) else step


QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}

METHODS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "completion": (CHAT_COMPLETIONS, QUESTION),
    "chunks": (CHAT_COMPLETIONS, {**QUESTION, "stream": True}),
    "embeddings": (OPENAI_EMBEDDINGS, {"input": "Hi"}),
    "ranking": (RERANK, {"query": "Hi", "documents": ["a"]}),
    "forwarded": (MODERATIONS, {"input": "Hi"}),
    "token_count": (COUNT_TOKENS, {**QUESTION, "max_tokens": 1}),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_reads_a_response_sees_its_headers(
    upstream: ScriptedUpstream, method: str
) -> None:
    """By lower-case names; before the response there are none."""
    dialect, members = METHODS[method]
    upstream.default = Reply(answers)
    incoming = IncomingRequest(json.dumps({"model": "m", **members}).encode())

    async def ask() -> dict[str, dict[str, str]]:
        async with routing_to(
            Reading, base_url=upstream.base_url, spec={"paths": OPENAI_PATHS}
        ) as asking:
            decoded = dialect.decode(incoming)
            assert isinstance(decoded, RequestBody)
            answered = await asking.router.answer(RequestTrace(), dialect.operation, decoded)
            if answered.stream is not None:
                await answered.stream.aclose()
            seen: dict[str, dict[str, str]] = asking.adapter(0).seen
            return seen

    seen = asyncio.run(ask())
    assert {name: seen[method].get(name) for name in ("x-request-id", "x-ratelimit-remaining")} == {
        "x-request-id": "7",
        "x-ratelimit-remaining": "41",
    }
    assert seen.get("request", {}) == {}
