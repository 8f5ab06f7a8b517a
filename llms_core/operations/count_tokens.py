"""The operation `count_tokens`: how many tokens the prompt of a chat completion has.

Providers count with the tokenizer of their model. Where no provider of the model counts, or none answers in time, the
answer is an estimate, which says so.
"""

from __future__ import annotations

import msgspec

from llms_core.candidate import Candidate
from llms_core.contracts.request import ChatBody, ChatCall, ChatRequest
from llms_core.contracts.token_estimate import estimated_prompt
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations import FetchMedia, Operation
from llms_core.operations.adapter_results import expect
from llms_core.operations.chat import CHAT
from llms_core.provider import CountsTokens, UpstreamRequest


class TokenCount(msgspec.Struct, frozen=True):
    """The tokens of a prompt. Counting them costs none, so there is no usage."""

    tokens: int
    is_estimate: bool = False
    usage: None = None

    @property
    def data(self) -> bytes:
        """The count in JSON."""
        return msgspec.json.encode({"input_tokens": self.tokens})


class CountTokens(Operation[ChatRequest, ChatCall]):
    """Counts the tokens of a chat completion's prompt. Adapters that implement `CountsTokens` serve it."""

    name = "count_tokens"
    adapter_protocol = CountsTokens
    #: A client that shows the count does not wait as long as for an answer.
    max_seconds = 20.0
    can_estimate = True

    def needed_capabilities(self, view: ChatRequest) -> frozenset[str]:
        """Return what the prompt needs."""
        return CHAT.needed_capabilities(view)

    def call(self, body: ChatBody, candidate: Candidate, request_id: str, created: int) -> ChatCall:
        """Return the call that would be made for an answer: what is counted is what would be sent."""
        return CHAT.call(body, candidate, request_id, created)

    async def inline_media(
        self, call: ChatCall, types: frozenset[str], fetch: FetchMedia
    ) -> ChatCall:
        """Replace URLs in content parts of these types by data URIs."""
        return await CHAT.inline_media(call, types, fetch)

    def request(self, adapter: CountsTokens, call: ChatCall) -> UpstreamRequest:
        """Return the adapter's request."""
        request = expect(UpstreamRequest, adapter.count_request(call), "count_request")
        # What has no effect on the count was left out as well.
        return msgspec.structs.replace(request, dropped=())

    def answer(self, adapter: CountsTokens, call: ChatCall, body: bytes) -> TokenCount:
        """Return the provider's count."""
        count = adapter.token_count(call, body)
        if type(count) is not int:
            expect(int, count, "token_count")
        if count < 0:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider counted less than no token")
        return TokenCount(count)

    def estimate(self, body: ChatBody) -> TokenCount:
        """Estimate the tokens from the size of the prompt."""
        return TokenCount(estimated_prompt(body), is_estimate=True)


COUNT_TOKENS = CountTokens()
