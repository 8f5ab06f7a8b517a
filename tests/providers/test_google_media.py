"""Gemini's and Imagen's images and speech, for openai-python."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import OpenAI

from llms_core.testing import ScriptedUpstream, json_body
from tests.core.server.conftest import NO_RETRIES

if TYPE_CHECKING:
    from tests.conftest import ProviderBlock, Serve

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
PCM = bytes(range(200)) * 10
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 1290, "totalTokenCount": 1293}

GEMINI = "gemini-2.5-flash-image"
IMAGEN = "imagen-4.0-generate-001"
SPEECH = "gemini-2.5-flash-preview-tts"


@pytest.fixture
def client(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> Iterator[OpenAI]:
    block = provider(
        upstream.origin, {name: name for name in (GEMINI, IMAGEN, SPEECH)}, type="google"
    )
    gateway = served(config_of(first=block), NO_RETRIES)
    with OpenAI(
        base_url=gateway.base_url, api_key="not-needed", max_retries=0, timeout=20
    ) as client:
        yield client


def answer(mime_type: str, data: bytes | str, **more: Any) -> dict[str, Any]:
    encoded = data if isinstance(data, str) else base64.b64encode(data).decode()
    part = {"inlineData": {"mimeType": mime_type, "data": encoded}}
    return {
        "candidates": [{"content": {"parts": [{"text": "Here:"}, part]}}],
        "usageMetadata": USAGE,
        **more,
    }


def test_gemini_makes_an_image(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body(answer("image/png", PIXEL))
    images = client.images.generate(model=GEMINI, prompt="a cat", size="1024x1024", user="u")
    assert images.data is not None
    assert images.data[0].b64_json == PIXEL
    assert images.usage is not None
    assert images.usage.total_tokens == 1293
    (seen,) = upstream.requests
    assert seen.path == f"/v1beta/models/{GEMINI}:generateContent"
    assert seen.json == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "1:1"},
        },
    }


def test_imagen_makes_images(client: OpenAI, upstream: ScriptedUpstream) -> None:
    prediction = {"bytesBase64Encoded": PIXEL, "mimeType": "image/png"}
    upstream.default = json_body({"predictions": [prediction, prediction]})
    images = client.images.generate(model=IMAGEN, prompt="a cat", n=2)
    assert images.data is not None
    assert [image.b64_json for image in images.data] == [PIXEL, PIXEL]
    (seen,) = upstream.requests
    assert seen.path == f"/v1beta/models/{IMAGEN}:predict"
    assert seen.json == {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}


def test_gemini_speaks(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body(answer("audio/L16;codec=pcm;rate=24000", PCM))
    speech = client.audio.speech.create(
        model=SPEECH, voice="Kore", input="Hello", response_format="wav"
    )
    assert speech.response.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(speech.read())) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (24000, 2, 1)
        assert sound.readframes(sound.getnframes()) == PCM
    (seen,) = upstream.requests
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    assert seen.json == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": voice},
    }


def test_gemini_speaks_without_a_head(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body(answer("audio/L16;codec=pcm;rate=24000", PCM))
    speech = client.audio.speech.create(
        model=SPEECH, voice="Kore", input="Hello", response_format="pcm"
    )
    assert speech.read() == PCM


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"size": "1536x1024"}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"output_format": "webp"}, "output_format"),
        ({"background": "transparent"}, "background"),
        ({"n": 2}, "n"),
        ({"stream": True}, "stream"),
    ],
)
def test_what_an_image_cannot_be_is_refused(
    client: OpenAI, upstream: ScriptedUpstream, members: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=GEMINI, prompt="a cat", **members)
    assert caught.value.param == param
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, "response_format"),
        ({"response_format": "mp3"}, "response_format"),
        ({"response_format": "wav", "speed": 2}, "speed"),
        ({"response_format": "wav", "instructions": "Whisper"}, "instructions"),
        ({"response_format": "wav", "stream_format": "sse"}, "stream_format"),
    ],
)
def test_what_speech_cannot_be_is_refused(
    client: OpenAI, upstream: ScriptedUpstream, members: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model=SPEECH, voice="Kore", input="Hello", **members)
    assert caught.value.param == param
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, 400),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, 400),
        ({"candidates": [{"finishReason": "NO_IMAGE"}]}, 502),
        ({"candidates": [{"content": {"parts": [{"text": "I cannot"}]}}]}, 502),
        (answer("audio/L16;rate=24000", PCM), 502),
        ({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, 502),
        ({"candidates": 1}, 502),
    ],
)
def test_an_answer_without_an_image_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream, reply: dict[str, Any], status: int
) -> None:
    upstream.default = json_body(reply)
    with pytest.raises(openai.APIStatusError) as caught:
        client.images.generate(model=GEMINI, prompt="a cat")
    assert caught.value.status_code == status


@pytest.mark.parametrize("predictions", [[], [{"raiFilteredReason": "Children are not shown"}]])
def test_images_that_imagen_filters_are_refused(
    client: OpenAI, upstream: ScriptedUpstream, predictions: list[dict[str, Any]]
) -> None:
    upstream.default = json_body({"predictions": predictions})
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=IMAGEN, prompt="a cat")
    assert caught.value.code == "content_policy_violation"


@pytest.mark.parametrize(
    "reply",
    [
        answer("audio/L16;codec=pcm;rate=16000", PCM),
        answer("audio/L16;rate=24000", "%"),
        answer("x/y", PCM),
    ],
)
def test_other_sound_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream, reply: dict[str, Any]
) -> None:
    upstream.default = json_body(reply)
    with pytest.raises(openai.InternalServerError):
        client.audio.speech.create(model=SPEECH, voice="Kore", input="Hello", response_format="wav")
