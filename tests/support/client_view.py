"""What an OpenAI client makes of an adapter's output, as plain values to compare.

Both functions that summarize an answer return the same members, so that a whole answer can be compared with a stream:
`id`, `text`, `reasoning`, `calls` (id, name and decoded arguments of each tool call), `finish`, `usage`, `extra` (the
message's `provider_extra` of one adapter) and `logprobs` (token and log probability).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from chat_streams import ChatStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from recordings import pieces

from llms_core import RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.provider import HttpAdapter, UpstreamRequest

Json = dict[str, Any]
Counts = tuple[int | None, ...]
#: Turns usage into the counts that a test compares.
CountsOf = Callable[[CompletionUsage], Counts]


def request_or_refusal(
    adapter: HttpAdapter, call: ChatCall
) -> UpstreamRequest | Unsupported | RequestError:
    """Return the request that the adapter makes of a call, or the error that it refuses the call with."""
    try:
        return adapter.request(call)
    except (Unsupported, RequestError) as error:
        return error


def complete(adapter: HttpAdapter, call: ChatCall, answer: Json | bytes) -> ChatCompletion:
    """Translate a whole answer and validate it as OpenAI's SDK does."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return ChatCompletion.model_validate_json(adapter.completion(call, body).data)


def translate_stream(
    adapter: HttpAdapter, call: ChatCall, body: bytes, size: int | None = None
) -> list[Chunk]:
    """Translate a stream that arrives in pieces of `size` bytes (None: all at once), as the core does."""
    progress = ChatStream(adapter.chunks(call))
    chunks: list[Chunk] = []
    for piece in pieces(body, size or len(body)):
        chunks += progress.feed(piece)
    chunks += progress.feed(b"")
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    return chunks + progress.held_back()


def summarize_completion(completion: ChatCompletion, adapter: str, counts_of: CountsOf) -> Json:
    """Summarize a whole answer."""
    (choice,) = completion.choices
    extra = choice.message.model_extra or {}
    calls = [call for call in choice.message.tool_calls or () if call.type == "function"]
    return {
        "id": completion.id,
        "text": choice.message.content or "",
        "reasoning": extra.get("reasoning_content") or "",
        "calls": [
            (call.id, call.function.name, json.loads(call.function.arguments)) for call in calls
        ],
        "finish": choice.finish_reason,
        "usage": counts_of(completion.usage) if completion.usage is not None else None,
        "extra": extra.get("provider_extra", {}).get(adapter, {}),
        "logprobs": _logprobs(choice.logprobs),
    }


def summarize_stream(chunks: Iterable[Chunk], adapter: str, counts_of: CountsOf) -> Json:
    """Summarize a stream, and assert that its chunks fit together."""
    summary: Json = {
        "text": "",
        "reasoning": "",
        "finish": None,
        "usage": None,
        "extra": {},
        "logprobs": [],
    }
    calls: dict[int, list[str]] = {}
    roles = []
    ids = set()
    for chunk in chunks:
        parsed = ChatCompletionChunk.model_validate_json(chunk.data)
        ids.add(parsed.id)
        if parsed.usage is not None:
            assert parsed.choices == [], "the usage has a chunk of its own"
            summary["usage"] = counts_of(parsed.usage)
            continue
        (choice,) = parsed.choices
        extra = choice.delta.model_extra or {}
        roles.append(choice.delta.role)
        summary["text"] += choice.delta.content or ""
        summary["reasoning"] += extra.get("reasoning_content") or ""
        summary["finish"] = choice.finish_reason or summary["finish"]
        summary["extra"] |= extra.get("provider_extra", {}).get(adapter, {})
        summary["logprobs"] += _logprobs(choice.logprobs)
        _add_fragments(calls, choice.delta)
    assert roles[0] == "assistant"
    assert set(roles[1:]) <= {None}, "the role comes with the first chunk only"
    (summary["id"],) = ids
    joined = [calls[index] for index in range(len(calls))]
    summary["calls"] = [
        (call_id, name, json.loads(arguments)) for call_id, name, arguments in joined
    ]
    return summary


def _add_fragments(calls: dict[int, list[str]], delta: ChoiceDelta) -> None:
    """Join the fragments of tool calls: the first has the id and the name, and each has a piece of the arguments."""
    for fragment in delta.tool_calls or ():
        assert fragment.function is not None
        if fragment.id:
            assert fragment.index not in calls, "a call begins once"
            assert fragment.type == "function"
            calls[fragment.index] = [fragment.id, fragment.function.name or "", ""]
        calls[fragment.index][2] += fragment.function.arguments or ""


def _logprobs(logprobs: Any) -> list[tuple[str, float]]:
    if logprobs is None:
        return []
    return [(each.token, each.logprob) for each in logprobs.content or ()]


def assert_leaves_call_unchanged(adapter: HttpAdapter, call: ChatCall) -> None:
    """Assert that an adapter does not modify the call that it makes a request of (or refuses)."""
    members = msgspec.json.encode(dict(call.members))
    request = msgspec.json.encode(call.request)
    request_or_refusal(adapter, call)
    assert msgspec.json.encode(dict(call.members)) == members
    assert msgspec.json.encode(call.request) == request
