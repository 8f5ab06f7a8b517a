"""Cohere's chat API: recorded exchanges, what its SDK makes of both sides, and what the recordings do not have."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from chat_requests import PDF, PNG, WAV, chat_call, chat_requests, data_uri
from cohere.v2.raw_client import RawV2Client
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, TypeAdapter
from recordings import Recording, pieces, recordings

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.provider import Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, json_body
from llms_core.upstream.exchange import Progress
from llms_providers.cohere import COHERE, Cohere, llms_providers

if TYPE_CHECKING:
    from tests.conftest import Serve

Json = dict[str, Any]

HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def cohere(base_url: str = "", api_key: str | None = None) -> Cohere:
    secret = Secret(api_key) if api_key else None
    return Cohere(COHERE, ProviderSettings(id="cohere", base_url=base_url, api_key=secret))


def sent(body: Mapping[str, Any]) -> UpstreamRequest:
    return cohere().request(chat_call(body, model="command-a-03-2025"))


def native(**members: Any) -> Json:
    """What reaches Cohere of a request with these members."""
    found: Json = json.loads(sent({**HELLO, **members}).content)
    return found


def message(**said: Any) -> Json:
    """What reaches Cohere of one message."""
    found: Json = native(messages=[HELLO["messages"][0], said])["messages"][1]
    return found


def completed(answer: Json | bytes) -> ChatCompletion:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return ChatCompletion.model_validate_json(cohere().completion(chat_call(HELLO), body).data)


def streamed(body: bytes, size: int | None = None) -> list[Chunk]:
    """The chunks of a stream that comes in pieces of a size, as the core reads it."""
    progress = Progress(cohere().chunks(chat_call({**HELLO, "stream": True})))
    found = [chunk for piece in pieces(body, size or len(body)) for chunk in progress.feed(piece)]
    found += progress.feed(b"")
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    return found + progress.rest()


def events(*said: Json) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in said)


def delta(type: str, index: int | None = None, **said: Any) -> Json:
    return {"type": type, **({} if index is None else {"index": index}), "delta": {"message": said}}


TEXT = delta("content-delta", 0, content={"text": "Hi"})


def end(reason: str | None = "COMPLETE", **more: Any) -> Json:
    return {"type": "message-end", "delta": {"finish_reason": reason, **more}}


def whole(text: str = "Hi", **members: Any) -> Json:
    said = {"role": "assistant", "content": [{"type": "text", "text": text}], **members.pop("message", {})}
    return {"id": "an-id", "message": said, "finish_reason": "COMPLETE", **members}


def joined(chunks: Iterable[Chunk]) -> Json:
    """What an OpenAI client makes of a stream."""
    said: Json = {"text": "", "reasoning": "", "calls": {}, "finish": None, "usage": None, "extra": {}, "logprobs": []}
    roles, ids = [], set()
    for chunk in chunks:
        parsed = ChatCompletionChunk.model_validate_json(chunk.data)
        ids.add(parsed.id)
        if parsed.usage is not None:
            assert parsed.choices == []
            said["usage"] = counted(parsed.usage)
            continue
        (choice,) = parsed.choices
        extra = choice.delta.model_extra or {}
        roles.append(choice.delta.role)
        said["text"] += choice.delta.content or ""
        said["reasoning"] += extra.get("reasoning_content") or ""
        said["finish"] = choice.finish_reason or said["finish"]
        said["extra"] |= extra.get("provider_extra", {}).get("cohere", {})
        said["logprobs"] += [(each.token, each.logprob) for each in (choice.logprobs and choice.logprobs.content) or ()]
        for call in choice.delta.tool_calls or ():
            assert call.function is not None
            if call.id:
                assert call.index not in said["calls"]
                said["calls"][call.index] = [call.id, call.function.name, ""]
            said["calls"][call.index][2] += call.function.arguments or ""
    assert roles[0] == "assistant"
    assert set(roles[1:]) <= {None}
    assert len(ids) == 1
    calls = [said["calls"][index] for index in range(len(said["calls"]))]
    return {**said, "calls": [(*call, json.loads(text)) for *call, text in calls], "id": ids.pop()}


def read(completion: ChatCompletion) -> Json:
    """What an OpenAI client makes of a whole answer."""
    (choice,) = completion.choices
    extra = choice.message.model_extra or {}
    calls = [each for each in choice.message.tool_calls or () if each.type == "function"]
    logprobs = (choice.logprobs and choice.logprobs.content) or ()
    return {
        "id": completion.id,
        "text": choice.message.content or "",
        "reasoning": extra.get("reasoning_content") or "",
        "calls": [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
        "finish": choice.finish_reason,
        "usage": completion.usage and counted(completion.usage),
        "extra": extra.get("provider_extra", {}).get("cohere", {}),
        "logprobs": [(each.token, each.logprob) for each in logprobs],
    }


def counted(usage: Any) -> tuple[int | None, ...]:
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    details = prompt and prompt.cached_tokens, output and output.reasoning_tokens
    return usage.prompt_tokens, usage.completion_tokens, *details


FINISH = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def meant(answer: Json) -> Json:
    """What a recorded answer says, read without the adapter."""
    said, usage = answer["message"], answer["usage"]
    blocks, calls = said.get("content") or (), said.get("tool_calls") or ()
    tokens = usage["tokens"]
    extra = {"citations": said["citations"]} if said.get("citations") else {}
    return {
        "id": answer["id"],
        "text": "".join(block.get("text", "") for block in blocks),
        "reasoning": "".join(block.get("thinking", "") for block in blocks) + said.get("tool_plan", ""),
        "calls": [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}")) for call in calls
        ],
        "finish": FINISH[answer["finish_reason"]],
        "usage": (
            tokens["input_tokens"] + tokens.get("image_tokens", 0), tokens["output_tokens"],
            usage.get("cached_tokens"), tokens.get("reasoning_tokens"),
        ),
        "extra": extra | ({"tool_plan": said.get("tool_plan", "")} if calls else {}),
        "logprobs": [(each["text"], sum(each["logprobs"])) for each in answer.get("logprobs") or ()],
    }  # fmt: skip


def gathered(body: bytes) -> Json:
    """A recorded stream as the whole answer that it is the pieces of."""
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: {")]
    said: Json = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    answer: Json = {"message": said, "logprobs": []}
    for event in map(json.loads, lines):
        told = event.get("delta", {}).get("message", {})
        answer["logprobs"] += [event["logprobs"]] if "logprobs" in event else []
        match event["type"]:
            case "message-start":
                answer["id"] = event["id"]
            case "content-start" | "content-delta":
                said["content"].append(told["content"])
            case "tool-plan-delta":
                said["tool_plan"] += told["tool_plan"]
            case "tool-call-start":
                said["tool_calls"].append(told["tool_calls"])
            case "tool-call-delta":
                function = said["tool_calls"][event["index"]]["function"]
                function["arguments"] += told["tool_calls"]["function"]["arguments"]
            case "citation-start":
                said["citations"].append(told["citations"])
            case "message-end":
                answer |= event["delta"]
    return answer


def answered(recording: Recording) -> bool:
    return recording.status == 200


# Recorded answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: answered(each) and not each.stream))
def test_a_recorded_answer_says_what_its_bytes_say(recording: Recording) -> None:
    """SR-042 … SR-050."""
    answer = json.loads(recording.body)
    found = completed(recording.body)
    assert read(found) == meant(answer)
    assert (found.created, found.model, found.object) == (1700000000, HELLO["model"], "chat.completion")
    assert (found.model_extra or {})["provider_extra"]["cohere"]["billed_units"] == answer["usage"]["billed_units"]


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: answered(each) and each.stream))
def test_a_recorded_stream_says_what_its_bytes_say(recording: Recording) -> None:
    """SR-053 … SR-056: in whatever pieces it comes."""
    chunks = streamed(recording.body)
    assert joined(chunks) == meant(gathered(recording.body))
    assert streamed(recording.body, 1) == streamed(recording.body, 7) == streamed(recording.body, 64) == chunks


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: answered(each) and not each.stream))
def test_coheres_sdk_reads_the_same(recording: Recording) -> None:
    sdk = V2ChatResponse.model_validate_json(recording.body)
    found = read(completed(recording.body))
    blocks = sdk.message.content or []
    assert found["text"] == "".join(block.text for block in blocks if block.type == "text")
    thoughts = "".join(block.thinking for block in blocks if block.type == "thinking")
    assert found["reasoning"] == thoughts + (sdk.message.tool_plan or "")
    calls = [(call.id, call.function and call.function.name) for call in sdk.message.tool_calls or ()]
    assert [call[:2] for call in found["calls"]] == calls
    assert (found["id"], found["finish"]) == (sdk.id, FINISH[sdk.finish_reason])


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: answered(each) and each.stream))
def test_coheres_sdk_reads_the_same_stream(recording: Recording) -> None:
    event_type: TypeAdapter[Any] = TypeAdapter(V2ChatStreamResponse)
    lines = [line[6:] for line in recording.body.splitlines() if line.startswith(b"data: {")]
    said = [event_type.validate_json(line) for line in lines]
    pieces_of_text = [each.delta.message.content.text for each in said if each.type == "content-delta"]
    plans = [each.delta.message.tool_plan for each in said if each.type == "tool-plan-delta"]
    thoughts = [each.delta.message.content.thinking for each in said if each.type == "content-delta"]
    calls = [each.delta.message.tool_calls for each in said if each.type == "tool-call-start"]
    found = joined(streamed(recording.body))
    assert found["text"] == "".join(filter(None, pieces_of_text))
    assert found["reasoning"] == "".join(filter(None, [*thoughts, *plans]))
    assert [call[:2] for call in found["calls"]] == [(call.id, call.function.name) for call in calls]
    assert found["finish"] == FINISH[said[-1].delta.finish_reason]


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: not answered(each)))
def test_a_recorded_error_has_its_kind(recording: Recording) -> None:
    kinds = {
        400: ErrorKind.INVALID_REQUEST,
        401: ErrorKind.AUTH,
        404: ErrorKind.MODEL_NOT_FOUND,
        422: ErrorKind.INVALID_REQUEST,
    }
    error = cohere().error(recording.status, recording.headers, recording.body)
    assert error.kind is kinds[recording.status]
    assert (error.message, error.status) == (json.loads(recording.body)["message"], recording.status)


@pytest.mark.parametrize("recording", recordings("cohere", lambda each: answered(each) and "tool_call" in each.tags))
@pytest.mark.parametrize("faithful", [True, False])
def test_a_recorded_call_goes_back_as_it_came(recording: Recording, faithful: bool) -> None:
    """SR-040: also from clients that keep the reasoning and nothing else; what was thought is then the calls' plan."""
    answer = gathered(recording.body) if recording.stream else json.loads(recording.body)
    came = {name: value for name, value in answer["message"].items() if value and name != "role"}
    thoughts = "".join(block.get("thinking", "") for block in came.pop("content", ()))
    plan = {"tool_plan": thoughts} if thoughts else {}
    block = {"content": [{"type": "thinking", "thinking": thoughts}]} if thoughts else {}
    for call in came["tool_calls"]:
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    data = cohere().completion(chat_call(HELLO), json.dumps(answer).encode()).data
    said = json.loads(data)["choices"][0]["message"]
    if not faithful:
        del said["provider_extra"]
    assert message(**said) == {"role": "assistant", **came, **(block if faithful else plan)}


# Recorded requests --------------------------------------------------------------------------------------------------


def as_openai(body: Json) -> Json:
    """A recorded request of Cohere's as an OpenAI client would say it."""
    names = {"max_tokens": "max_completion_tokens", "stop_sequences": "stop"}
    asked = {names.get(name, name): value for name, value in body.items() if name not in ("strict_tools", "thinking")}
    asked["messages"] = []
    for message in body["messages"]:
        said = dict(message)
        if isinstance(message.get("content"), list):
            thoughts = [block["thinking"] for block in message["content"] if block["type"] == "thinking"]
            said["content"] = [block for block in message["content"] if block["type"] != "thinking"]
            said |= {"reasoning_content": "".join(thoughts)} if thoughts else {}
        asked["messages"].append(said)
    if "tool_choice" in body:
        asked["tool_choice"] = body["tool_choice"].lower()
    if "strict_tools" in body:
        asked["tools"] = [{**tool, "function": {**tool["function"], "strict": True}} for tool in body["tools"]]
    if "thinking" in body:
        asked["reasoning_effort"] = {"enabled": "high", "disabled": "none"}[body["thinking"]["type"]]
    if "json_schema" in body.get("response_format", {}):
        schema = {"name": "answer", "schema": body["response_format"]["json_schema"]}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


def normal(body: Json) -> Json:
    """Without what says nothing, and as the reference spells it."""
    choice = {"tool_choice": body["tool_choice"].upper()} if "tool_choice" in body else {}
    said = [{name: value for name, value in each.items() if value is not None} for each in body["messages"]]
    form = {"response_format": body["response_format"] | {"type": "json_object"}} if "response_format" in body else {}
    return {"stream": False, **body, **choice, **form, "messages": said}


@pytest.mark.parametrize("recording", recordings("cohere"))
def test_a_recorded_request_said_by_an_openai_client_is_the_same_request(recording: Recording) -> None:
    """SR-013 … SR-023, SR-031 … SR-036, SR-040."""
    recorded = recording.request["body"]
    request = cohere().request(chat_call(as_openai(recorded), model=recorded["model"]))
    assert normal(json.loads(request.content)) == normal(recorded)
    assert request.dropped == ()
    assert_known_to_the_sdk(json.loads(request.content))


# Any request --------------------------------------------------------------------------------------------------------


def parameters() -> dict[str, TypeAdapter[Any]]:
    """The types of the SDK's parameters."""
    hints = get_type_hints(RawV2Client.chat)
    names = inspect.signature(RawV2Client.chat).parameters.keys() - {"self", "request_options"}
    return {name: TypeAdapter(hints[name]) for name in names}


PARAMETERS = parameters()


def assert_known_to_the_sdk(body: Json) -> None:
    """Each member of a request is of the SDK's type for it, and none of them says anything that the type has not."""
    for name, value in body.items():
        if name != "stream":
            assert_nothing_more(PARAMETERS[name].validate_python(value))


def assert_nothing_more(value: Any) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra
        for each in value.__dict__.values():
            assert_nothing_more(each)
    elif isinstance(value, list):
        for each in value:
            assert_nothing_more(each)


def answer_to(body: Json) -> UpstreamRequest | Unsupported | RequestError:
    """What is sent, or why nothing is."""
    try:
        return sent(body)
    except (Unsupported, RequestError) as error:
        return error


OWN = {
    "documents": st.lists(st.just({"id": "a", "data": {"text": "It is so."}}) | st.text(min_size=1), max_size=2),
    "citation_options": st.sampled_from([{"mode": "FAST"}, {"mode": "OFF"}]),
    "safety_mode": st.sampled_from(["CONTEXTUAL", "STRICT", "OFF"]),
    "k": st.integers(0, 500),
    "top_k": st.integers(0, 500),
    "p": st.floats(0.01, 0.99),
    "priority": st.integers(0, 999),
    "strict_tools": st.booleans(),
    "thinking": st.sampled_from([{"type": "disabled"}, {"type": "enabled", "token_budget": 100}]),
}


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(chat_requests(also=OWN, never=("n",)))
def test_any_request_is_one_that_the_sdk_knows_or_is_refused_with_a_reason(body: Json) -> None:
    """SR-001, SR-026: what is left out is named."""
    request = answer_to(body)
    if not isinstance(request, UpstreamRequest):
        assert request.message
        assert request.param
        return
    asked = json.loads(request.content)
    assert_known_to_the_sdk(asked)
    assert len(asked["messages"]) == len(body["messages"])
    assert set(request.dropped) <= body.keys() | {"tools.strict"}
    assert asked["model"] == "command-a-03-2025"
    assert asked["stream"] is bool(body.get("stream"))
    assert asked.get("tool_choice") in (None, "REQUIRED", "NONE")
    assert 0.01 <= asked.get("p", 0.5) <= 0.99


# Addresses, keys and models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2", "/v2/", "/compatibility/v1"])
def test_the_address_is_the_hosts_with_a_version_or_without(path: str) -> None:
    """SR-114."""
    adapter = cohere(f"https://api.cohere.com{path}", "co-key")
    request, listing = adapter.request(chat_call(HELLO)), adapter.models_request()
    assert (request.method, request.url) == ("POST", "https://api.cohere.com/v2/chat")
    url = "https://api.cohere.com/v1/models?endpoint=chat&page_size=1000"
    assert (listing.method, listing.url) == ("GET", url)
    assert request.headers["authorization"] == listing.headers["authorization"] == "Bearer co-key"
    assert b"co-key" not in request.content
    assert "co-key" not in repr(adapter.settings)


def test_it_is_registered_with_both_names_of_its_key() -> None:
    (spec,) = llms_providers()
    assert (spec.name, spec.key_env, spec.needs_key) == ("cohere", ("CO_API_KEY", "COHERE_API_KEY"), True)
    assert sent(HELLO).url == "https://api.cohere.com/v2/chat"


def test_models_are_those_that_stay() -> None:
    """SR-118."""
    adapter = cohere()
    assert isinstance(adapter, Discovers)
    listed = [{"name": "command-a-03-2025", "endpoints": ["chat"]}, {"name": "command-light", "is_deprecated": True}]
    assert adapter.models(json.dumps({"models": listed}).encode()) == {"command-a-03-2025": "command-a-03-2025"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models": [{}]}', b'{"models": null}', b"\xff", b"<html>"])
def test_a_list_of_models_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(ProviderError, match="The list of models makes no sense"):
        cohere().models(body)


# Parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_by_coheres_names() -> None:
    """SR-012 … SR-021."""
    asked = native(
        temperature=0.5, top_p=0.9, seed=7, stop="END", max_tokens=9, max_completion_tokens=5, logprobs=True,
        frequency_penalty=0.1, presence_penalty=0, top_k=40,
    )  # fmt: skip
    assert {name: value for name, value in asked.items() if name not in ("model", "messages", "stream")} == {
        "temperature": 0.5, "p": 0.9, "seed": 7, "stop_sequences": ["END"], "max_tokens": 5, "logprobs": True,
        "frequency_penalty": 0.1, "k": 40,
    }  # fmt: skip
    assert native(stop=["a", "b"])["stop_sequences"] == ["a", "b"]


@pytest.mark.parametrize(("top_p", "p"), [(1, 0.99), (0, 0.01), (0.4, 0.4)])
def test_a_top_p_that_many_clients_send_is_no_error(top_p: float, p: float) -> None:
    """SR-015: Cohere takes 0.01 to 0.99."""
    assert native(top_p=top_p)["p"] == p


def test_a_plain_request_has_nothing_that_was_not_asked_for() -> None:
    """SR-025, SR-027, SR-028."""
    hello = {"model": "command-a-03-2025", "messages": HELLO["messages"], "stream": False}
    assert native() == hello
    assert native(temperature=None, tools=None, thinking=None, documents=None, user=None) == hello


def test_coheres_own_parameters_pass() -> None:
    own = {"documents": ["a"], "citation_options": {"mode": "FAST"}, "safety_mode": "STRICT", "k": 3, "priority": 1}
    assert native(**own, top_k=9).items() >= own.items()


def test_parameters_that_it_does_not_know_are_reported() -> None:
    request = sent({**HELLO, "logit_bias": {"1": 2}, "top_logprobs": 2, "user": "me", "metadata": None})
    assert json.loads(request.content).keys() == {"model", "messages", "stream"}
    assert request.dropped == ("logit_bias", "top_logprobs", "user")


@pytest.mark.parametrize(
    ("members", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"reasoning_effort": "medium"}, {"type": "enabled", "token_budget": 8192}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"enable_thinking": True}, {"type": "enabled"}),
        ({"enable_thinking": False, "reasoning_effort": "high"}, {"type": "disabled"}),
        ({"thinking": {"token_budget": 500}, "reasoning_effort": "low"}, {"token_budget": 500}),
    ],
)
def test_how_much_it_thinks(members: Json, thinking: Json) -> None:
    """SR-023, SR-024."""
    assert native(**members)["thinking"] == thinking


def test_the_answers_form() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert native(response_format=wanted)["response_format"] == {"type": "json_object", "json_schema": schema}
    assert native(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    assert "response_format" not in native(response_format={"type": "text"})
    with pytest.raises(Unsupported, match="'grammar'"):
        native(response_format={"type": "grammar"})


# Tools --------------------------------------------------------------------------------------------------------------


def tool(name: str, *required: str, **more: Any) -> Json:
    properties = {each: {"type": "string"} for each in required}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema, **more}}


WEATHER, TIME = tool("weather", "city"), {"type": "function", "function": {"name": "time"}}


@pytest.mark.parametrize(
    ("choice", "names", "asked"),
    [
        ("auto", ["weather", "time"], None),
        ("required", ["weather", "time"], "REQUIRED"),
        ("none", ["weather", "time"], "NONE"),
        ({"type": "function", "function": {"name": "time"}}, ["time"], "REQUIRED"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}}, ["weather"], None),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}}, ["time"], "REQUIRED"),
    ],
)
def test_a_choice_of_tools_leaves_out_the_others(choice: Any, names: list[str], asked: str | None) -> None:
    body = native(tools=[WEATHER, TIME], tool_choice=choice)
    assert [each["function"]["name"] for each in body["tools"]] == names
    assert body.get("tool_choice") == asked


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    """Cohere wants one."""
    assert native(tools=[TIME])["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("tools", "strict", "dropped"),
    [
        ([tool("a", "x", strict=True), tool("b", "y", strict=True)], True, ()),
        ([tool("a", "x", strict=True), tool("b", "y")], None, ("tools.strict",)),
        ([tool("a", "x", strict=True), tool("b", strict=True)], None, ("tools.strict",)),
        ([tool("a", "x", strict=False)], None, ()),
    ],
)
def test_strict_tools_are_all_of_them_or_none(tools: list[Json], strict: bool | None, dropped: tuple[str, ...]) -> None:
    """It is one switch, and an error where a tool has no required parameter."""
    request = sent({**HELLO, "tools": tools})
    body = json.loads(request.content)
    assert body.get("strict_tools") == strict
    assert all("strict" not in each["function"] for each in body["tools"])
    assert request.dropped == dropped
    assert native(tools=tools, strict_tools=False)["strict_tools"] is False


def test_a_tool_of_another_type_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="Tools of type 'custom'"):
        native(tools=[{"type": "custom", "custom": {"name": "x"}}])


def test_the_second_turn_of_a_thinking_model_with_tools() -> None:
    """SR-032, SR-040: an empty plan beside a call says that what was thought before it is no plan."""
    call = {"id": "a", "type": "function", "function": {"name": "time", "arguments": ""}}
    asked = {"id": "a", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    said: Json = {"role": "assistant", "content": None, "reasoning_content": "Time it is.", "tool_calls": [call]}
    assert message(**said) == {"role": "assistant", "tool_plan": "Time it is.", "tool_calls": [asked]}
    thoughts = {"type": "thinking", "thinking": "Time it is."}
    known = {"provider_extra": {"cohere": {"tool_plan": ""}}}
    assert message(**said, **known) == {"role": "assistant", "content": [thoughts], "tool_calls": [asked]}
    both = {"provider_extra": {"cohere": {"tool_plan": " is."}}}
    assert message(**said, **both)["content"] == [{"type": "thinking", "thinking": "Time it"}]
    result = message(role="tool", tool_call_id="a", content=[{"type": "text", "text": "12:00"}])
    assert result == {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "12:00"}]}


def test_citations_and_reasoning_of_an_answer_go_back() -> None:
    citations = [{"start": 0, "end": 2, "text": "Hi", "sources": []}]
    told = message(
        role="assistant", content="Hi", reasoning_content="So.", provider_extra={"cohere": {"citations": citations}}
    )
    blocks = [{"type": "thinking", "thinking": "So."}, {"type": "text", "text": "Hi"}]
    assert told == {"role": "assistant", "content": blocks, "citations": citations}
    plain = {"role": "assistant", "content": "Hi"}
    assert message(**plain, provider_extra={"other": 1}) == plain


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """SR-056: its arguments are JSON, however they come."""
    start = delta("tool-call-start", 0, tool_calls={"id": "a", "function": {"name": "f", "arguments": ""}})
    stop: Json = {"type": "tool-call-end", "index": 0}
    assert joined(streamed(events(start, stop, end("TOOL_CALL"))))["calls"] == [("a", "f", {})]
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]
    assert read(completed(whole("", message={"tool_calls": calls})))["calls"] == [("a", "f", {})]


def test_calls_that_come_at_once_keep_apart() -> None:
    """SR-056: whatever numbers Cohere gives them."""
    said = [delta("message-start", role="assistant")]
    for index in (3, 7):
        call = {"id": f"c{index}", "function": {"name": "f", "arguments": '{"n"'}}
        said.append(delta("tool-call-start", index, tool_calls=call))
    for index in (7, 3):
        said += [delta("tool-call-delta", index, tool_calls={"function": {"arguments": f": {index}}}"}})]
    found = joined(streamed(events(*said, end("TOOL_CALL"))))
    assert found["calls"] == [("c3", "f", {"n": 3}), ("c7", "f", {"n": 7})]


# Messages -----------------------------------------------------------------------------------------------------------


def test_every_system_message_stays_where_it_is() -> None:
    """SR-041."""
    said = [{"role": "system", "content": "One"}, {"role": "developer", "content": "Two"}, HELLO["messages"][0]]
    assert native(messages=said)["messages"] == [said[0], {**said[1], "role": "system"}, said[2]]


def test_images_go_as_data_or_by_url() -> None:
    """SR-035, SR-036: Cohere fetches them itself."""
    assert not isinstance(cohere(), Inlines)
    inline, url = data_uri("image/png", PNG), "https://example.com/cat.png"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": inline, "detail": "low"}},
        {"type": "image_url", "image_url": url},
    ]
    assert message(role="user", content=parts)["content"] == [
        parts[0], {"type": "image_url", "image_url": {"url": inline, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": url}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", {"type": "input_audio", "input_audio": {"data": data_uri("audio/wav", WAV), "format": "wav"}}),
        ("user", {"type": "file", "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)}}),
        ("user", {"type": "hologram"}),
        ("tool", {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}}),
    ],
)
def test_other_content_is_unsupported(role: str, part: Json) -> None:
    """SR-037, SR-038."""
    assert {COHERE.capabilities.audio, COHERE.capabilities.files} == {False}
    with pytest.raises(Unsupported) as caught:
        message(role=role, tool_call_id="a", content=[part])
    assert caught.value.param == "messages[1].content[0]"


def test_a_message_of_a_role_that_it_has_not_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="'function'"):
        message(role="function", name="f", content="4")


# Ends, usage and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "finish"), [*FINISH.items(), (None, "stop"), ("SOMETHING_NEW", "stop")])
def test_why_it_ended(reason: str | None, finish: str) -> None:
    """SR-048."""
    assert completed(whole(finish_reason=reason)).choices[0].finish_reason == finish
    assert joined(streamed(events(TEXT, end(reason))))["finish"] == finish


@pytest.mark.parametrize(
    ("reason", "error", "kind"),
    [
        ("ERROR", None, ErrorKind.OVERLOADED),
        ("ERROR", "the model failed", ErrorKind.OVERLOADED),
        (None, "the model failed", ErrorKind.OVERLOADED),
        ("TIMEOUT", None, ErrorKind.TIMEOUT),
    ],
)
def test_an_answer_that_was_broken_off_is_an_error(reason: str | None, error: str | None, kind: ErrorKind) -> None:
    """SR-058: in a stream it is said by the last event."""
    with pytest.raises(ProviderError) as caught:
        streamed(events(TEXT, end(reason, **({"error": error} if error else {}))))
    assert caught.value.kind is kind
    assert error is None or caught.value.message == error
    if reason is not None:
        with pytest.raises(ProviderError):
            completed(whole(finish_reason=reason))


def test_an_error_in_the_middle_of_a_stream() -> None:
    """SR-058."""
    with pytest.raises(ProviderError, match="internal server error"):
        streamed(events(TEXT) + b'data: {"message": "internal server error"}\n\n')


def test_events_of_other_kinds_are_passed_over() -> None:
    said = [
        delta("message-start"),
        {"type": "debug", "prompt": "…"},
        {"type": "message-end"},
        {"type": "content-start"},
        delta("content-start", 0, content={"type": "hologram", "hologram": 1}),
        delta("tool-call-delta", 5, tool_calls={"function": {"arguments": "{}"}}),
        TEXT,
        end(),
    ]
    assert joined(streamed(events(*said)))["text"] == "Hi"


def test_usage_has_every_count() -> None:
    """SR-049: an image's tokens are the prompt's, too; a stream without usage has none."""
    tokens = {"input_tokens": 34.0, "output_tokens": 56.0, "reasoning_tokens": 0, "image_tokens": 259}
    found = completed(whole(usage={"tokens": tokens, "cached_tokens": 3})).usage
    assert found is not None
    assert counted(found) == (293, 56, 3, 0)
    assert found.total_tokens == 349
    assert completed(whole()).usage is None
    assert joined(streamed(events(TEXT, end())))["usage"] is None


def test_the_probability_of_a_text_of_several_tokens() -> None:
    """SR-021."""
    pieces_of_text = [{"text": "Hi", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}, {"token_ids": [3]}]
    assert read(completed(whole(logprobs=pieces_of_text)))["logprobs"] == [("Hi", -0.75)]


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
         ErrorKind.CONTEXT_LENGTH),
        (401, "no api key supplied", ErrorKind.AUTH),
        (402, "Maximum billing reached for this API key as set in your dashboard", ErrorKind.QUOTA),
        (429, "You are past the per minute request limit, please wait and try again later.", ErrorKind.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 40 API calls / minute.", ErrorKind.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", ErrorKind.QUOTA),
        (498, "invalid token", ErrorKind.CONTENT_POLICY),
        (500, "internal server error", ErrorKind.OVERLOADED),
        (504, "gateway timeout", ErrorKind.TIMEOUT),
    ],
)  # fmt: skip
def test_errors_by_their_texts(status: int, text: str, kind: ErrorKind) -> None:
    error = cohere().error(status, {}, json.dumps({"id": "1", "message": text}).encode())
    assert (error.kind, error.message, error.status) == (kind, text, status)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b'{"message": "no"}'])
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        cohere().completion(chat_call(HELLO), body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
    with pytest.raises(ProviderError):
        list(cohere().chunks(chat_call(HELLO)).feed("", body if body != b"{}" else b"1"))


# Through the gateway ------------------------------------------------------------------------------------------------


def test_an_openai_client_speaks_with_cohere_through_the_gateway(upstream: ScriptedUpstream, served: Serve) -> None:
    """SR-020, SR-055: whole and streamed, with the SDK's own way to join a stream's deltas."""
    citations: list[Json] = [{"start": at, "end": at + 1, "text": "o", "sources": []} for at in (1, 3)]
    stream = events(
        {"type": "message-start", "id": "an-id", "delta": {"message": {"role": "assistant"}}},
        delta("content-delta", 0, content={"thinking": "So"}),
        *(delta("content-delta", 1, content={"text": text}) for text in ("Hel", "lo")),
        *(delta("citation-start", number, citations=each) for number, each in enumerate(citations)),
        end(usage={"tokens": {"input_tokens": 3, "output_tokens": 2}}),
    )
    replies = iter([json_body(whole("Hello")), Reply(Status(200, {"content-type": "text/event-stream"}), Body(stream))])
    upstream.routes["/v2/chat"] = Reply(lambda seen: next(replies))
    block = {"type": "cohere", "base_url": upstream.origin, "api_key": "sk-marked-cohere", "models": {"m": "command-a"}}
    with OpenAI(base_url=served({"providers": {"cohere": block}}).base_url, api_key="any") as client:
        answer = client.chat.completions.create(model="m", messages=HELLO["messages"])
        assert (answer.model, answer.choices[0].message.content) == ("m", "Hello")
        options: Any = {"include_usage": True}
        with client.chat.completions.stream(model="m", messages=HELLO["messages"], stream_options=options) as reading:
            final = reading.get_final_completion()
    found = read(ChatCompletion.model_validate(final.model_dump()))
    assert (found["id"], found["text"], found["reasoning"], found["finish"]) == ("an-id", "Hello", "So", "stop")
    assert found["extra"]["citations"] == citations
    assert final.usage is not None
    assert final.usage.total_tokens == 5
    assert [seen.json["model"] for seen in upstream.requests] == ["command-a"] * 2
