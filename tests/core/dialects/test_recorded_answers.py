"""Every recorded answer of every provider, in every dialect: strictly valid, and with the meaning of the answer."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from message_events import check_order, check_types, checked_message, final_message
from message_events import events_of as message_events_of
from npm import folder_with
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from recorded_answers import (
    Meaning,
    meaning_of,
    meaning_of_chunks,
    streamed,
    streams,
    whole,
    whole_answers,
)
from recordings import Recording, for_each
from response_events import final_response, response_in

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.contracts.request import ChatBody
from llms_core.dialects import Dialect, IncomingRequest, responses
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.dialects.completions import COMPLETIONS
from llms_core.dialects.messages import MESSAGES

Json = dict[str, Any]

RESPONSES = responses.create(Responses(store=False), Path("unused"))[0]
HELLO = [{"role": "user", "content": "Hello!"}]
REQUESTS: dict[str, Json] = {
    "chat_completions": {"messages": HELLO, "stream_options": {"include_usage": True}},
    "completions": {"prompt": "Hello!"},
    "messages": {"messages": HELLO, "max_tokens": 100},
    "responses": {"input": "Hello!"},
}
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
#: The stop reasons of Claude that chat has no finish reason for.
OWN_STOP_REASONS = ("stop_sequence", "pause_turn", "model_context_window_exceeded")


def body_for(dialect: Dialect, *, stream: bool = False) -> ChatBody:
    request = {"model": "m", "stream": stream, **REQUESTS[dialect.name]}
    body = dialect.decode(IncomingRequest(json.dumps(request).encode()))
    assert isinstance(body, RequestBody)
    return body


def answered(dialect: Dialect, recording: Recording) -> tuple[bytes, Meaning]:
    """The whole answer that a client gets, and what it has to mean."""
    body = body_for(dialect)
    answer = whole(recording, body)
    if answer is None:
        pytest.skip("an error, in spite of its status")
    data = dialect.encode_answer(answer, body)
    assert isinstance(data, bytes)
    return data, meaning_of(answer.data)


def written(dialect: Dialect, recording: Recording, *, is_split: bool) -> tuple[bytes, Meaning]:
    """The stream that a client gets, and what it has to mean."""
    found = written_or_none(dialect, recording, is_split=is_split)
    if found is None:
        pytest.skip("no complete answer")
    return found


def written_or_none(
    dialect: Dialect, recording: Recording, *, is_split: bool = True
) -> tuple[bytes, Meaning] | None:
    body = body_for(dialect, stream=True)
    batches = streamed(recording, body, is_split=is_split)
    if batches is None:
        return None
    assert dialect.stream_writer is not None
    writer = dialect.stream_writer(body)
    data = b"".join(writer.write(batch) for batch in batches)
    end = writer.end()
    assert isinstance(end, bytes)
    return data + end, meaning_of_chunks(batches)


def check_message(message: Message, expected: Meaning) -> None:
    texts = "".join(block.text for block in message.content if block.type == "text")
    # Images of an answer become links in its text.
    assert texts.partition("![image](")[0] == expected.text
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    assert calls == expected.calls
    if message.stop_reason not in OWN_STOP_REASONS:
        assert message.stop_reason == STOP_REASONS[expected.finish_reason]


@for_each(whole_answers())
def test_a_whole_message(recording: Recording) -> None:
    data, expected = answered(MESSAGES, recording)
    check_message(checked_message(data), expected)


@for_each(streams())
def test_a_streamed_message(recording: Recording) -> None:
    for is_split in (False, True):
        data, expected = written(MESSAGES, recording, is_split=is_split)
        events = message_events_of(data)
        check_order(events)
        check_types(events)
        check_message(final_message(data), expected)


def check_response(response: Response, expected: Meaning) -> None:
    texts = [
        part.text if part.type == "output_text" else part.refusal
        for item in response.output
        if item.type == "message"
        for part in item.content
    ]
    assert "".join(texts) == expected.text
    calls = [
        (item.name, json.loads(item.arguments))
        for item in response.output
        if item.type == "function_call"
    ]
    assert calls == expected.calls
    is_whole = expected.finish_reason in ("stop", "tool_calls")
    assert response.status == ("completed" if is_whole else "incomplete")


@for_each(whole_answers())
def test_a_whole_response(recording: Recording) -> None:
    data, expected = answered(RESPONSES, recording)
    check_response(Response.model_validate_json(data, strict=True), expected)


@for_each(streams())
def test_a_streamed_response(recording: Recording) -> None:
    for is_split in (False, True):
        data, expected = written(RESPONSES, recording, is_split=is_split)
        check_response(Response.model_validate(response_in(data.decode())), expected)
        check_response(final_response(data.decode()), expected)


# Chat completions: what providers with OpenAI's JSON answer is passed on, and checked in tests/providers.


def translated(parameters: list[Any]) -> list[Any]:
    return [
        each for each in parameters if each.values[0] is None or each.values[0].protocol != "openai"
    ]


@for_each(translated(whole_answers()))
def test_a_whole_completion(recording: Recording) -> None:
    data, expected = answered(CHAT_COMPLETIONS, recording)
    completion = ChatCompletion.model_validate_json(data, strict=True)
    assert meaning_of(completion.model_dump_json().encode()) == expected


def data_events(data: bytes) -> list[Json]:
    *events, last = data.decode().removesuffix("\n\n").split("\n\n")
    assert last == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


@for_each(translated(streams()))
def test_a_streamed_completion(recording: Recording) -> None:
    for is_split in (False, True):
        data, _ = written(CHAT_COMPLETIONS, recording, is_split=is_split)
        for event in data_events(data):
            ChatCompletionChunk.model_validate_json(json.dumps(event), strict=True)


# The legacy completions, which are made anew for every provider


@for_each(whole_answers())
def test_a_whole_text_completion(recording: Recording) -> None:
    data, expected = answered(COMPLETIONS, recording)
    completion = Completion.model_validate_json(data, strict=True)
    assert completion.choices[0].text == expected.text


def text_chunk(event: Json) -> Completion:
    """A chunk, checked strictly, but that the SDK has no type for a choice that has not ended."""
    ends = [
        {**choice, "finish_reason": choice["finish_reason"] or "stop"}
        for choice in event["choices"]
    ]
    return Completion.model_validate_json(json.dumps({**event, "choices": ends}), strict=True)


@for_each(streams())
def test_a_streamed_text_completion(recording: Recording) -> None:
    for is_split in (False, True):
        data, expected = written(COMPLETIONS, recording, is_split=is_split)
        chunks = [text_chunk(event) for event in data_events(data)]
        assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == expected.text


# Node's SDKs, all streams in one process, because its start takes longer than reading them


@pytest.mark.slow
def test_the_sdks_for_node_read_every_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    recorded = [each.values[0] for each in streams() if each.values[0] is not None]
    if not recorded:
        pytest.skip("the recordings are not there")
    folder = folder_with(tmp_path_factory, "@anthropic-ai/sdk", "openai")
    script = Path(shutil.copy(Path(__file__).parents[2] / "support" / "sdk_streams.mjs", folder))
    lines = []
    expected = []
    for dialect in (MESSAGES, RESPONSES, CHAT_COMPLETIONS):
        for recording in recorded:
            found = written_or_none(dialect, recording)
            if found is not None:
                data, meaning = found
                lines.append(json.dumps({"dialect": dialect.name, "body": data.decode()}))
                expected.append(
                    {"text": meaning.text, "calls": [list(call) for call in meaning.calls]}
                )
    command = ["node", str(script)]
    read = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, timeout=120, check=True
    )
    results = [json.loads(line) for line in read.stdout.splitlines()]
    for result in results:
        result["text"] = result.get("text", "").partition("![image](")[0]
    assert results == expected
