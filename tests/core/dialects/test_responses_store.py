"""Stored responses: continued, retrieved, deleted, shared by workers, and nobody else's."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from response_events import response_in

from llms_core.testing import ScriptedUpstream, completion, events, response
from llms_core.testing.upstream.responses import message_item
from tests.conftest import Serve
from tests.core.server.conftest import Asking, chunk, error_of, first_alone, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def created(ask: Asking, input: object = "Hello", **members: object) -> Json:
    response = ask.post({"model": "m", "input": input, **members}, RESPONSES)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def refused(ask: Asking, **members: object) -> Json:
    response = ask.post({"model": "m", "input": "Hello", **members}, RESPONSES)
    assert response.status_code == 400, response.text
    return error_of(response)


def messages(first: ScriptedUpstream) -> list[Json]:
    found: list[Json] = first.requests[-1].json["messages"]
    return found


class Serving(Protocol):
    """The fixture `serving`."""

    def __call__(self, plugins: str = "") -> Asking: ...


@pytest.fixture
def serving(served: Serve, upstream: ScriptedUpstream) -> Iterator[Serving]:
    """Starts gateways that share the user's folder, with a client each."""
    with ExitStack() as clients:

        def serve(plugins: str = "") -> Asking:
            ask = Asking(served(first_alone(upstream), plugins))
            clients.callback(ask.http.close)
            return ask

        yield serve


def test_a_conversation_continues_where_it_ended(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = completion("One")
    one = created(ask, "1", instructions="Count")
    first.default = completion("Two")
    two = created(ask, "2", previous_response_id=one["id"])
    first.default = events(chunk({"content": "Three"}), chunk({}, "stop"), "[DONE]")
    body = {"model": "m", "input": "3", "previous_response_id": two["id"], "stream": True}
    three = response_in(ask.post(body, RESPONSES).text)
    created(ask, "4", previous_response_id=three["id"])
    assert three["previous_response_id"] == two["id"]
    # Instructions are not carried over.
    assert [message["content"] for message in messages(first)] == [
        "1",
        "One",
        "2",
        "Two",
        "3",
        "Three",
        "4",
    ]


def test_the_output_of_a_tool_alone_continues(ask: Asking, first: ScriptedUpstream) -> None:
    """As agent-framework sends it. Reasoning and signatures come back to the provider as well."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm",
        "tool_calls": [call],
    }
    first.default = whole(message, "tool_calls")
    one = created(ask, tools=[TOOL])
    first.default = whole()
    output = {"type": "function_call_output", "call_id": "c1", "output": "done"}
    created(ask, [output], previous_response_id=one["id"], tools=[TOOL])
    assert messages(first)[1:] == [
        message,
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]


def test_an_item_is_referred_to_by_its_id(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = completion("One")
    one = created(ask, "1")
    item_id = one["output"][0]["id"]
    (asked,) = ask.get(f"{RESPONSES}/{one['id']}/input_items").json()["data"]
    items = [
        {"type": "item_reference", "id": asked["id"]},
        {"id": item_id},
        {"role": "user", "content": "2"},
    ]
    two = created(ask, items)
    assert [message["content"] for message in messages(first)] == ["1", "One", "2"]
    created(ask, "3", previous_response_id=two["id"])
    assert [message["content"] for message in messages(first)][:3] == ["1", "One", "2"]

    unknown = refused(ask, input=[{"type": "item_reference", "id": "msg_1"}])
    assert (unknown["param"], unknown["code"]) == ("input[0].id", "item_not_found")


def test_a_response_is_retrieved_as_it_was_sent(ask: Asking) -> None:
    one = created(ask, metadata={"k": "v"})
    found = ask.get(f"{RESPONSES}/{one['id']}")
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json() == one


def test_input_items_are_listed_in_pages(ask: Asking) -> None:
    items = [{"role": "user", "content": str(number)} for number in range(5)]
    path = f"{RESPONSES}/{created(ask, items)['id']}/input_items"

    def texts(query: str) -> list[str]:
        return [item["content"][0]["text"] for item in ask.get(f"{path}?{query}").json()["data"]]

    assert texts("") == ["4", "3", "2", "1", "0"]
    assert texts("order=asc&limit=2") == ["0", "1"]
    page = ask.get(f"{path}?order=asc&limit=2").json()
    assert page["has_more"] is True
    assert texts(f"order=asc&limit=2&after={page['last_id']}") == ["2", "3"]
    assert error_of(ask.get(f"{path}?limit=101"))["param"] == "limit"


def test_a_deleted_response_is_gone(ask: Asking) -> None:
    one = created(ask)
    two = created(ask, previous_response_id=one["id"])
    deleted = ask.http.delete(f"{RESPONSES}/{one['id']}")
    assert deleted.json() == {"id": one["id"], "object": "response", "deleted": True}
    for missing in (
        ask.get(f"{RESPONSES}/{one['id']}"),
        ask.http.delete(f"{RESPONSES}/{one['id']}"),
    ):
        assert missing.status_code == 404
        assert error_of(missing)["param"] == "response_id"
    # A conversation without its beginning would be another one.
    error = refused(ask, previous_response_id=two["id"])
    assert (error["param"], error["code"]) == (
        "previous_response_id",
        "previous_response_not_found",
    )


def test_what_is_not_to_be_stored_is_not(ask: Asking) -> None:
    one = created(ask, store=False)
    assert one["store"] is False
    assert ask.get(f"{RESPONSES}/{one['id']}").status_code == 404


def test_a_failed_stream_is_not_stored(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(chunk({"content": "Hel"}), {"error": {"message": "Sorry"}})
    failed = response_in(ask.post({"model": "m", "input": "Hello", "stream": True}, RESPONSES).text)
    assert failed["store"] is False
    assert ask.get(f"{RESPONSES}/{failed['id']}").status_code == 404


def test_the_file_is_the_users_alone(ask: Asking) -> None:
    created(ask)
    (path,) = ask.gateway.root.glob("responses.sqlite3")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_workers_share_what_is_stored(serving: Serving, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("One")
    workers = [serving(), serving()]
    previous = created(workers[0], "0")["id"]
    for number in range(1, 5):
        previous = created(workers[number % 2], str(number), previous_response_id=previous)["id"]
    assert len(messages(upstream)) == 9
    assert workers[1].get(f"{RESPONSES}/{previous}").status_code == 200


def test_a_response_belongs_to_its_caller(serving: Serving) -> None:
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("ann", "bob")}
    keys = "".join(f'{name} = "sha256:{value}"\n' for name, value in hashes.items())
    ask = serving(f"[server.keys]\n{keys}")
    ann, bob = ({"authorization": f"Bearer {name}"} for name in ("ann", "bob"))
    one = ask.post({"model": "m", "input": "Secret"}, RESPONSES, ann).json()
    path = f"{RESPONSES}/{one['id']}"
    assert ask.get(path, ann).status_code == 200
    assert ask.get(path, bob).status_code == 404
    assert ask.get(f"{path}/input_items", bob).status_code == 404
    assert ask.http.delete(path, headers=bob).status_code == 404
    assert ask.get(path).status_code == 401
    body = {"model": "m", "input": "Go on", "previous_response_id": one["id"]}
    assert error_of(ask.post(body, RESPONSES, bob))["code"] == "previous_response_not_found"
    reference = {"model": "m", "input": [{"type": "item_reference", "id": one["output"][0]["id"]}]}
    assert error_of(ask.post(reference, RESPONSES, bob))["code"] == "item_not_found"


def test_of_two_responses_with_one_id_the_last_one_counts(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    """Some servers number their responses from the beginning when they start."""
    config = first_alone(upstream)
    config["providers"]["first"] |= {"protocol": "responses"}
    upstream.default = response(message_item("Hello!"))
    with ExitStack() as clients:
        ask = Asking(served(config))
        clients.callback(ask.http.close)
        assert created(ask, "One")["id"] == created(ask, "Two")["id"] == "resp_1"
        listed = ask.get(f"{RESPONSES}/resp_1/input_items").json()["data"]
    assert [part["text"] for item in listed for part in item["content"]] == ["Two"]


def test_a_server_that_stores_nothing_says_so(serving: Serving, tmp_path: Path) -> None:
    ask = serving("[responses]\nstore = false\n")
    response = ask.post({"model": "m", "input": "Hello", "store": True}, RESPONSES)
    assert response.json()["store"] is False
    assert response.headers["x-llms-dropped-params"] == "store"
    assert created(ask)["store"] is False
    error = refused(ask, previous_response_id=response.json()["id"])
    assert error["param"] == "previous_response_id"
    assert "[responses] store = false" in error["message"]
    assert refused(ask, input=[{"type": "item_reference", "id": "msg_1"}])["param"] == "input[0].id"
    assert ask.get(f"{RESPONSES}/{response.json()['id']}").status_code == 404
    assert not list(tmp_path.rglob("responses.sqlite3"))


def test_the_oldest_responses_make_room(serving: Serving) -> None:
    ask = serving("[responses]\nmax_bytes = 20000\n")
    ids = [created(ask, "x" * 3000)["id"] for _ in range(12)]
    found = [ask.get(f"{RESPONSES}/{each}").status_code for each in ids]
    assert found[0] == 404
    assert found[-1] == 200
    assert found == sorted(found, reverse=True)


def test_old_responses_are_forgotten(serving: Serving, tmp_path: Path) -> None:
    ask = serving("[responses]\nmax_age = 3600\n")
    one = created(ask)["id"]
    with sqlite3.connect(tmp_path / "responses.sqlite3") as database:
        database.execute("UPDATE responses SET created = created - 3601")
    database.close()
    assert ask.get(f"{RESPONSES}/{one}").status_code == 404
    assert refused(ask, previous_response_id=one)["code"] == "previous_response_not_found"


def test_an_answer_that_cannot_be_stored_is_sent_and_says_so(
    serving: Serving, tmp_path: Path
) -> None:
    (tmp_path / "responses.sqlite3").mkdir()
    ask = serving()
    one = created(ask)
    assert one["store"] is False
    streamed = response_in(
        ask.post({"model": "m", "input": "Hello", "stream": True}, RESPONSES).text
    )
    assert streamed["store"] is False
    assert "cannot be stored" in ask.gateway.log()
    unavailable = ask.get(f"{RESPONSES}/{one['id']}")
    assert unavailable.status_code == 503
    assert error_of(unavailable)["code"] == "store_unavailable"
