"""Claude on Bedrock through InvokeModel: the client's Messages requests in Amazon's wrapping."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aws_events import event, exception
from recordings import Recording, for_each, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind
from llms_core.native import message_format
from llms_core.operations.chat import CHAT
from llms_core.provider import PassesThrough, UpstreamRequest
from llms_core.secret import Secret
from llms_core.upstream.stream_decoder import StreamDecoder
from llms_providers.bedrock import BEDROCK, Bedrock, BedrockSettings

Json = dict[str, Any]

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t_1", "name": "weather", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 7},
}


def adapter() -> Bedrock:
    return Bedrock(
        BEDROCK, BedrockSettings(id="bedrock", region="us-east-1", api_key=Secret("key"))
    )


def native(headers: Json | None = None, **members: Any) -> NativeRequest:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO, **members}
    return NativeRequest(MESSAGES, json.dumps(body).encode(), headers or {})


def call(request: NativeRequest, *, stream: bool = False, model: str = CLAUDE) -> ChatCall:
    body = {"model": "claude-sonnet-4-5", "stream": stream, "messages": HELLO}
    return ChatCall(
        body=decode(json.dumps(body).encode()),
        upstream_model=model,
        client_model="claude-sonnet-4-5",
        id="chatcmpl-1",
        created=1,
        native=request,
    )


def sent(request: NativeRequest, *, stream: bool = False) -> UpstreamRequest:
    assert adapter().passes_through(request, CLAUDE)
    return CHAT.request(adapter(), call(request, stream=stream))


def test_the_adapter_passes_requests_on() -> None:
    assert isinstance(adapter(), PassesThrough)


@pytest.mark.parametrize(
    ("stream", "action"), [(False, "invoke"), (True, "invoke-with-response-stream")]
)
def test_the_members_are_sent_as_written_in_amazons_wrapping(stream: bool, action: str) -> None:
    request = sent(native(stream=stream, tools=[TOOL], temperature=0.50), stream=stream)
    assert request.url.endswith(f"/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/{action}")
    assert request.headers["authorization"] == "Bearer key"
    assert json.loads(request.content) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": HELLO,
        "tools": [TOOL],
        "temperature": 0.5,
    }


def test_adaptive_thinking_is_translated_for_an_older_claude_that_was_not_asked_for() -> None:
    thinking = {"type": "adaptive"}
    newer = CLAUDE.replace("4-5", "4-6")
    assert not adapter().passes_through(native(model="some-model", thinking=thinking), CLAUDE)
    assert adapter().passes_through(native(model="claude-sonnet-4-5", thinking=thinking), CLAUDE)
    assert adapter().passes_through(native(model="some-model", thinking=thinking), newer)


def test_features_that_bedrock_has_are_sent_in_the_body() -> None:
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14, context-management-2025-06-27"
    request = sent(
        native(
            {"anthropic-beta": betas, "anthropic-version": "2023-06-01"},
            context_management={"edits": []},
        )
    )
    body = json.loads(request.content)
    assert body["anthropic_beta"] == [
        "interleaved-thinking-2025-05-14",
        "context-management-2025-06-27",
    ]
    assert body["context_management"] == {"edits": []}
    assert not any(name.startswith("anthropic") for name in request.headers)


@pytest.mark.parametrize(
    "members",
    [
        {"service_tier": "auto"},
        {"mcp_servers": []},
        {"context_management": {}},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{**TOOL, "defer_loading": True}]},
        {"tools": 5},
        {
            "system": [
                {
                    "type": "text",
                    "text": "Hi",
                    "cache_control": {"type": "ephemeral", "scope": "global"},
                }
            ]
        },
        {"messages": [*HELLO, {"role": "system", "content": "Be brief."}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "source": {"type": "url", "url": "https://x.y"}}],
                }
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [
                                {"type": "image", "source": {"type": "url", "url": "https://x.y"}}
                            ],
                        }
                    ],
                }
            ]
        },
    ],
)
def test_what_bedrock_does_not_know_is_left_to_converse(members: Json) -> None:
    assert not adapter().passes_through(native(**members), CLAUDE)


@pytest.mark.parametrize(
    ("model", "accepted"),
    [
        (CLAUDE, True),
        ("anthropic.claude-3-haiku-20240307-v1:0", True),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", True),
        ("amazon.nova-pro-v1:0", False),
        ("us.meta.llama4-scout-17b-instruct-v1:0", False),
    ],
)
def test_only_claude_has_this_protocol(model: str, accepted: bool) -> None:
    assert adapter().passes_through(native(), model) is accepted


def test_a_whole_answer_is_passed_on() -> None:
    request = call(native())
    answer = CHAT.answer(adapter(), request, json.dumps(MESSAGE).encode())
    assert json.loads(answer.data) == {**MESSAGE, "model": "claude-sonnet-4-5"}
    assert answer.usage is not None
    assert answer.usage.total_tokens == 16


def wrapped(data: bytes) -> bytes:
    """Anthropic's events in Amazon's."""
    parts = [frame.partition(b"data: ")[2] for frame in data.split(b"\n\n") if frame]
    return b"".join(
        event("chunk", {"bytes": base64.b64encode(part).decode(), "p": "abcd"}) for part in parts
    )


def read(data: bytes) -> tuple[list[Chunk], StreamDecoder]:
    decoder = StreamDecoder(CHAT.stream(adapter(), call(native(), stream=True)))
    chunks = decoder.feed(data)
    if not decoder.reader.finished:
        chunks += decoder.feed(b"")
    if decoder.reader.complete:
        chunks += decoder.reader.held_back()
    return chunks, decoder


@for_each(recordings("anthropic", lambda each: each.status == 200 and each.stream))
def test_a_stream_is_unwrapped_and_passed_on(recording: Recording) -> None:
    chunks, decoder = read(wrapped(recording.body))
    assert decoder.reader.complete
    passed = b"".join(chunk.data for chunk in chunks if chunk.native)
    # Only the model's name in the first event differs.
    assert (
        passed.partition(b"content_block_start")[2]
        == recording.body.partition(b"content_block_start")[2]
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", ErrorKind.RATE_LIMIT),
        ("internalServerException", ErrorKind.OVERLOADED),
    ],
)
def test_an_exception_ends_the_stream_with_its_error(name: str, kind: ErrorKind) -> None:
    [whole] = message_format.as_chunks(Completion(json.dumps(MESSAGE).encode()))
    begun = wrapped(whole.data[: whole.data.index(b"event: content_block_stop")])
    chunks, decoder = read(begun + exception(name, {"message": "Not now"}))
    assert any(chunk.content for chunk in chunks)
    assert decoder.reader.failure is not None
    assert decoder.reader.failure.kind is kind


@pytest.mark.parametrize("data", [{"bytes": 5}, {"bytes": "!"}, {"bytes": "e30="}])
def test_a_damaged_event_is_a_bad_response(data: Json) -> None:
    _, decoder = read(event("chunk", data))
    assert decoder.reader.failure is not None
    assert decoder.reader.failure.kind is ErrorKind.BAD_RESPONSE
