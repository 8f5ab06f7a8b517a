"""openai-python against the gateway: moderations, images, speech, transcriptions and translations."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import OpenAI

from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Status,
    error,
    events,
    json_body,
    text_body,
)
from tests.core.server.conftest import NO_RETRIES

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

SOUND = bytes(range(256)) * 300
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
CLIP = ("clip.wav", b"RIFF" + bytes(5000), "audio/wav")


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """One provider, with a model for each operation."""
    names = (
        "tts-1",
        "gpt-image-1",
        "dall-e-2",
        "whisper-1",
        "gpt-4o-transcribe",
        "omni-moderation-latest",
    )
    return config_of(first=provider(upstream, {name: f"up/{name}" for name in names}))


@pytest.fixture
def served_gateway(config: dict[str, Any], served: Serve) -> Gateway:
    return served(config, NO_RETRIES)


@pytest.fixture
def client(served_gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=served_gateway.base_url, api_key="not-needed", max_retries=0, timeout=20
    ) as client:
        yield client


def fields_of(upstream: ScriptedUpstream, number: int = 0) -> dict[str, bytes]:
    """The parts of a form that the provider received, by name."""
    seen = upstream.requests[number]
    boundary = seen.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in seen.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb' name="([^"]*)"', head)
        assert name is not None
        fields[name[1].decode()] = value
    return fields


# Moderations


def test_a_text_is_moderated_by_the_default_model(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    result = {
        "flagged": True,
        "categories": {"violence": True},
        "category_scores": {"violence": 0.9},
    }
    upstream.default = json_body(
        {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": [result]}
    )
    answer = client.moderations.create(input="I will hit you")
    assert answer.results[0].flagged
    (seen,) = upstream.requests
    assert seen.path == "/v1/moderations"
    assert seen.json == {"input": "I will hit you", "model": "up/omni-moderation-latest"}


def test_an_answer_without_results_is_not_taken_for_harmless(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = json_body({"id": "modr-1", "results": []})
    with pytest.raises(openai.InternalServerError, match="All providers failed") as caught:
        client.moderations.create(input="I will hit you")
    assert caught.value.status_code == 502


# Images


def test_an_image_is_generated(client: OpenAI, upstream: ScriptedUpstream) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1000, "total_tokens": 1005}
    upstream.default = json_body({"created": 1, "data": [{"b64_json": PIXEL}], "usage": usage})
    answer = client.images.generate(
        model="gpt-image-1", prompt="a cat", size="1024x1024", background="opaque"
    )
    assert answer.data is not None
    assert answer.data[0].b64_json == PIXEL
    (seen,) = upstream.requests
    assert seen.path == "/v1/images/generations"
    assert seen.json == {
        "model": "up/gpt-image-1",
        "prompt": "a cat",
        "size": "1024x1024",
        "background": "opaque",
    }


def image_event(type_: str, **more: object) -> bytes:
    data = {"type": type_, "b64_json": PIXEL, "created_at": 1, **more}
    return f"event: {type_}\ndata: {json.dumps(data)}\n\n".encode()


def test_parts_of_an_image_are_sent_on(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = events(
        image_event("image_generation.partial_image", partial_image_index=0),
        image_event(
            "image_generation.completed",
            usage={"input_tokens": 5, "output_tokens": 9, "total_tokens": 14},
        ),
    )
    stream = client.images.generate(
        model="gpt-image-1", prompt="a cat", stream=True, partial_images=1
    )
    assert [event.type for event in stream] == [
        "image_generation.partial_image",
        "image_generation.completed",
    ]


def test_an_image_that_is_not_streamed_is_sent_as_an_event(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = json_body({"created": 1, "data": [{"b64_json": PIXEL}], "size": "1024x1024"})
    (event,) = client.images.generate(model="gpt-image-1", prompt="a cat", stream=True)
    assert event.type == "image_generation.completed"
    assert (event.b64_json, event.size) == (PIXEL, "1024x1024")


def test_a_stream_without_its_image_is_an_error(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = events(image_event("image_generation.partial_image", partial_image_index=0))
    stream = client.images.generate(model="gpt-image-1", prompt="a cat", stream=True)
    with pytest.raises(openai.APIError, match="ended before the answer was complete"):
        list(stream)


def test_several_images_are_edited(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({"created": 1, "data": [{"b64_json": PIXEL}]})
    images = [("one.png", b"first", "image/png"), ("two.png", b"second", "image/png")]
    answer = client.images.edit(model="gpt-image-1", image=images, prompt="with a hat", n=1)
    assert answer.data
    (seen,) = upstream.requests
    assert seen.path == "/v1/images/edits"
    assert fields_of(upstream)["model"] == b"up/gpt-image-1"
    assert fields_of(upstream)["prompt"] == b"with a hat"
    assert seen.body.count(b'name="image[]"') == 2
    assert b"first" in seen.body
    assert b"second" in seen.body


def test_an_image_is_varied_by_the_default_model(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = json_body({"created": 1, "data": [{"url": "https://images.example/1"}]})
    answer = client.images.create_variation(image=("one.png", b"first", "image/png"))
    assert answer.data is not None
    assert answer.data[0].url == "https://images.example/1"
    assert fields_of(upstream) == {"model": b"up/dall-e-2", "image": b"first"}


@pytest.mark.parametrize(
    "answer", [{"data": []}, {"data": [{}]}, {"data": [{"b64_json": ""}]}, {}, [1]]
)
def test_an_answer_without_an_image_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream, answer: object
) -> None:
    upstream.default = json_body(answer)
    with pytest.raises(openai.InternalServerError, match="All providers failed"):
        client.images.generate(model="gpt-image-1", prompt="a cat")


# Speech


def test_sound_is_sent_on(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(
        Status(200, {"content-type": "audio/mpeg"}), Chunk(SOUND[:10]), Chunk(SOUND[10:])
    )
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello"
    ) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        assert response.headers["x-llms-provider"] == "first"
        assert b"".join(response.iter_bytes()) == SOUND
    (seen,) = upstream.requests
    assert seen.path == "/v1/audio/speech"
    assert seen.json == {"model": "up/tts-1", "voice": "alloy", "input": "Hello"}


@pytest.mark.parametrize("sent", [1, 1000, len(SOUND) - 1])
def test_sound_that_breaks_off_breaks_the_clients_connection(
    client: OpenAI, upstream: ScriptedUpstream, sent: int
) -> None:
    upstream.default = Reply(
        Status(200, {"content-type": "audio/mpeg"}), Chunk(SOUND[:sent]), Close()
    )
    with (
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello"
        ) as response,
        pytest.raises(Exception, match=r"incomplete chunked read|peer closed"),
    ):
        b"".join(response.iter_bytes())


def test_sound_shorter_than_announced_breaks_the_clients_connection(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = Reply(Status(200, {"content-type": "audio/wav"}), Body(SOUND), Close())
    with pytest.raises(openai.APIConnectionError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").read()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(Status(200, {"content-type": "audio/mpeg"})),
        text_body("<html>", media="text/html"),
        json_body({"error": {"message": "no voice"}}),
        json_body({"audio": "QUFB"}),
    ],
)
def test_what_is_not_sound_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream, reply: Reply
) -> None:
    upstream.default = reply
    with pytest.raises(openai.APIStatusError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")


@pytest.mark.parametrize(("format_", "type_"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
def test_sound_within_json_is_unpacked(
    client: OpenAI, upstream: ScriptedUpstream, format_: Any, type_: str
) -> None:
    """As Mistral sends it."""
    upstream.default = json_body({"audio_data": base64.b64encode(SOUND).decode()})
    speech = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello", response_format=format_
    )
    assert speech.read() == SOUND
    assert speech.response.headers["content-type"] == type_


def test_sound_in_events_is_sent_on(client: OpenAI, upstream: ScriptedUpstream) -> None:
    usage = {"input_tokens": 3, "output_tokens": 20, "total_tokens": 23}
    upstream.default = events(
        {"type": "speech.audio.delta", "audio": "QUFB"},
        {"type": "speech.audio.done", "usage": usage},
    )
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello", stream_format="sse"
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    assert [json.loads(line[6:])["type"] for line in lines] == [
        "speech.audio.delta",
        "speech.audio.done",
    ]


def test_sound_instead_of_events_is_an_error(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200, {"content-type": "audio/mpeg"}), Body(SOUND))
    with pytest.raises(openai.InternalServerError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello", stream_format="sse")


# Transcriptions


def test_a_recording_is_transcribed(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({"text": "Hello", "usage": {"type": "duration", "seconds": 2}})
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP, language="en", timestamp_granularities=["word"]
    )
    assert answer.text == "Hello"
    (seen,) = upstream.requests
    assert seen.path == "/v1/audio/transcriptions"
    assert seen.headers["content-length"] == str(len(seen.body))
    assert fields_of(upstream) == {
        "model": b"up/whisper-1",
        "language": b"en",
        "timestamp_granularities[]": b"word",
        "file": CLIP[1],
    }


@pytest.mark.parametrize("format_", ["text", "srt", "vtt"])
def test_a_transcription_can_be_text(
    client: OpenAI, upstream: ScriptedUpstream, format_: Any
) -> None:
    upstream.default = text_body("data: Hello\n")
    answer: Any = client.audio.transcriptions.create(
        model="whisper-1", file=CLIP, response_format=format_
    )
    assert answer == "data: Hello\n"


def test_silence_is_transcribed(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({"text": ""})
    assert client.audio.transcriptions.create(model="whisper-1", file=CLIP).text == ""


def test_a_transcription_can_be_streamed(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = events(
        {"type": "transcript.text.delta", "delta": "Hel"},
        {"type": "transcript.text.delta", "delta": "lo"},
        {"type": "transcript.text.done", "text": "Hello"},
    )
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=CLIP, stream=True)
    assert [event.type.rpartition(".")[2] for event in stream] == ["delta", "delta", "done"]
    assert fields_of(upstream)["stream"] == b"true"


def test_a_text_that_is_not_streamed_is_sent_as_events(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = json_body({"text": "Hello"})
    stream = client.audio.transcriptions.create(model="whisper-1", file=CLIP, stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]


def test_a_recording_is_translated(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({"text": "Hello"})
    assert client.audio.translations.create(model="whisper-1", file=CLIP).text == "Hello"
    assert upstream.requests[0].path == "/v1/audio/translations"


def test_a_stream_that_was_not_requested_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = events({"type": "transcript.text.done", "text": "Hello"})
    with pytest.raises(openai.InternalServerError):
        client.audio.transcriptions.create(model="whisper-1", file=CLIP)


@pytest.mark.parametrize("answer", [{}, {"text": 1}, {"error": {"message": "busy"}}, [1]])
def test_an_answer_without_a_text_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream, answer: object
) -> None:
    upstream.default = json_body(answer)
    with pytest.raises(openai.APIStatusError):
        client.audio.transcriptions.create(model="whisper-1", file=CLIP)


def test_a_providers_error_is_passed_on(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = error(400, "Audio file might be corrupted or unsupported", param="file")
    with pytest.raises(openai.BadRequestError, match="corrupted") as caught:
        client.audio.transcriptions.create(model="whisper-1", file=CLIP)
    assert caught.value.param == "file"
