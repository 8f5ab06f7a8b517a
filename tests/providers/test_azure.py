"""Azure OpenAI: addresses, authentication, results of the content filter, and recorded exchanges of all three APIs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import openai
import pytest
from chat_streams import ChatStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recordings import Recording, for_each, pieces, recordings

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Available, Discovers, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import ScriptedUpstream, Seen, error, json_body
from llms_providers.azure import AZURE, Azure, AzureSettings

if TYPE_CHECKING:
    from tests.conftest import Config, ProviderBlock, Serve

CLIENT_MODEL = "the name for clients"
ID = "chatcmpl-ours"
CREATED = 1_700_000_000
HI = [{"role": "user", "content": "Hi"}]
TOKEN = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl"
RESOURCE = "https://mine.openai.azure.com"

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_RESOURCE_NAME", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


def azure(
    base_url: str = "", *, key: str = "k" * 32, resource: str = "", api_version: str = ""
) -> Azure:
    settings = AzureSettings(
        id="azure",
        base_url=base_url,
        api_key=Secret(key),
        resource=resource,
        api_version=api_version,
    )
    return Azure(AZURE, settings)


def call(*, model: str = "gpt-5-mini", **members: object) -> ChatCall:
    body = decode(msgspec.json.encode({"model": "m", "messages": HI, **members}))
    return ChatCall(
        body=body, upstream_model=model, client_model=CLIENT_MODEL, id=ID, created=CREATED
    )


def sent(adapter: Azure, **members: Any) -> UpstreamRequest:
    return adapter.request(call(**members))


def test_a_path_is_used_as_it_is() -> None:
    """K-04: for a gateway in front of the resource."""
    settings = AzureSettings(
        id="azure", base_url="https://proxy.example", path="/gpt/chat/completions?v=1"
    )
    request = sent(Azure(AZURE, settings))
    assert request.url == "https://proxy.example/gpt/chat/completions?v=1"


# Addresses

V1 = f"{RESOURCE}/openai/v1/chat/completions"
DEPLOYMENT = f"{RESOURCE}/openai/deployments/gpt-5-mini/chat/completions?api-version="
MODELS = "https://mine.services.ai.azure.com/models"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"resource": "mine"}, V1),
        ({"resource": "mine.openai.azure.com"}, V1),
        ({"resource": "mine.services.ai.azure.com"}, "https://mine.services.ai.azure.com/openai/v1/chat/completions"),
        ({"base_url": RESOURCE}, V1),
        ({"base_url": f"{RESOURCE}/"}, V1),
        ({"base_url": f"{RESOURCE}/openai"}, V1),
        ({"base_url": f"{RESOURCE}/openai/v1"}, V1),
        ({"base_url": f"{RESOURCE}/openai/v1/"}, V1),
        ({"base_url": f"{RESOURCE}/openai/v1/chat/completions"}, V1),
        ({"base_url": f"{RESOURCE}/v1"}, V1),  # as llms.py's type OpenAiProvider requires it (SR-114)
        ({"base_url": RESOURCE, "resource": "another"}, V1),
        ({"resource": "mine", "api_version": "preview"}, f"{V1}?api-version=preview"),
        ({"resource": "mine", "api_version": "2024-10-21"}, f"{DEPLOYMENT}2024-10-21"),
        ({"base_url": RESOURCE, "api_version": "2025-04-01-preview"}, f"{DEPLOYMENT}2025-04-01-preview"),
        ({"base_url": f"{RESOURCE}/openai/v1", "api_version": "2024-10-21"}, f"{DEPLOYMENT}2024-10-21"),
        ({"base_url": f"{RESOURCE}/openai/deployments/old", "api_version": "2024-10-21"}, f"{DEPLOYMENT}2024-10-21"),
        ({"base_url": "https://host/api/projects/p/openai/v1"}, "https://host/api/projects/p/openai/v1/chat/completions"),
        ({"base_url": "https://gateway/v1/models-of-ours"}, "https://gateway/v1/models-of-ours/openai/v1/chat/completions"),
        ({"base_url": "https://gateway/a/b", "api_version": "2024-10-21"},
         "https://gateway/a/b/openai/deployments/gpt-5-mini/chat/completions?api-version=2024-10-21"),
        ({"base_url": MODELS}, f"{MODELS}/chat/completions?api-version=2024-05-01-preview"),
        ({"base_url": MODELS, "api_version": "2025-04-01"}, f"{MODELS}/chat/completions?api-version=2025-04-01"),
    ],
)  # fmt: skip
def test_each_api_has_its_url(settings: dict[str, str], url: str) -> None:
    assert sent(azure(**settings)).url == url


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (RESOURCE, V1),
        (f" {RESOURCE}/ ", V1),
        (f"{RESOURCE}/openai/v1/", V1),
        (
            f"{RESOURCE}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            f"{DEPLOYMENT}2024-10-21",
        ),
        (MODELS, f"{MODELS}/chat/completions?api-version=2024-05-01-preview"),
    ],
)
def test_the_address_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, url: str
) -> None:
    """As for Azure's own clients. The configuration takes precedence."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    assert sent(azure()).url == url
    other = "https://other.openai.azure.com/openai/v1/chat/completions"
    assert (
        sent(azure(resource="other")).url
        == sent(azure("https://other.openai.azure.com")).url
        == other
    )


def test_the_resource_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_NAME", "mine")
    assert sent(azure()).url == V1
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://other.openai.azure.com")
    assert sent(azure()).url == "https://other.openai.azure.com/openai/v1/chat/completions"


def test_azure_is_unavailable_without_an_address() -> None:
    adapter = azure()
    assert isinstance(adapter, Available)
    assert "AZURE_OPENAI_ENDPOINT" in str(adapter.available())
    assert azure(resource="mine").available() is None


@pytest.mark.parametrize("version", ["2024", "latest!", "2024-10-21&a=b", "2024-10-21-beta", "V1"])
def test_invalid_api_versions_are_reported(version: str) -> None:
    with pytest.raises(ConfigError, match="is not an API version"):
        azure(RESOURCE, api_version=version)


@pytest.mark.parametrize(
    "resource", ["a/b", "a b", "https://mine.openai.azure.com", "user@mine", "-"]
)
def test_invalid_resource_names_are_reported(resource: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a resource"):
        azure(resource=resource)


@pytest.mark.parametrize("endpoint", ["mine", "ftp://mine", "https://user:secret@mine", "https://"])
def test_invalid_addresses_in_the_environment_are_reported(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """SR-066: without repeating them, because they may contain a password."""
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT is not a plain") as caught:
        azure()
    assert "secret" not in str(caught.value)


def test_plain_settings_are_accepted() -> None:
    """Another plugin may create the adapter with settings that are not Azure's."""
    assert (
        Azure(AZURE, ProviderSettings(id="x", base_url=RESOURCE)).base_url
        == f"{RESOURCE}/openai/v1"
    )


@pytest.mark.parametrize("name", ["gpt-4o", "my model", "a/b?c#d", "größe"])
def test_the_id_of_the_model_is_the_deployment(name: str) -> None:
    """SR-007, SR-045: in the body, and in the path if the API has it there."""
    request = sent(azure(RESOURCE, api_version="2024-10-21"), model=name)
    path = httpx.URL(request.url).raw_path.decode()
    assert path.count("/") == 5
    assert httpx.URL(request.url).path == f"/openai/deployments/{name}/chat/completions"
    assert json.loads(request.content)["model"] == name
    assert json.loads(sent(azure(RESOURCE), model=name).content)["model"] == name


# Comparison with OpenAI's own clients


AUTHENTICATION = ("api-key", "authorization")


def both(
    upstream: ScriptedUpstream, client: openai.OpenAI, adapter: Azure, **members: Any
) -> tuple[Seen, UpstreamRequest]:
    """Return what OpenAI's client sends and what the adapter sends for the same request."""
    with client:
        client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}], **members
        )
    return upstream.requests[-1], sent(adapter, **members)


@pytest.mark.parametrize("stream", [False, True])
def test_requests_equal_those_of_openais_azure_client(
    upstream: ScriptedUpstream, stream: bool
) -> None:
    options: Json = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    client = openai.AzureOpenAI(
        azure_endpoint=upstream.origin, api_version="2024-10-21", api_key="k" * 32
    )
    theirs, ours = both(
        upstream, client, azure(upstream.origin, api_version="2024-10-21"), **options
    )
    assert ours.url == upstream.origin + theirs.path
    assert json.loads(ours.content) == theirs.json
    assert [ours.headers.get(name) for name in AUTHENTICATION] == ["k" * 32, None]
    assert [theirs.headers.get(name) for name in AUTHENTICATION] == ["k" * 32, None]


@pytest.mark.parametrize("version", ["", "2024-10-21"])
def test_entra_tokens_are_sent_like_openais_azure_client_does(
    upstream: ScriptedUpstream, version: str
) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=upstream.origin, api_version="2024-10-21", azure_ad_token=TOKEN
    )
    theirs, ours = both(upstream, client, azure(upstream.origin, key=TOKEN, api_version=version))
    assert [ours.headers.get(name) for name in AUTHENTICATION] == [None, f"Bearer {TOKEN}"]
    assert theirs.headers["authorization"] == f"Bearer {TOKEN}"


def test_requests_to_the_v1_api_equal_those_of_openais_client(upstream: ScriptedUpstream) -> None:
    client = openai.OpenAI(base_url=f"{upstream.origin}/openai/v1/", api_key="k" * 32)
    theirs, ours = both(upstream, client, azure(upstream.origin))
    assert (ours.url, json.loads(ours.content)) == (upstream.origin + theirs.path, theirs.json)


@pytest.mark.parametrize(
    ("base_url", "api_version", "path"),
    [
        ("https://r.openai.azure.com", "", "/openai/v1/responses"),
        ("https://r.openai.azure.com", "preview", "/openai/v1/responses?api-version=preview"),
        (
            "https://r.openai.azure.com",
            "2025-04-01-preview",
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ],
)
def test_codex_models_are_reached_by_the_responses_api(
    base_url: str, api_version: str, path: str
) -> None:
    request = sent(azure(base_url, api_version=api_version), model="my-gpt-5.1-codex")
    assert request.url == f"https://r.openai.azure.com{path}"
    assert json.loads(request.content)["model"] == "my-gpt-5.1-codex"


@pytest.mark.parametrize(
    ("base_url", "api_version"),
    [("https://r.openai.azure.com", "2024-10-21"), ("https://r.services.ai.azure.com/models", "")],
)
def test_versions_without_the_responses_api_get_chat_completions(
    base_url: str, api_version: str
) -> None:
    request = sent(azure(base_url, api_version=api_version), model="my-gpt-5.1-codex")
    assert "/chat/completions" in request.url
    assert "messages" in json.loads(request.content)


def test_the_responses_api_cannot_be_chosen_where_there_is_none() -> None:
    settings = AzureSettings(
        id="azure",
        base_url="https://r.openai.azure.com",
        api_version="2024-10-21",
        protocol="responses",
    )
    with pytest.raises(ConfigError, match="protocol: this API of Azure has no Responses API"):
        Azure(AZURE, settings)


def test_the_key_is_only_in_a_header() -> None:
    """SR-005, SR-066."""
    for adapter in (azure(RESOURCE), azure(RESOURCE, api_version="2024-10-21"), azure(MODELS)):
        for request in (sent(adapter), adapter.models_request()):
            assert "k" * 32 not in request.url
            assert b"k" * 32 not in request.content
            assert request.headers["api-key"] == "k" * 32
        assert "k" * 32 not in repr(adapter.settings)


def test_the_key_may_come_from_configured_headers() -> None:
    settings = AzureSettings(
        id="azure", base_url=RESOURCE, headers={"api-key": "theirs", "x-ms-a": "b"}
    )
    headers = sent(Azure(AZURE, settings)).headers
    assert (headers["api-key"], headers["x-ms-a"], "authorization" in headers) == (
        "theirs",
        "b",
        False,
    )


# Requests


def test_members_are_passed_on_and_unknown_ones_reported_as_dropped() -> None:
    """SR-024, SR-026."""
    request = sent(
        azure(RESOURCE), enable_thinking=True, data_sources=[{"type": "azure_search"}], max_tokens=5
    )
    assert request.dropped == ("enable_thinking",)
    assert json.loads(request.content) == {
        "model": "gpt-5-mini", "messages": HI, "data_sources": [{"type": "azure_search"}], "max_completion_tokens": 5
    }  # fmt: skip


@pytest.mark.parametrize(
    ("deployment", "settings", "limit"),
    [
        ("gpt-5-mini", {}, "max_completion_tokens"),
        ("our-bot", {}, "max_completion_tokens"),
        ("our-bot", {"api_version": "2025-04-01-preview"}, "max_completion_tokens"),
        ("our-bot", {"api_version": "2024-06-01"}, "max_tokens"),
        ("Mistral-Large-3", {}, "max_tokens"),
        ("DeepSeek-V3.1", {}, "max_tokens"),
        (
            "o3-mini",
            {"base_url": "https://r.services.ai.azure.com/models"},
            "max_completion_tokens",
        ),
        (
            "eu-gpt-5",
            {"base_url": "https://r.services.ai.azure.com/models"},
            "max_completion_tokens",
        ),
        ("Phi-4", {"base_url": "https://r.services.ai.azure.com/models"}, "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_deployment_takes(
    deployment: str, settings: dict[str, str], limit: str
) -> None:
    """SR-014: OpenAI's reasoning models refuse `max_tokens`; models of others, and old versions, know nothing else."""
    adapter = azure(**{"base_url": RESOURCE, **settings})
    body = json.loads(sent(adapter, model=deployment, max_tokens=5).content)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == {limit: 5}


@pytest.mark.parametrize(
    ("version", "is_modern"),
    [("", True), ("preview", True), ("2025-04-01-preview", True), ("2024-10-21", True), ("2024-09-01-preview", True),
     ("2024-08-01-preview", False), ("2024-06-01", False), ("2024-02-01", False)],
)  # fmt: skip
def test_old_versions_get_no_parameters_that_they_reject(version: str, is_modern: bool) -> None:
    """SR-055, SR-014: `stream_options`, `parallel_tool_calls` and `max_completion_tokens` are too new for them."""
    adapter = azure(RESOURCE, api_version=version)
    plain = sent(adapter, stream=True)
    request = sent(
        adapter,
        stream=True,
        stream_options={"include_usage": False, "x": 1},
        max_completion_tokens=5,
        max_tokens=9,
        parallel_tool_calls=False,
    )
    body = json.loads(request.content)
    if is_modern:
        assert json.loads(plain.content)["stream_options"] == {"include_usage": True}
        assert body["stream_options"] == {"include_usage": True, "x": 1}
        assert body["max_completion_tokens"] == 5
        assert "max_tokens" not in body
        assert request.dropped == ()
    else:
        assert "stream_options" not in json.loads(plain.content)
        assert plain.dropped == ()
        assert request.dropped == ("parallel_tool_calls", "stream_options")
        assert body == {"model": "gpt-5-mini", "messages": HI, "stream": True, "max_tokens": 5}
    assert AZURE.capabilities.stream_usage


def test_the_models_api_passes_unknown_parameters_to_the_model() -> None:
    assert sent(azure(MODELS)).headers["extra-parameters"] == "pass-through"
    assert "extra-parameters" not in sent(azure(RESOURCE)).headers


@pytest.mark.parametrize("version", ["", "2024-06-01"])
def test_building_a_request_does_not_change_the_call(version: str) -> None:
    """A call is shared by all attempts, so the next provider must get the same one."""
    original = call(
        stream=True,
        stream_options={"include_usage": False},
        enable_thinking=True,
        parallel_tool_calls=True,
        max_completion_tokens=5,
    )
    before = msgspec.json.encode([dict(original.members), original.request])
    azure(RESOURCE, api_version=version).request(original)
    assert msgspec.json.encode([dict(original.members), original.request]) == before


# Recorded exchanges


def as_recorded(recording: Recording) -> Azure:
    """Return the adapter with the configuration for a recording."""
    path = str(recording.request["path"])
    query = recording.request.get("query") or {}
    address = RESOURCE
    if path.startswith("/models"):
        address = f"{RESOURCE}/models"
    return azure(address, api_version=query.get("api-version", ""))


def call_of(recording: Recording) -> ChatCall:
    body = {"model": recording.model, **recording.request["body"]}
    decoded = decode(json.dumps(body).encode())
    return ChatCall(
        body=decoded,
        upstream_model=recording.model,
        client_model=CLIENT_MODEL,
        id=ID,
        created=CREATED,
    )


def of_azure(recording: Recording) -> bool:
    return recording.provider == "azure"


def whole(recording: Recording) -> bool:
    return of_azure(recording) and not recording.stream


def streamed(recording: Recording) -> bool:
    return of_azure(recording) and recording.stream


@for_each(recordings("openai", of_azure))
def test_recorded_requests_are_sent_to_the_same_url(recording: Recording) -> None:
    request = as_recorded(recording).request(call_of(recording))
    url = httpx.URL(request.url)
    assert url.path == recording.request["path"]
    assert dict(url.params) == (recording.request.get("query") or {})
    body = {"model": recording.model, **recording.request["body"]}
    if recording.stream and "2024-02-01" not in request.url:
        body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
    assert json.loads(request.content) == body
    assert request.dropped == ()


@for_each(recordings("openai", whole))
def test_recorded_answers_keep_the_results_of_the_filter(recording: Recording) -> None:
    """SR-045, SR-050: only the name of the model changes."""
    completion = as_recorded(recording).completion(call_of(recording), recording.body)
    ours = json.loads(completion.data)
    native = json.loads(recording.body)
    assert ours == {**native, "model": CLIENT_MODEL}
    ChatCompletion.model_validate(ours)
    assert completion.usage is not None
    assert completion.usage.total_tokens == native["usage"]["total_tokens"]


def events(recording: Recording) -> list[Json]:
    lines = [
        line for line in str(recording.response["text"]).splitlines() if line.startswith("data: {")
    ]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def fed(adapter: OpenAICompatible, call: ChatCall, data: Iterable[Json]) -> list[Chunk]:
    translator = adapter.chunks(call)
    return [chunk for event in data for chunk in translator.feed("", json.dumps(event).encode())]


@for_each(recordings("openai", streamed))
def test_recorded_streams_keep_the_results_of_the_filter(recording: Recording) -> None:
    """SR-050, SR-053: the first chunk, which has the results for the prompt, gets the id of the others."""
    recorded = events(recording)
    first = next(event for event in recorded if event["id"])
    envelope = {
        "id": first["id"],
        "created": first["created"],
        "model": CLIENT_MODEL,
        "object": "chat.completion.chunk",
    }
    chunks = fed(as_recorded(recording), call_of(recording), recorded)
    assert [json.loads(chunk.data) for chunk in chunks] == [
        {**event, **envelope} for event in recorded
    ]
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.data)


@pytest.mark.parametrize("size", [1, 7, 64, 10**9])
@for_each(recordings("openai", streamed))
def test_recorded_streams_give_the_same_chunks_however_they_are_split(
    recording: Recording, size: int
) -> None:
    """SR-055, SR-060: and in the same order, because Azure repeats nothing."""
    progress = ChatStream(as_recorded(recording).chunks(call_of(recording)))
    out = [chunk for piece in pieces(recording.body, size) for chunk in progress.feed(piece)]
    assert progress.finished
    assert progress.complete
    out += progress.held_back()
    wanted = fed(as_recorded(recording), call_of(recording), events(recording))
    assert [json.loads(chunk.data) for chunk in out] == [json.loads(chunk.data) for chunk in wanted]
    assert [chunk.usage for chunk in out[:-1]].count(True) == 0


# Streams that were not recorded


def event(choices: list[Json], **members: object) -> Json:
    return {"id": "chatcmpl-a", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "m",
            "choices": choices, **members}  # fmt: skip


def delta(finish_reason: str | None = None, **delta: object) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


PROMPT = {"id": "", "object": "", "created": 0, "model": "", "choices": [],
          "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}  # fmt: skip
BEGIN = event([delta(role="assistant", content="")])
WORD = event([delta(content="Hi")])
STOP = event([delta("stop")])


def stream(*data: Json) -> tuple[list[Json], ChatStream]:
    """Return the chunks that the core passes on."""
    progress = ChatStream(azure(RESOURCE).chunks(call(stream=True)))
    body = (
        b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in data)
        + b"data: [DONE]\n\n"
    )
    chunks = progress.feed(body)
    if progress.complete:
        chunks += progress.held_back()
    return [json.loads(chunk.data) for chunk in chunks], progress


def test_results_for_the_prompt_come_first_and_do_not_commit() -> None:
    """SR-057: another provider can still answer if only the prompt has been checked."""
    chunks, progress = stream(PROMPT, BEGIN, WORD, STOP)
    assert [chunk["id"] for chunk in chunks] == ["chatcmpl-a"] * 4
    assert chunks[0]["prompt_filter_results"] == PROMPT["prompt_filter_results"]
    assert progress.complete
    translator = azure(RESOURCE).chunks(call(stream=True))
    assert list(translator.feed("", json.dumps(PROMPT).encode())) == []
    assert [chunk.content for chunk in translator.feed("", json.dumps(BEGIN).encode())] == [
        False,
        False,
    ]


@pytest.mark.parametrize(
    "first", [{**PROMPT, "id": "chatcmpl-a"}, event([], prompt_filter_results=[])]
)
def test_results_with_an_id_are_passed_on_at_once(first: Json) -> None:
    chunks = fed(azure(RESOURCE), call(stream=True), [first])
    assert [json.loads(chunk.data)["id"] for chunk in chunks] == ["chatcmpl-a"]


def test_results_alone_are_not_a_complete_answer() -> None:
    """SR-058."""
    _, progress = stream(PROMPT)
    assert progress.finished
    assert not progress.complete


def test_an_error_after_the_results_is_reported() -> None:
    _, progress = stream(
        PROMPT, {"error": {"message": "The server had an error", "type": "server_error"}}
    )
    assert progress.failure is not None
    assert progress.failure.kind is ErrorKind.OVERLOADED


def test_results_for_the_answer_are_passed_on_even_after_its_end() -> None:
    """SR-050: the asynchronous filter checks text that the client already has."""
    found = {"index": 0, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}},
             "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 2}}  # fmt: skip
    late = {**event([found]), "id": "", "created": 0, "model": "", "object": ""}
    chunks, progress = stream(BEGIN, WORD, late, STOP, late)
    assert progress.complete
    assert [
        chunk["choices"][0].get("content_filter_offsets") is not None for chunk in chunks
    ].count(True) == 2
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-a"}


def test_a_filtered_answer_is_a_normal_answer() -> None:
    """SR-048: whole or streamed, with the results of the filter."""
    results = {"content_filter_results": {"violence": {"filtered": True, "severity": "high"}}}
    chunks, progress = stream(BEGIN, WORD, event([{**delta("content_filter"), **results}]))
    assert progress.complete
    assert chunks[-1]["choices"][0] == {**delta("content_filter"), **results}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": ""},
        "finish_reason": "content_filter",
        **results,
    }
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "m",
        "choices": [choice],
    }
    completion = azure(RESOURCE).completion(call(), json.dumps(body).encode())
    assert json.loads(completion.data)["choices"] == [choice]


# Errors

SAFE = {"filtered": False, "severity": "safe"}
HIGH = {"filtered": True, "severity": "high"}
INNER = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": {
        "hate": SAFE,
        "jailbreak": {"filtered": True, "detected": True},
        "violence": HIGH,
    },
}
FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"message": FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400,
          "innererror": INNER}, f"{FILTERED} (filtered: jailbreak, violence, severity high)"),
        ({"message": FILTERED, "param": "prompt", "code": "content_filter", "status": 400}, FILTERED),
        ({"message": "Bad", "code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, "Bad"),
        ({"message": "Bad", "code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation",
          "content_filter_results": {"sexual": HIGH, "x": None}}}, "Bad (filtered: sexual, severity high)"),
    ],
)  # fmt: skip
def test_errors_of_the_filter_name_the_categories(fault: Json, message: str) -> None:
    """SR-068: errors of content policy are not retried elsewhere, so the client has to know the reason."""
    found = azure(RESOURCE).error(400, {}, json.dumps({"error": fault}).encode())
    assert (found.kind, found.message, found.code) == (
        ErrorKind.CONTENT_POLICY,
        message,
        "content_filter",
    )
    assert (found.status, found.param) == (400, fault.get("param"))


LIMIT = "Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 7 seconds."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}, ErrorKind.AUTH),
        (401, {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid"}, ErrorKind.AUTH),
        (403, {"error": {"code": "403", "message": "Access denied due to Virtual Network/Firewall rules."}},
         ErrorKind.PERMISSION),
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
         ErrorKind.MODEL_NOT_FOUND),
        (404, {"error": {"code": "404", "message": "Resource not found"}}, ErrorKind.MODEL_NOT_FOUND),
        (400, {"error": {"code": "context_length_exceeded", "message": "too long", "param": "messages"}},
         ErrorKind.CONTEXT_LENGTH),
        (400, {"error": {"message": "Unknown parameter: 'reasoning_effort'.", "type": "invalid_request_error",
                         "param": "reasoning_effort", "code": "unknown_parameter"}}, ErrorKind.INVALID_REQUEST),
        (400, {"error": {"code": "BadRequest", "innererror": {"code": "Other"}}}, ErrorKind.INVALID_REQUEST),
        (400, {"error": {"code": "BadRequest", "innererror": "text"}}, ErrorKind.INVALID_REQUEST),
        (408, {"error": {"code": "Timeout", "message": "The operation was timeout."}}, ErrorKind.TIMEOUT),
        (429, {"error": {"code": "429", "message": LIMIT}}, ErrorKind.RATE_LIMIT),
        (500, {"error": {"code": "InternalServerError", "message": "Backend returned unexpected response"}},
         ErrorKind.OVERLOADED),
        (503, None, ErrorKind.OVERLOADED),
    ],
)  # fmt: skip
def test_errors_are_classified(status: int, body: Json | None, kind: ErrorKind) -> None:
    """SR-072."""
    found = azure(RESOURCE).error(
        status, {}, json.dumps(body).encode() if body is not None else b"<html>"
    )
    assert (found.kind, found.status) == (kind, status)


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({}, LIMIT, 7.0),
        ({"retry-after": "3"}, LIMIT, 3.0),
        ({"retry-after-ms": "1500"}, LIMIT, 1.5),
        ({}, "Please retry after 250 milliseconds.", 0.25),
        ({}, "Please try later.", None),
    ],
)
def test_the_retry_delay_is_read_from_headers_or_from_the_message(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    """SR-064."""
    body = json.dumps({"error": {"code": "429", "message": message}}).encode()
    assert azure(RESOURCE).error(429, headers, body).retry_after == seconds


# Discovery


def test_deployments_are_discovered() -> None:
    """Not with `/openai/v1/models`, which lists the models that could be deployed."""
    adapter = azure(RESOURCE)
    assert isinstance(adapter, Discovers)
    request = adapter.models_request()
    assert (request.method, request.url) == (
        "GET",
        f"{RESOURCE}/openai/deployments?api-version=2023-03-15-preview",
    )
    body = {"object": "list", "data": [
        {"id": "chat", "model": "gpt-4o", "object": "deployment", "owner": "organization-owner", "status": "succeeded"},
        {"id": "new", "model": "gpt-5", "status": "creating"}, {"id": "plain", "model": "o3"},
    ]}  # fmt: skip
    assert adapter.models(json.dumps(body).encode()) == {"chat": "chat", "plain": "plain"}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":{}}', b'{"data":[{}]}', b"\xff"])
def test_an_invalid_list_of_deployments_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        azure(RESOURCE).models(body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


# Through the running server

PLUGIN = """
import msgspec
from llms_core import hookimpl
from llms_providers.azure import AZURE


@hookimpl
def llms_providers():
    return [msgspec.structs.replace(AZURE, name="azure-under-test", aliases=())]
"""


def test_azure_behind_the_gateway(
    served: Serve,
    provider: ProviderBlock,
    config_of: Callable[..., Config],
    upstream: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    """SR-005, SR-007, SR-045, SR-068: settings of the block, the key's header, and a final error of the filter."""
    plugin = tmp_path / "of_azure.py"
    plugin.write_text(PLUGIN, "utf-8")
    block = provider(
        upstream.origin, {"m": "my-deployment"}, type="azure-under-test", api_version="2024-10-21"
    )
    gateway = served(config_of(first=block), f"[plugins]\nload = ['{plugin}']\n")
    chat = {"model": "m", "messages": HI}
    with httpx.Client(trust_env=False, timeout=10) as client:
        answer = client.post(f"{gateway.base_url}/chat/completions", json=chat)
        assert answer.json()["model"] == "m"
        seen = upstream.requests[0]
        assert (
            seen.path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
        )
        assert seen.headers["api-key"] == block["api_key"]
        assert "authorization" not in seen.headers
        upstream.script(error(400, FILTERED, code="content_filter", innererror=INNER))
        refused = client.post(f"{gateway.base_url}/chat/completions", json=chat)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "content_filter"
        assert "jailbreak, violence" in refused.json()["error"]["message"]
        upstream.script(
            json_body({"error": {"code": "DeploymentNotFound", "message": "none"}}, 404)
        )
        assert client.post(f"{gateway.base_url}/chat/completions", json=chat).status_code == 424


def test_requests_of_the_responses_api_are_passed_on(served: Serve) -> None:
    """With Azure's own header for the key, and the deployment's name for the model."""
    message = {
        "type": "message",
        "id": "m",
        "status": "completed",
        "role": "assistant",
        "content": [],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "theirs",
        "output": [message],
    }
    with ScriptedUpstream() as upstream:
        upstream.default = json_body(response)
        block = {
            "enabled": True,
            "base_url": upstream.origin,
            "api_key": "sk-marked-azure",
            "models": {"m": "mine"},
        }
        gateway = served({"providers": {"azure": block}})
        body = {"model": "m", "input": "Hi", "store": False, "tools": [{"type": "web_search"}]}
        received = httpx.post(f"{gateway.base_url}/responses", json=body, trust_env=False)
        assert received.json() == {**response, "model": "m"}
        seen = upstream.requests[0]
        assert seen.path == "/openai/v1/responses"
        assert seen.json == {**body, "model": "mine"}
        assert seen.headers["api-key"] == "sk-marked-azure"
        assert "authorization" not in seen.headers
