"""openai-node against the gateway: SR-001, SR-069c; as it sees them, SR-009, SR-053 … SR-055, SR-062 and SR-063.

The client is installed by npm into a temporary folder. Its Responses API is in `test_openai_node_responses.py`.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import (
    Body,
    Reply,
    ScriptedUpstream,
    Status,
    completion,
    embeddings,
    error,
    events,
    json_body,
    vector_of,
)
from tests.clients.conftest import node

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

# As in the reference, except for the address, which is an argument.
EXAMPLE = """
import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: process.argv[2],
  apiKey: 'not-needed',
});

const response = await client.chat.completions.create({
  model: 'kimi-k2',
  messages: [
    { role: 'user', content: 'Hello!' }
  ],
});

console.log(response.choices[0].message.content);
"""

STREAM = """
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed' });
const stream = await client.chat.completions.create({
  model: 'kimi-k2',
  messages: [{ role: 'user', content: 'Hello!' }],
  stream: true,
  stream_options: { include_usage: true },
});
const seen = { text: '', finish: [], usage: null, models: [] };
for await (const chunk of stream) {
  for (const choice of chunk.choices) {
    seen.text += choice.delta.content ?? '';
    if (choice.finish_reason) seen.finish.push(choice.finish_reason);
  }
  if (chunk.usage) seen.usage = chunk.usage;
  if (!seen.models.includes(chunk.model)) seen.models.push(chunk.model);
}
console.log(JSON.stringify(seen));
"""

ERRORS = """
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hello!' }];
for (const model of ['unknown-model', 'kimi-k2']) {
  try {
    await client.chat.completions.create({ model, messages });
  } catch (error) {
    console.log(JSON.stringify([error.constructor.name, error.status, error.code, error.type]));
  }
}
"""

MODELS = """
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed' });
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(JSON.stringify(models));
"""

EMBEDDINGS = """
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed', maxRetries: 0 });
const vectors = [];
for (const encoding_format of [undefined, 'float', 'base64']) {
  const found = await client.embeddings.create({ model: 'kimi-k2', input: ['one'], encoding_format });
  vectors.push(found.data[0].embedding);
}
console.log(JSON.stringify(vectors));
"""

MEDIA = """
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed', maxRetries: 0 });
const model = 'kimi-k2';
const moderation = await client.moderations.create({ model, input: 'Hello' });
const image = await client.images.generate({ model, prompt: 'a cat' });
const speech = await client.audio.speech.create({ model, voice: 'alloy', input: 'Hello' });
const sound = await speech.arrayBuffer();
// The file comes before the model, and is larger than what the gateway keeps in memory.
const file = await toFile(Buffer.alloc(3_000_000), 'clip.wav');
const text = await client.audio.transcriptions.create({ file, model });
const stream = await client.audio.transcriptions.create({ file, model, stream: true });
const types = [];
for await (const event of stream) types.push(event.type);
console.log(JSON.stringify([
  moderation.results[0].flagged, image.data[0].b64_json, sound.byteLength, text.text, types,
]));
"""


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """One provider, which has one model."""
    return config_of(first=provider(upstream, {"kimi-k2": "moonshotai/kimi-k2"}))


@pytest.fixture
def kimi(config: dict[str, Any], served: Serve) -> Gateway:
    return served(config)


@pytest.fixture
def launched(config: dict[str, Any], gateway: Launch) -> Gateway:
    """The same from the command line, for the reference's own example."""
    return gateway(config)


def test_sr_069c_the_example_of_the_reference(
    project: Path, launched: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.default = completion("Hello! How can I help you today?")
    assert node(project, EXAMPLE, launched) == "Hello! How can I help you today?"
    assert upstream.requests[0].headers["authorization"].startswith("Bearer sk-marked-")


def test_sr_069c_stream(project: Path, kimi: Gateway, upstream: ScriptedUpstream) -> None:
    """SR-053 to SR-055 as this client sees them."""
    upstream.default = completion("One two three")
    seen = json.loads(node(project, STREAM, kimi))
    assert (seen["text"], seen["finish"], seen["models"]) == (
        "One two three",
        ["stop"],
        ["kimi-k2"],
    )
    assert seen["usage"]["completion_tokens"] == 3


def test_embeddings_in_each_encoding(
    project: Path, kimi: Gateway, upstream: ScriptedUpstream
) -> None:
    """By default the client requests base64, and decodes it."""
    upstream.default = embeddings()
    by_default, as_numbers, as_base64 = json.loads(node(project, EMBEDDINGS, kimi))
    assert by_default == as_numbers == vector_of("one")
    assert list(struct.unpack("<4f", base64.b64decode(as_base64))) == vector_of("one")


def test_sr_062_sr_063_errors_have_their_classes(
    project: Path, kimi: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.default = error(500)
    errors = [json.loads(line) for line in node(project, ERRORS, kimi).splitlines()]
    assert errors == [
        ["NotFoundError", 404, "model_not_found", "invalid_request_error"],
        ["InternalServerError", 502, "provider_error", "api_error"],
    ]


def test_sr_009_models_list(project: Path, kimi: Gateway) -> None:
    assert json.loads(node(project, MODELS, kimi)) == ["kimi-k2"]


def test_moderations_images_speech_and_transcriptions(
    project: Path, kimi: Gateway, upstream: ScriptedUpstream
) -> None:
    sound = Reply(Status(200, {"content-type": "audio/mpeg"}), Body(bytes(100_000)))
    upstream.script(
        json_body({"results": [{"flagged": False}]}),
        json_body({"created": 1, "data": [{"b64_json": "QUFB"}]}),
        sound,
        json_body({"text": "Hello"}),
        events(
            {"type": "transcript.text.delta", "delta": "Hi"},
            {"type": "transcript.text.done", "text": "Hi"},
        ),
    )
    seen = json.loads(node(project, MEDIA, kimi))
    assert seen == [
        False,
        "QUFB",
        100_000,
        "Hello",
        ["transcript.text.delta", "transcript.text.done"],
    ]
    assert all(len(seen.body) > 3_000_000 for seen in upstream.requests[3:])
