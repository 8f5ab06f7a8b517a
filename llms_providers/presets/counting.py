"""OpenAI's own count of the tokens of a prompt: https://platform.openai.com/docs/api-reference/responses/input-tokens."""

from __future__ import annotations

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import UpstreamRequest

#: Members of a request for a response that have an effect on the count. All others are refused.
_COUNTED = (
    "input",
    "model",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
)


class _TokenCount(msgspec.Struct):
    input_tokens: int


_decode_count = msgspec.json.Decoder(_TokenCount).decode


class CountingOpenAICompatible(OpenAICompatible):
    """The adapter for OpenAI, which counts the tokens of prompts. Other servers of its APIs do not."""

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for the number of tokens of the prompt. Raises Unsupported as the Responses API does."""
        body, _ = self.responses_body(call)
        url, found, query = self.responses_url().partition("?")
        return UpstreamRequest(
            url=f"{url}/input_tokens{found}{query}",
            headers=self.headers(),
            content=msgspec.json.encode({name: body[name] for name in _COUNTED if name in body}),
        )

    def token_count(self, call: ChatCall, body: bytes) -> int:
        """Return the number in an answer to `count_request`. Raises ProviderError if it has none."""
        try:
            return _decode_count(body).input_tokens
        except UNREADABLE as error:
            message = f"Cannot parse the provider's token count: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
