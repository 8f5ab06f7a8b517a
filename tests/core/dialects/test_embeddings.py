"""`POST /v1/embeddings`, through the running server."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from captures import Capture, captures

from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Seen,
    Stall,
    Status,
    Wait,
    completion,
    embeddings,
    error,
    html,
    json_body,
    text_body,
    vector_of,
)
from tests.conftest import MARK, ThreadGateway

PLUGINS = """
[routing.retry]
attempts = 0
[routing.breaker]
failures = 1000
[routing.fallbacks]
alone = ["both"]
[types.plain]
paths = {embeddings = "/embeddings"}
[types.plain.embeddings]
max_inputs = 3
tokens = false
base64 = false
dimensions = ""
[types.typed]
paths = {embeddings = "/v2/vectors"}
[types.typed.embeddings]
tokens = true
base64 = true
dimensions = "size"
input_type = "kind"
input_types = {query = "q", document = "d"}
[types.chatty]
paths = {}
"""


class World:
    """A gateway with the providers `first` and `second`, and a client of it."""

    def __init__(
        self, gateway: ThreadGateway, first: ScriptedUpstream, second: ScriptedUpstream
    ) -> None:
        self.gateway = gateway
        self.first = first
        self.second = second
        self.http = httpx.Client(base_url=gateway.origin, timeout=20, trust_env=False)

    def embed(self, model: str, value: object, **members: object) -> httpx.Response:
        return self.http.post("/v1/embeddings", json={"model": model, "input": value, **members})

    def vectors(self, model: str, value: object, **members: object) -> list[Any]:
        response = self.embed(model, value, **members)
        assert response.status_code == 200, response.text
        data = response.json()["data"]
        assert [each["index"] for each in data] == list(range(len(data)))
        return [each["embedding"] for each in data]


def _block(
    upstream: ScriptedUpstream, type_: str, *models: str, **members: object
) -> dict[str, Any]:
    return {
        "type": type_,
        "base_url": upstream.base_url,
        "api_key": f"{MARK}{type_}",
        "models": {name: f"up-{name}" for name in models},
        **members,
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("embeddings")
    with (
        ScriptedUpstream() as first,
        ScriptedUpstream() as second,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("LLMS_HOME", str(folder))
        providers = {
            "plain": _block(first, "plain", "both", "alone", "plain-only"),
            "typed": _block(second, "typed", "both", "typed-only"),
            "chatty": _block(second, "chatty", "chat-only"),
            "set": _block(
                second,
                "typed",
                "with-settings",
                temperature=0.5,
                force={"user": "everybody", "input_type": "document", "top_k": 3},
            ),
        }
        gateway = ThreadGateway(folder, {"providers": providers}, PLUGINS)
        gateway.wait_ready()
        world = World(gateway, first, second)
        yield world
        world.http.close()
        gateway.close()
    assert MARK not in gateway.log()


@pytest.fixture
def world(shared: World) -> World:
    for upstream in (shared.first, shared.second):
        upstream.requests.clear()
        upstream.default = embeddings()
    return shared


def error_of(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()["error"]
    return found


def test_the_answer_is_openais(world: World) -> None:
    response = world.embed("typed-only", ["one", "two"])
    assert response.status_code == 200
    assert response.json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": vector_of("one")},
            {"object": "embedding", "index": 1, "embedding": vector_of("two")},
        ],
        "model": "typed-only",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    assert response.headers["x-llms-provider"] == "typed"
    assert response.headers["x-llms-upstream-model"] == "up-typed-only"
    assert response.headers["x-llms-attempts"] == "typed;ok"


@captures("/v1/embeddings")
def test_requests_of_real_clients_are_answered(world: World, capture: Capture) -> None:
    body = {**capture.body, "model": "typed-only"}
    response = world.http.post("/v1/embeddings", json=body, headers=list(capture.headers))
    assert response.status_code == 200, response.text
    (found,) = response.json()["data"]
    (text,) = [body["input"]] if isinstance(body["input"], str) else body["input"]
    expected = vector_of(text)
    if body.get("encoding_format") == "base64":
        assert list(struct.unpack("<4f", base64.b64decode(found["embedding"]))) == expected
    else:
        assert found["embedding"] == expected


def test_requests_are_logged_like_all_others(world: World) -> None:
    world.vectors("typed-only", "one")
    assert "200 model='typed-only' provider=typed attempts=1" in world.gateway.log()


def test_the_provider_gets_its_own_names_at_its_own_path(world: World) -> None:
    world.second.default = embeddings(dimensions=2)
    world.vectors(
        "typed-only",
        "one",
        dimensions=2,
        input_type="query",
        user="u",
        encoding_format="base64",
        other=1.50,
    )
    (seen,) = world.second.requests
    assert seen.path == "/v1/v2/vectors"
    assert seen.json == {
        "model": "up-typed-only",
        "input": ["one"],
        "size": 2,
        "kind": "q",
        "user": "u",
        "encoding_format": "base64",
        "other": 1.5,
    }


@pytest.mark.parametrize("model", ["plain-only", "typed-only"])
def test_the_client_gets_the_encoding_that_it_requested(world: World, model: str) -> None:
    """One provider sends base64, the other knows nothing of it."""
    expected = vector_of("one")
    assert world.vectors(model, "one", encoding_format="float") == [expected]
    assert world.vectors(model, "one") == [expected]
    (encoded,) = world.vectors(model, "one", encoding_format="base64")
    assert list(struct.unpack("<4f", base64.b64decode(encoded))) == expected


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_provider_may_send_the_other_encoding(world: World, encoding: str) -> None:
    world.second.default = json_body(
        {"data": [{"embedding": base64.b64encode(struct.pack("<2f", 0.5, 2)).decode()}]}
    )
    (found,) = world.vectors("typed-only", "one", encoding_format=encoding)
    if encoding == "base64":
        found = list(struct.unpack("<2f", base64.b64decode(found)))
    assert found == [0.5, 2.0]


def test_numbers_are_passed_on_with_all_their_digits(world: World) -> None:
    raw = b'{"data":[{"index":0,"embedding":[0.0023064255,-1e-10,0.1]}],"usage":{"total_tokens":3}}'
    world.second.default = json_body(json.loads(raw))
    response = world.embed("typed-only", "one")
    assert b"[0.0023064255,-1e-10,0.1]" in response.content
    assert response.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_an_answer_without_usage_counts_nothing(world: World) -> None:
    world.second.default = json_body({"data": [{"embedding": [1]}]})
    assert world.embed("typed-only", "one").json()["usage"] == {
        "prompt_tokens": 0,
        "total_tokens": 0,
    }


def test_the_order_is_that_of_the_inputs(world: World) -> None:
    world.second.default = json_body(
        {"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}
    )
    assert world.vectors("typed-only", ["one", "two"]) == [[1.0], [2.0]]


def test_batches_are_split_and_rejoined(world: World) -> None:
    texts = [f"text {number}" for number in range(20)]
    response = world.embed("plain-only", texts)
    assert [each["embedding"] for each in response.json()["data"]] == [
        vector_of(text) for text in texts
    ]
    assert response.json()["usage"] == {"prompt_tokens": 20, "total_tokens": 20}
    assert response.headers["x-llms-attempts"] == "plain;ok"
    sizes = [len(seen.json["input"]) for seen in world.first.requests]
    assert sorted(sizes) == [2, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_split_batches_have_the_vectors_of_unsplit_ones(world: World, count: int) -> None:
    texts = [f"text {number}" for number in range(count)]
    assert world.vectors("plain-only", texts) == world.vectors("typed-only", texts)


def test_a_failing_part_fails_the_attempt_and_the_next_provider_answers_all(world: World) -> None:
    texts = [f"text {number}" for number in range(9)]

    def one_fails(seen: Seen) -> Reply:
        return error(500) if "text 4" in seen.json["input"] else embeddings()

    world.first.default = Reply(one_fails)
    response = world.embed("both", texts)
    assert [each["embedding"] for each in response.json()["data"]] == [
        vector_of(text) for text in texts
    ]
    assert response.headers["x-llms-attempts"] == "plain;error=overloaded;status=500, typed;ok"
    (seen,) = world.second.requests
    assert seen.json["input"] == texts


def test_parts_have_to_have_equal_dimensions(world: World) -> None:
    def other_dimensions(seen: Seen) -> Reply:
        return embeddings(dimensions=5 if "text 4" in seen.json["input"] else 4)

    world.first.default = Reply(other_dimensions)
    response = world.embed("both", [f"text {number}" for number in range(6)])
    assert response.headers["x-llms-attempts"] == "plain;error=bad_response;status=200, typed;ok"


def test_a_client_that_disconnects_cancels_all_parts(world: World) -> None:
    started = threading.Event()

    def stall(seen: Seen) -> Reply:
        started.set()
        return Reply(Stall())

    world.first.default = Reply(stall)
    with pytest.raises(httpx.ReadTimeout):
        world.http.post(
            "/v1/embeddings", json={"model": "plain-only", "input": ["x"] * 9}, timeout=0.3
        )
    assert started.wait(5)
    for seen in list(world.first.requests):
        seen.wait_closed()


def test_parts_are_sent_a_few_at_a_time(world: World) -> None:
    go = threading.Event()
    world.first.default = Reply(Wait(go), embeddings())
    with pytest.raises(httpx.ReadTimeout):
        world.http.post(
            "/v1/embeddings", json={"model": "plain-only", "input": ["x"] * 90}, timeout=0.5
        )
    assert len(world.first.requests) == 4
    go.set()


def test_tokens_are_passed_where_the_provider_accepts_them(world: World) -> None:
    assert world.vectors("typed-only", [[1, 2], [3]]) == [vector_of([1, 2]), vector_of([3])]
    assert world.vectors("typed-only", [1, 2, 3]) == [vector_of([1, 2, 3])]


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2], [3]]])
def test_a_provider_without_tokens_is_passed_over(world: World, tokens: object) -> None:
    response = world.embed("both", tokens)
    assert response.headers["x-llms-provider"] == "typed"
    assert world.first.requests == []


def test_tokens_are_refused_if_no_provider_accepts_them(world: World) -> None:
    found = error_of(world.embed("plain-only", [[1, 2]]))
    assert found["param"] == "input"
    assert found["message"] == "plain takes texts only, and no tokens: send 'input' as text"
    assert world.first.requests == []


@pytest.mark.parametrize(("member", "value"), [("dimensions", 2), ("input_type", "query")])
def test_parameters_are_refused_where_the_provider_lacks_them(
    world: World, member: str, value: object
) -> None:
    found = error_of(world.embed("plain-only", "one", **{member: value}))
    assert found["param"] == member
    assert world.first.requests == []
    world.second.default = embeddings(dimensions=2)
    assert world.embed("both", "one", **{member: value}).headers["x-llms-provider"] == "typed"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("query", "q"),
        ("search_query", "q"),
        ("document", "d"),
        ("search_document", "d"),
        ("passage", "d"),
        ("d", "d"),
    ],
)
def test_input_types_have_the_providers_names(world: World, value: str, sent: str) -> None:
    world.vectors("typed-only", "one", input_type=value)
    assert world.second.requests[0].json["kind"] == sent


def test_an_unknown_input_type_is_refused(world: World) -> None:
    found = error_of(world.embed("typed-only", "one", input_type="image"))
    assert found["param"] == "input_type"
    assert found["message"] == "typed does not know the 'input_type' 'image', only query, document"


def test_ignored_dimensions_are_an_error(world: World) -> None:
    """The server has a parameter by that name and ignores it, as some do."""
    world.second.default = json_body({"data": [{"embedding": [1, 2, 3]}]})
    found = error_of(world.embed("typed-only", "one", dimensions=2))
    assert found["param"] == "dimensions"
    assert found["message"] == "The model has 3 dimensions and cannot return 2"


def test_settings_of_the_provider_apply(world: World) -> None:
    world.vectors("with-settings", "one", user="me", input_type="query")
    assert world.second.requests[0].json == {
        "model": "up-with-settings",
        "input": ["one"],
        "kind": "d",
        "user": "everybody",
    }


def test_no_other_model_answers(world: World) -> None:
    """`[routing.fallbacks]` names another model, which applies to chat only: its vectors would be wrong answers."""
    world.first.default = error(500)
    error_of(world.embed("alone", "one"), 502)
    assert world.second.requests == []
    world.second.default = completion("Hello")
    chat = world.http.post(
        "/v1/chat/completions",
        json={"model": "alone", "messages": [{"role": "user", "content": "?"}]},
    )
    assert chat.headers["x-llms-provider"] == "typed"


def test_a_provider_without_embeddings_is_no_candidate(world: World) -> None:
    found = error_of(world.embed("chat-only", "one"))
    assert found["message"].endswith("chatty does not offer embeddings")


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("", "input"),
        ([], "input"),
        (["a", ""], "input[1]"),
        (["a", 1], "input[1]"),
        (["a", ["b"]], "input[1][0]"),
        ([1, "a"], "input[1]"),
        ([1, -1], "input[1]"),
        ([[1], []], "input[1]"),
        ([[1], [-1]], "input[1][0]"),
        ([[1], 2], "input[1]"),
        (["a", None], "input[1]"),
        (["a", True], "input[1]"),
        ([1.5], "input[0]"),
        (["a", {"text": "b"}], "input[1]"),
        ({"text": "b"}, "input"),
        (None, "input"),
        (7, "input"),
    ],
    ids=str,
)
def test_invalid_input_is_named(world: World, value: object, param: str) -> None:
    found = error_of(world.embed("both", value))
    assert found["param"] == param, found
    assert found["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "3"}, "dimensions"),
        ({"input_type": 1}, "input_type"),
        ({"user": 1}, "user"),
        ({"stream": True}, "stream"),
        ({"model": ""}, "model"),
    ],
    ids=str,
)
def test_invalid_members_are_named(world: World, members: dict[str, object], param: str) -> None:
    response = world.http.post("/v1/embeddings", json={"model": "both", "input": "one", **members})
    assert error_of(response)["param"] == param


def test_input_is_required(world: World) -> None:
    found = error_of(world.http.post("/v1/embeddings", json={"model": "both"}))
    assert found["param"] == "input"
    assert found["code"] == "missing_required_parameter"


def test_null_means_absent(world: World) -> None:
    names = ("encoding_format", "dimensions", "input_type", "user", "stream", "other")
    world.vectors("typed-only", "one", **dict.fromkeys(names))
    assert world.second.requests[0].json == {"model": "up-typed-only", "input": ["one"]}


def _data(*vectors: object) -> Reply:
    return json_body(
        {
            "object": "list",
            "data": [{"index": index, "embedding": each} for index, each in enumerate(vectors)],
        }
    )


def _broken(body: bytes) -> Reply:
    return text_body(body.decode("latin-1"), media="application/json")


HOSTILE: dict[str, Callable[[], Reply]] = {
    "too few": lambda: _data([1]),
    "too many": lambda: _data([1], [2], [3]),
    "none": _data,
    "unequal": lambda: _data([1, 2], [3]),
    "empty": lambda: _data([], []),
    "texts": lambda: _data(["a"], ["b"]),
    "nested": lambda: _data([[1]], [[2]]),
    "null": lambda: _data([None], [1]),
    "no vector": lambda: _data(None, [1]),
    "bad base64": lambda: _data("%%%%", "AAAA"),
    "odd base64": lambda: _data("AAAA", "AAAA"),
    "NaN in base64": lambda: _data("AADAfw==", "AADAfw=="),
    "infinity in base64": lambda: _data("AACAfw==", "AACAfw=="),
    "NaN": lambda: _broken(b'{"data":[{"embedding":[NaN]},{"embedding":[1]}]}'),
    "overflow": lambda: _broken(b'{"data":[{"embedding":[1e999]},{"embedding":[1]}]}'),
    "too large for float32": lambda: _broken(b'{"data":[{"embedding":[1e39]},{"embedding":[1]}]}'),
    "twice the same": lambda: json_body(
        {"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}
    ),
    "a list": lambda: json_body([[1], [2]]),
    "a chat completion": completion,
    "an empty object": lambda: json_body({}),
    "nothing": lambda: Reply(Status(200)),
    "a page": lambda: html(200),
    "deeply nested": lambda: _broken(b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "cut off": lambda: _broken(b'{"data":[{"embedding":[1,2'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unusable_answer_leads_to_the_next_provider(world: World, name: str) -> None:
    world.first.default = HOSTILE[name]()
    response = world.embed("both", ["one", "two"])
    assert response.status_code == 200, response.text
    assert response.headers["x-llms-attempts"] == "plain;error=bad_response;status=200, typed;ok"


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unusable_answer_of_the_only_provider_is_an_error(world: World, name: str) -> None:
    world.second.default = HOSTILE[name]()
    assert error_of(world.embed("typed-only", ["one", "two"]), 502)["code"] == "provider_error"


def test_an_error_with_status_200_is_that_error(world: World) -> None:
    world.first.default = json_body(
        {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
    )
    response = world.embed("both", "one")
    assert "plain;error=rate_limit" in response.headers["x-llms-attempts"]


def test_the_providers_refusal_reaches_the_client(world: World) -> None:
    world.second.default = error(
        400, "This model does not support specifying dimensions", param="dimensions"
    )
    found = error_of(world.embed("typed-only", "one", dimensions=2))
    assert found["message"] == "This model does not support specifying dimensions"
