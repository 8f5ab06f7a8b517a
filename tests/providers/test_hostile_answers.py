"""Whatever a provider sends, an adapter raises only what its contract declares: ProviderError."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.errors import ProviderError
from llms_core.provider import Discovers
from llms_core.testing.subject import Subject, find
from llms_core.testing.wire import EXAMPLES

PROVIDERS = (
    "openai-compatible",
    "azure",
    "anthropic",
    "google",
    "bedrock",
    "ollama",
    "cohere",
    "responses",
)

_NO_OBJECTS: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    1e300,
    "",
    " ",
    "x",
    "null",
    "{",
    '{"a":1}',
    "²",
    "9" * 5000,
]
SCALARS: st.SearchStrategy[Any] = st.sampled_from([*_NO_OBJECTS, [], {}, [[]], [None], {"x": {}}])
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "text", "name", "code", "message"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
EVENT_NAMES = (
    "",
    "error",
    "ping",
    "contentBlockStart",
    "contentBlockDelta",
    "messageStop",
    "metadata",
    "exception:x",
)


@functools.cache
def subject(provider: str) -> Subject:
    if provider == "responses":
        return find("openai-compatible", None, "llms_core.testing.responses_wire:RESPONSES")
    return find(provider, None)


@functools.cache
def samples(provider: str) -> tuple[Any, ...]:
    """The whole answers, events and errors that the provider's Wire has, as decoded JSON."""
    wire = subject(provider).wire
    found: list[Any] = [failure.body for failure in wire.failures]
    for name in EXAMPLES:
        example = wire.example(name)
        if example is not None:
            found += [example.whole, *example.events]
    bodies = [each[1] if isinstance(each, tuple) else each for each in found]
    return tuple(json.loads(json.dumps(body)) for body in bodies if isinstance(body, Mapping))


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values within a JSON value."""
    found = [prefix] if prefix else []
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        found += paths(inner, (*prefix, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@st.composite
def hostile_bodies(draw: st.DrawFn, provider: str) -> bytes:
    """An answer, an event or an error of the provider in which one or two values are of another type."""
    value = draw(st.sampled_from(samples(provider)))
    for _ in range(draw(st.integers(1, 2))):
        places = paths(value)
        if not places:
            break
        value = replaced(value, draw(st.sampled_from(places)), draw(JSON_VALUES))
    return json.dumps(value).encode()


def bodies(provider: str) -> st.SearchStrategy[bytes]:
    return (
        hostile_bodies(provider)
        | JSON_VALUES.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=40)
    )


hostile = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@each_provider
@hostile
@given(data=st.data())
def test_a_hostile_answer_is_a_completion_or_a_provider_error(
    provider: str, data: st.DataObject
) -> None:
    found = subject(provider)
    with suppress(ProviderError):
        completion = found.adapter.completion(found.call(), data.draw(bodies(provider)))
        assert type(completion) is Completion
        json.loads(completion.data)


@each_provider
@hostile
@given(data=st.data())
def test_a_hostile_stream_gives_chunks_or_a_provider_error(
    provider: str, data: st.DataObject
) -> None:
    found = subject(provider)
    translator = found.adapter.chunks(found.call(stream=True))
    events = data.draw(
        st.lists(st.tuples(st.sampled_from(EVENT_NAMES), bodies(provider)), max_size=8)
    )
    with suppress(ProviderError):
        for name, body in events:
            for chunk in translator.feed(name, body):
                assert type(chunk) is Chunk
                json.loads(chunk.data)


@each_provider
@hostile
@given(data=st.data())
def test_a_hostile_error_is_a_provider_error(provider: str, data: st.DataObject) -> None:
    names = st.sampled_from(
        ["retry-after", "retry-after-ms", "x-amzn-errortype", "x-ratelimit-reset-tokens"]
    )
    headers = data.draw(st.dictionaries(names, st.text(max_size=20)))
    status = data.draw(st.sampled_from([200, 400, 401, 429, 500]))
    error = subject(provider).adapter.error(status, headers, data.draw(bodies(provider)))
    assert isinstance(error, ProviderError)
    assert isinstance(error.message, str)


@each_provider
@hostile
@given(data=st.data())
def test_a_hostile_list_of_models_is_a_list_or_a_provider_error(
    provider: str, data: st.DataObject
) -> None:
    adapter = subject(provider).adapter
    assert isinstance(adapter, Discovers)
    with suppress(ProviderError):
        adapter.models(data.draw(bodies(provider)))
