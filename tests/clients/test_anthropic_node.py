"""Anthropic's SDK for Node against the gateway: whole, streamed, its runner of tools, refused, broken and aborted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from weather_model import ANSWER, REASONING, REPORT, TOKENS

from llms_core.testing import Reply, ScriptedUpstream, Stall, error, events
from tests.clients.conftest import WeatherGateway, assert_results_arrived, cut_stream, node
from tests.core.server.conftest import chunk

pytestmark = pytest.mark.slow

CLIENT = """
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ baseURL: process.argv[3], apiKey: 'not-needed' });
const model = 'some-model';
const max_tokens = 4000;
const schema = (properties) => (
  { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
);
const messages = [{ role: 'user', content: 'What is the weather in Turin and in Oslo?' }];
const textOf = (message) => message.content.map((block) => block.text ?? '').join('');
"""

TURN = """
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

const weather = { Turin: 'sunny', Oslo: 'rainy' };
const inputSchema = schema({ city: { type: 'string' } });
const tools = [{ name: 'weather', input_schema: inputSchema }];
const thinking = { type: 'enabled', budget_tokens: 1024 };

async function turn(ask) {
  const first = await ask({ model, max_tokens, tools, thinking, messages });
  const results = first.content
    .filter((block) => block.type === 'tool_use')
    .map(({ id, input }) => ({ type: 'tool_result', tool_use_id: id, content: weather[input.city] }));
  const second = await ask({
    model,
    max_tokens,
    tools,
    thinking,
    messages: [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
  });
  return {
    thinking: first.content.find((block) => block.type === 'thinking')?.thinking ?? null,
    stop: [first.stop_reason, second.stop_reason],
    tokens: [second.usage.input_tokens, second.usage.output_tokens],
    text: textOf(second),
  };
}

async function textOfEvents(parameters) {
  let text = '';
  for await (const event of await client.messages.create({ ...parameters, stream: true })) {
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
  }
  return text;
}

const run = await client.beta.messages.toolRunner({
  model,
  max_tokens,
  messages,
  tools: [betaTool({ name: 'weather', description: 'The weather', inputSchema, run: ({ city }) => weather[city] })],
});
const ran = textOf(await run);
const format = {
  type: 'json_schema', schema: schema({ city: { type: 'string' }, degrees: { type: 'integer' } }),
};
const report = await client.messages.create({ model, max_tokens, messages, output_config: { format } });
console.log(JSON.stringify({
  ran,
  whole: await turn((parameters) => client.messages.create(parameters)),
  streamed: await turn((parameters) => client.messages.stream(parameters).finalMessage()),
  events: await textOfEvents({ model, max_tokens, messages }),
  report: JSON.parse(textOf(report)),
}));
"""

FAILURES = """
const failures = [];
for (const ask of [
  () => client.messages.create({ model, max_tokens, messages }),
  () => client.messages.stream({ model, max_tokens, messages }).finalMessage(),
]) {
  try {
    await ask();
  } catch (error) {
    failures.push([error.constructor.name, error.status ?? null, error.message]);
  }
}
console.log(JSON.stringify(failures));
"""

BROKEN = """
try {
  await client.messages.stream({ model, max_tokens, messages }).finalMessage();
} catch (error) {
  console.log(JSON.stringify([error.constructor.name, error.message]));
}
"""

ABORT = """
const stream = client.messages.stream({ model, max_tokens, messages });
stream.on('text', () => stream.abort());
try {
  await stream.finalMessage();
} catch (error) {
  console.log(error.constructor.name);
}
"""

OTHERS = """
const { input_tokens } = await client.messages.countTokens({ model, messages });
const models = [];
for await (const { id } of client.models.list()) models.push(id);
console.log(JSON.stringify([input_tokens > 0, models]));
"""


@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream, protocol: str
) -> None:
    # A provider of the Responses API is asked for a summary only if the client wants an effort.
    thinking = REASONING if protocol != "responses" else None
    turn = {
        "thinking": thinking,
        "stop": ["tool_use", "end_turn"],
        "tokens": list(TOKENS),
        "text": ANSWER,
    }
    assert json.loads(node(project, CLIENT + TURN, weather_gateway(protocol))) == {
        "ran": ANSWER,
        "whole": turn,
        "streamed": turn,
        "events": ANSWER,
        "report": REPORT,
    }
    _, ran, _, _, whole, _, streamed, _ = (seen.json for seen in upstream.requests)
    for request in (ran, whole, streamed):
        assert_results_arrived(request, is_signed=protocol != "chat")


def test_a_provider_that_refuses(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = error(400, "The scripted fault")
    failures: list[Any] = json.loads(node(project, CLIENT + FAILURES, gateway))
    for name, status, message in failures:
        assert (name, status) == ("BadRequestError", 400)
        assert "The scripted fault" in message
    assert len(upstream.requests) == len(failures) == 2


def test_a_stream_that_breaks(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = cut_stream()
    name, message = json.loads(node(project, CLIENT + BROKEN, gateway))
    assert name in ("APIError", "AnthropicError")
    assert "The connection broke" in message
    assert len(upstream.requests) == 1


def test_an_aborted_stream_is_cancelled(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    begun = events(chunk({"role": "assistant", "content": "Sun"}), chunk({"content": "ny"}))
    upstream.default = Reply(begun, Stall())
    assert node(project, CLIENT + ABORT, gateway) == "APIUserAbortError"
    upstream.requests[0].wait_closed()


def test_tokens_are_counted_and_models_listed(
    project: Path, weather_gateway: WeatherGateway
) -> None:
    assert json.loads(node(project, CLIENT + OTHERS, weather_gateway())) == [True, ["some-model"]]
