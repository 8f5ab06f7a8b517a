"""The cache: what it answers from memory, and what never."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from llms_core.cache.store import Store
from llms_core.contracts.completion import Completion
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Status,
    Wait,
    completion,
    error,
    events,
    json_body,
)
from tests.conftest import Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, first_alone

CACHE = "[plugin.cache]\n"
ANNA, BERT = "key-of-anna-1234567890", "key-of-bert-1234567890"

Ask = Callable[..., Asking]


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def ask(served: Serve, asking: Callable[[Gateway], Asking], first: ScriptedUpstream) -> Ask:
    return lambda plugins=CACHE: asking(served(first_alone(first), f"{NO_RETRIES}\n{plugins}"))


def test_without_a_table_nothing_is_cached(ask: Ask, first: ScriptedUpstream) -> None:
    client = ask("")
    assert "x-llms-cache" not in client.chat().headers
    client.chat()
    assert len(first.requests) == 2


def test_a_repeated_request_is_answered_from_memory(ask: Ask, first: ScriptedUpstream) -> None:
    client = ask()
    once, again = client.chat(), client.chat()
    assert (once.headers["x-llms-cache"], again.headers["x-llms-cache"]) == ("miss", "hit")
    assert again.json() == once.json()
    assert len(first.requests) == 1


def test_the_order_of_members_and_the_way_of_answering_make_no_difference(
    ask: Ask, first: ScriptedUpstream
) -> None:
    first.default = events(
        chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"), "[DONE]"
    )
    client = ask()
    client.chat(stream=True, temperature=0, seed=1)
    hit = client.chat(seed=1, temperature=0)
    assert hit.headers["x-llms-cache"] == "hit"
    assert hit.json()["choices"][0]["message"]["content"] == "Hello"
    streamed = client.chunks(seed=1, temperature=0)
    assert streamed[0]["choices"][0]["delta"]["content"] == "Hello"
    assert len(first.requests) == 1


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"model": "m", "user": "u"}, {"n": 1}])
def test_another_request_is_asked(
    ask: Ask, first: ScriptedUpstream, change: dict[str, object]
) -> None:
    client = ask()
    client.chat()
    assert client.chat(**change).headers["x-llms-cache"] == "miss"


def test_a_failure_is_not_stored(ask: Ask, first: ScriptedUpstream) -> None:
    client = ask()
    first.script(error(500))
    assert client.chat().status_code == 502
    assert client.chat().headers["x-llms-cache"] == "miss"
    assert len(first.requests) == 2


def test_a_stream_that_was_cut_is_not_stored(ask: Ask, first: ScriptedUpstream) -> None:
    piece = Chunk(b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n')
    first.script(Reply(Status(200, {"content-type": "text/event-stream"}), piece, Close()))
    client = ask()
    assert "[DONE]" not in client.chat(stream=True).text
    assert client.chat().headers["x-llms-cache"] == "miss"


def test_requests_with_tools_are_cached_only_if_allowed(ask: Ask, first: ScriptedUpstream) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    client = ask()
    client.chat(tools=tools)
    assert "x-llms-cache" not in client.chat(tools=tools).headers
    allowed = ask("[plugin.cache]\ntools = true\n")
    allowed.chat(tools=tools)
    assert allowed.chat(tools=tools).headers["x-llms-cache"] == "hit"


def test_callers_do_not_share_answers(ask: Ask, first: ScriptedUpstream) -> None:
    anna, bert = (hashlib.sha256(key.encode()).hexdigest() for key in (ANNA, BERT))
    client = ask(f'[server]\nkeys = {{ anna = "sha256:{anna}", bert = "sha256:{bert}" }}\n{CACHE}')
    client.chat({"authorization": f"Bearer {ANNA}"})
    assert client.chat({"authorization": f"Bearer {BERT}"}).headers["x-llms-cache"] == "miss"
    assert client.chat({"authorization": f"Bearer {ANNA}"}).headers["x-llms-cache"] == "hit"


def test_equal_requests_at_the_same_time_share_one_answer(
    ask: Ask, first: ScriptedUpstream
) -> None:
    goes_on = threading.Event()
    answer = completion("Once")
    first.default = Reply(Wait(goes_on), answer)
    client = ask()
    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(client.chat) for _ in range(8)]
        first.wait_for_request()
        goes_on.set()
        states = sorted(each.result().headers["x-llms-cache"] for each in running)
    assert states == ["hit"] * 7 + ["miss"]
    assert len(first.requests) == 1


def answer(size: int) -> Completion:
    return Completion(b"x" * size)


def test_an_old_answer_is_not_used() -> None:
    store = Store[Completion](max_age=10, max_bytes=10_000)
    store.add(b"k", answer(1), now=0)
    assert store.find(b"k", now=10) is not None
    assert store.find(b"k", now=10.1) is None


def test_what_was_not_used_for_longest_makes_room() -> None:
    store = Store[Completion](max_age=10, max_bytes=3_000)
    for key in (b"a", b"b"):
        store.add(key, answer(900), now=0)
    assert store.find(b"a", now=1)
    store.add(b"c", answer(900), now=1)
    assert store.find(b"b", now=1) is None
    assert store.find(b"a", now=1)


def test_an_answer_larger_than_everything_is_not_stored() -> None:
    store = Store[Completion](max_age=10, max_bytes=1_000)
    store.add(b"k", answer(1_000), now=0)
    assert store.find(b"k", now=0) is None


def test_a_form_is_never_answered_from_memory(served: Serve, first: ScriptedUpstream) -> None:
    """The files of two forms are not compared: the second one must not get the text of the first."""
    gateway = served(first_alone(first), f"{NO_RETRIES}\n{CACHE}")
    for text in ("one", "two"):
        first.default = json_body({"text": text})
        files = {"file": ("a.wav", text.encode())}
        response = httpx.post(
            f"{gateway.base_url}/audio/transcriptions", data={"model": "m"}, files=files
        )
        assert response.json() == {"text": text}


def test_sound_is_sent_on_and_not_kept(served: Serve, first: ScriptedUpstream) -> None:
    gateway = served(first_alone(first), f"{NO_RETRIES}\n{CACHE}")
    for sound in (b"one", b"two"):
        first.default = Reply(Status(200, {"content-type": "audio/mpeg"}), Body(sound))
        response = httpx.post(
            f"{gateway.base_url}/audio/speech", json={"model": "m", "input": "Hello"}
        )
        assert response.content == sound
        assert response.headers["content-type"] == "audio/mpeg"


def test_an_image_is_answered_from_memory_whole_and_streamed(
    served: Serve, first: ScriptedUpstream
) -> None:
    gateway = served(first_alone(first), f"{NO_RETRIES}\n{CACHE}")
    first.default = json_body({"data": [{"b64_json": "QUFB"}]})
    for stream in (False, True):
        request = {"model": "m", "prompt": "a cat", "stream": stream}
        response = httpx.post(f"{gateway.base_url}/images/generations", json=request)
        assert "QUFB" in response.text
    assert response.headers["x-llms-cache"] == "hit"
    assert response.headers["content-type"].startswith("text/event-stream")
    assert len(first.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_number_of_any_size_is_not_cached_and_fails_nothing(
    ask: Ask, first: ScriptedUpstream, stream: bool
) -> None:
    client = ask()
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": %b, "metadata": 1e999}'
    # Read by its shape, because the scripted provider would not read the number.
    chunks = [chunk({"role": "assistant", "content": "Hello!"}), chunk({}, "stop")]
    first.default = events(*chunks, "[DONE]")
    received = client.post(body % (b"true" if stream else b"false"))
    assert received.status_code == 200, received.text
    assert "x-llms-cache" not in received.headers


def test_a_stream_that_cannot_be_joined_is_not_cached(ask: Ask, first: ScriptedUpstream) -> None:
    text = (
        json.dumps(chunk({"role": "assistant", "content": "Hello!"})).removesuffix("}")
        + ', "odd": 1e999}'
    )
    first.default = events(text, chunk({}, "stop"), "[DONE]")
    client = ask()
    assert [client.chat(stream=True).headers["x-llms-cache"] for _ in range(2)] == ["miss", "miss"]
