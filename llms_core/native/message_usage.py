"""The token counts of Anthropic's messages, as OpenAI counts."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.completion import Usage


class ThinkingTokens(msgspec.Struct):
    """`usage.output_tokens_details`."""

    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct):
    """`usage.cache_creation`: the tokens written to the cache, by how long they are kept."""

    ephemeral_1h_input_tokens: int | None = None


class MessageUsage(msgspec.Struct):
    """`usage` of a message. A stream sends it in parts, so every member may be absent."""

    #: without those that were read from or written to the cache
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: ThinkingTokens | None = None
    #: how often each of Anthropic's own tools was called
    server_tool_use: dict[str, Any] | None = None

    def update(self, later: MessageUsage | None) -> None:
        """Overwrite counts with those of a later event, which are cumulative; some servers send zeros in between."""
        if later is None:
            return
        for name in self.__struct_fields__:
            value = getattr(later, name)
            if value is not None and not (value == 0 and getattr(self, name)):
                setattr(self, name, value)

    def as_chat(self) -> Usage:
        """Return the counts as OpenAI defines them: the tokens of the cache are among those of the prompt."""
        cache_read = self.cache_read_input_tokens or 0
        cache_written = self.cache_creation_input_tokens or 0
        prompt_details = {"cached_tokens": cache_read, "cache_write_tokens": cache_written}
        if self.cache_creation is not None and self.cache_creation.ephemeral_1h_input_tokens:
            # They cost more.
            prompt_details["cache_write_1h_tokens"] = self.cache_creation.ephemeral_1h_input_tokens
        details: dict[str, Any] = {}
        if self.output_tokens_details is not None:
            details["reasoning_tokens"] = self.output_tokens_details.thinking_tokens or 0
        if self.server_tool_use:
            details["server_tool_use"] = self.server_tool_use
        return Usage(
            prompt_tokens=(self.input_tokens or 0) + cache_read + cache_written,
            completion_tokens=self.output_tokens or 0,
            prompt_tokens_details=prompt_details,
            completion_tokens_details=details or None,
        )
