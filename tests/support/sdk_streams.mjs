// Reads many streams with the SDKs of Anthropic and OpenAI, in one process.
// stdin: one JSON object a line, {dialect, body}. stdout: one a line, {text, calls}, or {error}.

import { createInterface } from 'node:readline';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

let body = '';
const fetch = async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } });
const options = { apiKey: 'not-needed', maxRetries: 0, fetch };
const anthropic = new Anthropic(options);
const openai = new OpenAI(options);
const messages = [{ role: 'user', content: 'Hello!' }];

const readers = {
  async messages() {
    const message = await anthropic.messages.stream({ model: 'm', max_tokens: 1, messages }).finalMessage();
    const texts = message.content.filter((block) => block.type === 'text').map((block) => block.text);
    const calls = message.content.filter((block) => block.type === 'tool_use').map((block) => [block.name, block.input]);
    return { text: texts.join(''), calls };
  },
  async responses() {
    const response = await openai.responses.stream({ model: 'm', input: 'Hello!' }).finalResponse();
    const parts = response.output.filter((item) => item.type === 'message').flatMap((item) => item.content);
    const calls = response.output.filter((item) => item.type === 'function_call');
    return {
      text: parts.map((part) => part.text ?? part.refusal).join(''),
      calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    };
  },
  async chat_completions() {
    const completion = await openai.chat.completions.stream({ model: 'm', messages }).finalChatCompletion();
    const message = completion.choices[0].message;
    return {
      text: (message.content ?? '') + (message.refusal ?? ''),
      calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const stream = JSON.parse(line);
  body = stream.body;
  let result;
  try {
    result = await readers[stream.dialect]();
  } catch (error) {
    result = { error: String(error) };
  }
  console.log(JSON.stringify(result));
}
