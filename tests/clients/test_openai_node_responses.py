"""The Responses API of openai-node against the gateway: whole, streamed, continued, refused, broken and aborted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from weather_model import ANSWER, REPORT

from llms_core.testing import Reply, ScriptedUpstream, Stall, error, events
from tests.clients.conftest import SIGNED, WeatherGateway, assert_results_arrived, cut_stream, node
from tests.core.server.conftest import chunk

pytestmark = pytest.mark.slow

CLIENT = """
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'not-needed' });
const model = 'some-model';
const schema = (properties) => (
  { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
);
const question = [{ role: 'user', content: 'What is the weather in Turin and in Oslo?' }];
"""

TURN = """
const weather = { Turin: 'sunny', Oslo: 'rainy' };
const tools = [{ type: 'function', name: 'weather', parameters: schema({ city: { type: 'string' } }), strict: true }];
const outputs = (response) => response.output
  .filter((item) => item.type === 'function_call')
  .map(({ call_id, arguments: text }) => (
    { type: 'function_call_output', call_id, output: weather[JSON.parse(text).city] }
  ));

async function turn(ask) {
  const first = await ask({ model, tools, input: question });
  const second = await ask({ model, tools, input: [...question, ...first.output, ...outputs(first)] });
  return second.output_text;
}

async function continued(ask) {
  const first = await ask({ model, tools, input: question });
  const second = await ask({ model, tools, input: outputs(first), previous_response_id: first.id });
  return second.output_text;
}

async function lastOf(parameters) {
  let text = '';
  for await (const event of await client.responses.create({ ...parameters, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed') return { ...event.response, output_text: text };
  }
}

const whole = (parameters) => client.responses.create(parameters);
const helper = (parameters) => client.responses.stream(parameters).finalResponse();
const report = await client.responses.create({
  model,
  input: question,
  text: {
    format: {
      type: 'json_schema',
      name: 'report',
      schema: schema({ city: { type: 'string' }, degrees: { type: 'integer' } }),
      strict: true,
    },
  },
});
console.log(JSON.stringify({
  whole: await turn(whole),
  helper: await turn(helper),
  events: await turn(lastOf),
  continued: await continued(whole),
  report: JSON.parse(report.output_text),
}));
"""

FAILURES = """
const failures = [];
for (const ask of [
  () => client.responses.create({ model, input: question }),
  () => client.responses.stream({ model, input: question }).finalResponse(),
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
const stream = client.responses.stream({ model, input: question });
try {
  await stream.finalResponse();
} catch (error) {
  console.log(error.message);
}
"""

ABORT = """
const stream = client.responses.stream({ model, input: question });
stream.on('response.output_text.delta', () => stream.abort());
try {
  await stream.finalResponse();
} catch (error) {
  console.log(error.constructor.name);
}
"""


@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream, protocol: str
) -> None:
    found = json.loads(node(project, CLIENT + TURN, weather_gateway(protocol)))
    assert found == {
        "whole": ANSWER,
        "helper": ANSWER,
        "events": ANSWER,
        "continued": ANSWER,
        "report": REPORT,
    }
    # The first request is that for a report.
    for seen in upstream.requests[2::2]:
        assert_results_arrived(seen.json, is_signed=protocol in SIGNED)


def test_a_provider_that_refuses(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = error(400, "The scripted fault")
    failures: list[Any] = json.loads(node(project, CLIENT + FAILURES, gateway))
    assert failures == [["BadRequestError", 400, "400 The scripted fault"]] * 2
    assert len(upstream.requests) == 2


def test_a_stream_that_breaks(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = cut_stream()
    # It rejects with the event `error` itself.
    assert "The connection broke" in node(project, CLIENT + BROKEN, gateway)
    assert len(upstream.requests) == 1


def test_an_aborted_stream_is_cancelled(
    project: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    begun = events(chunk({"role": "assistant", "content": "Sun"}), chunk({"content": "ny"}))
    upstream.default = Reply(begun, Stall())
    assert node(project, CLIENT + ABORT, gateway) == "APIUserAbortError"
    upstream.requests[0].wait_closed()
