"""An OpenAICompatible that speaks the Responses API, and what OpenAI's SDK knows of the requests that it makes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, get_type_hints

import msgspec
from chat_streams import ChatStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.joined import joined
from llms_core.contracts.request import ChatCall, decode
from llms_core.openai_compatible import OPENAI_RULES, OpenAICompatible
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.testing.framing import encode_events

Json = dict[str, Any]

HI = [{"role": "user", "content": "Hi"}]

_item: TypeAdapter[Any] = TypeAdapter(ResponseInputItemParam)
_tool: TypeAdapter[Any] = TypeAdapter(ToolParam)
_PARAMETERS = {
    name: TypeAdapter[Any](hint)
    for name, hint in get_type_hints(ResponseCreateParamsNonStreaming, include_extras=True).items()
    if name not in ("input", "tools", "stream")
}


def responses_adapter(id: str = "first", **rules: Any) -> OpenAICompatible:
    """An adapter for a provider with OpenAI's rules that has no chat completions."""
    spec = ProviderSpec(
        name="x",
        title="X",
        adapter=OpenAICompatible,
        rules=msgspec.structs.replace(OPENAI_RULES, **rules),
    )
    return OpenAICompatible(
        spec, ProviderSettings(id=id, base_url="https://api.example/v1", protocol="responses")
    )


def call_of(model: str = "gpt-x", **members: Any) -> ChatCall:
    """A call of a model. Without messages, it says hi."""
    body = decode(msgspec.json.encode({"model": "m", "messages": HI, **members}))
    return ChatCall(
        body=body, upstream_model=model, client_model="m", id="chatcmpl-ours", created=1_700_000_000
    )


def sent(**members: Any) -> Json:
    """The body that a request becomes."""
    request = responses_adapter().request(call_of(**members))
    assert request.url == "https://api.example/v1/responses"
    body: Json = json.loads(request.content)
    assert_known_to_the_sdk(body)
    return body


def dropped(**members: Any) -> tuple[str, ...]:
    """The parameters that a request loses."""
    return responses_adapter().request(call_of(**members)).dropped


def message_of(body: Json, **members: Any) -> Json:
    """The message that a response becomes, as the client gets it."""
    message: Json = completion_of(body, **members)["choices"][0]["message"]
    return message


def completion_of(body: Json, **members: Any) -> Json:
    """The completion that a response becomes."""
    data = responses_adapter().completion(call_of(**members), json.dumps(body).encode()).data
    ChatCompletion.model_validate_json(data)
    found: Json = json.loads(data)
    return found


def chunks_of(events: Iterable[Json], *, size: int = 0, **members: Any) -> list[Chunk]:
    """The chunks of a complete stream, which arrives in pieces of `size` bytes."""
    data = b"".join(encode_events([(event["type"], event) for event in events], "sse"))
    stream = ChatStream(responses_adapter().chunks(call_of(stream=True, **members)))
    chunks = []
    for start in range(0, len(data), size or len(data)):
        chunks += stream.feed(data[start : start + (size or len(data))])
    chunks += stream.feed(b"")
    if stream.failure is not None:
        raise stream.failure
    assert stream.complete
    chunks += stream.held_back()
    for chunk in chunks:
        # The SDK has no type for the calls of custom tools in streams.
        if b'"custom"' not in chunk.data:
            ChatCompletionChunk.model_validate_json(chunk.data)
    return chunks


def streamed_message_of(events: Iterable[Json], **members: Any) -> Json:
    """The message that the chunks of a stream make up."""
    message: Json = json.loads(joined(chunks_of(events, **members)))["choices"][0]["message"]
    return message


def assert_known_to_the_sdk(body: Json) -> None:
    """Every member of a request has the type that the SDK declares, and none that it does not."""
    for name, value in body.items():
        match name:
            case "input":
                for item in value:
                    _assert_same(_item, item)
            case "tools":
                for tool in value:
                    _assert_same(_tool, tool)
            case "stream":
                assert value is True
            case _:
                _assert_same(_PARAMETERS[name], value)


def _assert_same(type_: TypeAdapter[Any], value: Any) -> None:
    # Members that the SDK does not declare are lost.
    validated = type_.validate_python(value)
    assert _plain(validated) == _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return [_plain(each) for each in value]
