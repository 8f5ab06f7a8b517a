"""P: the time of a translation grows in proportion to its input, whichever part of it is large."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from llms_core.contracts.request import ChatCall
from llms_core.errors import LlmsError
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.groups.base import Group, example, not_applicable, streamed_example
from llms_core.testing.growth import assert_linear
from llms_core.testing.large_requests import LARGE_REQUESTS
from llms_core.testing.playback import begin_stream, decode_stream
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Event, Example

#: Each is long in a way of its own; the other examples of a Wire are variants of these.
_EXAMPLES = ("text", "parallel_calls", "reasoning", "several", "logprobs")

#: The sizes of the smaller input: entries of a list, events of a stream, characters of a text, and of a single event.
#: Both texts exceed a core's own cache. If only the smaller one fitted, the larger one would seem to take too long.
_ENTRIES = 300
_EVENTS = 300
_CHARACTERS = 2**18
_EVENT_CHARACTERS = 2**20

#: The characters of each of many events: enough for the copying of what came before to outweigh the rest.
_DELTA_CHARACTERS = 2000

#: The bytes that arrive together of a large event.
_READ = 1024

#: Texts of errors that patterns might read again from each of their characters.
_ERROR_TEXTS = ("1", "try again in 1", " ", "a ", "{", '"', "<p>", "\\")


class GrowthTests(Group):
    """Group P, for large input."""

    @pytest.mark.parametrize("what", LARGE_REQUESTS)
    def test_p_large_requests_take_linear_time(self, subject: Subject, what: str) -> None:
        """A request with many messages, tools, parts or definitions does not hold the gateway."""
        size, members = LARGE_REQUESTS[what]

        def prepare(size: int) -> Callable[[], object]:
            call = subject.call(**members(size))
            return lambda: _translate(subject, call)

        assert_linear(f"`request` of {what}", prepare, size)

    @pytest.mark.parametrize("name", _EXAMPLES)
    def test_p_large_answers_take_linear_time(self, subject: Subject, name: str) -> None:
        """An answer with a long list or text is read in linear time."""
        found = example(subject, name)
        if isinstance(found.whole, bytes):
            not_applicable(f"`{name}` is not JSON")
        call = subject.call()
        for what, size, make in _large_answers(found):

            def prepare(size: int, make: Callable[[int], bytes] = make) -> Callable[[], object]:
                body = make(size)
                return lambda: _read(subject, call, body)

            assert_linear(f"`completion` of `{name}` with {what}", prepare, size)

    @pytest.mark.parametrize("name", _EXAMPLES)
    def test_p_long_streams_take_linear_time(self, subject: Subject, name: str) -> None:
        """A stream of many events of any kind is translated in linear time."""
        found, _ = streamed_example(subject, name)
        call = subject.call(stream=True)
        for number, event in enumerate(found.events):
            if event in found.events[:number]:
                continue

            def prepare(size: int, number: int = number) -> Callable[[], object]:
                repeated = [_with_longer_delta(found.events[number], found)] * size
                events = [*found.events[:number], *repeated, *found.events[number + 1 :]]
                pieces = encode_events(events, subject.wire.framing)
                return lambda: _feed(subject, call, pieces)

            assert_linear(f"the stream `{name}` with many events like {event!r}", prepare, _EVENTS)

    def test_p_a_large_event_takes_linear_time(self, subject: Subject) -> None:
        """An event of megabytes, such as an image, that arrives in small pieces is read in linear time."""
        found, encoded = streamed_example(subject, "text")
        number, text = _first_text(subject, encoded)
        call = subject.call(stream=True)

        def prepare(size: int) -> Callable[[], object]:
            large = _with_longer_event(found.events[number], text, size)
            data = b"".join(encode_events([*found.events[:number], large], subject.wire.framing))
            pieces = [data[start : start + _READ] for start in range(0, len(data), _READ)]
            return lambda: _feed(subject, call, pieces)

        assert_linear("an event with a long text", prepare, _EVENT_CHARACTERS)

    @pytest.mark.parametrize("text", _ERROR_TEXTS)
    def test_p_large_errors_take_linear_time(self, subject: Subject, text: str) -> None:
        """The meaning of a large error body is found in linear time."""

        def prepare(size: int) -> Callable[[], object]:
            message = text * (size // len(text))
            bodies = (
                message.encode(),
                encode_json({"error": {"message": message, "code": message}}),
            )
            return lambda: [subject.adapter.error(429, {}, body) for body in bodies]

        assert_linear(f"`error` of a long text of {text!r}", prepare, 4000)


def _translate(subject: Subject, call: ChatCall) -> None:
    # Not every provider supports everything that is large here.
    with suppress(LlmsError):
        subject.adapter.request(call)


def _read(subject: Subject, call: ChatCall, body: bytes) -> None:
    with suppress(LlmsError):
        subject.adapter.completion(call, body)


def _feed(subject: Subject, call: ChatCall, pieces: Sequence[bytes]) -> None:
    decoder = decode_stream(subject, call)
    for piece in pieces:
        decoder.feed(piece)
    decoder.feed(b"")


def _large_answers(found: Example) -> Iterator[tuple[str, int, Callable[[int], bytes]]]:
    """Yield what is large, the smaller size, and a function that returns the answer of any size."""
    for path in _paths_of_lists(found.whole):
        place = ".".join(map(str, path))
        yield f"a long list in {place}", _ENTRIES, partial(_with_longer_list, found.whole, path)
    for text in _texts(found):
        yield (
            f"a long text for {text!r}",
            _CHARACTERS,
            partial(_with_longer_text, encode_json(found.whole), text),
        )


def _texts(found: Example) -> set[str]:
    """Return the texts of an example that mean something to the client."""
    texts: set[str] = set()
    for choice in found.choices:
        texts |= {choice.text, choice.reasoning}
        for call in choice.calls:
            texts |= {value for value in call.arguments.values() if isinstance(value, str)}
    return texts - {""}


def _paths_of_lists(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every list in a JSON value that is not empty."""
    if isinstance(value, list | tuple) and value:
        yield path
        for number, entry in enumerate(value):
            yield from _paths_of_lists(entry, (*path, number))
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _paths_of_lists(member, (*path, name))


def _with_longer_list(value: object, path: Sequence[str | int], size: int) -> bytes:
    """Return a JSON value in which the list at a path has its entries many times."""
    copy = json.loads(encode_json(value))
    owner = copy
    for step in path[:-1]:
        owner = owner[step]
    owner[path[-1]] = owner[path[-1]] * size
    return encode_json(copy)


def _with_longer_text(encoded: bytes, text: str, characters: int) -> bytes:
    """Return JSON in which a text, or a part of one, is repeated up to a number of characters."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    return encoded.replace(inside, inside * (characters // len(text) + 1), 1)


def _first_text(subject: Subject, encoded: Sequence[bytes]) -> tuple[int, str]:
    """Return the number of the first event of a stream with text, and the text."""
    decoder = begin_stream(subject)
    for number, event in enumerate(encoded):
        for chunk in decoder.feed(event):
            if chunk.content:
                choice = json.loads(chunk.data)["choices"][0]
                return number, choice["delta"]["content"]
    raise AssertionError("the stream of Wire.text has no text")


def _with_longer_delta(event: Event, found: Example) -> Event:
    """Return an event of a stream, with a longer text if it has a piece of what the example means."""
    if isinstance(event, bytes):
        return event
    payload = event[1] if isinstance(event, tuple) else event
    if isinstance(payload, str):
        return event
    meant = [*_texts(found), *(json.dumps(call.arguments) for call in found.calls)]
    for text in _strings(payload):
        if any(text in whole for whole in meant):
            return _with_longer_event(event, text, _DELTA_CHARACTERS)
    return event


def _strings(value: object) -> Iterator[str]:
    """Yield the texts in a JSON value that are longer than one character."""
    if isinstance(value, str) and len(value) > 1:
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _strings(member)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry)


def _with_longer_event(event: Event, text: str, characters: int) -> Event:
    """Return an event of a stream in which a text is repeated up to a number of characters."""
    if isinstance(event, tuple):
        name, payload = event
        return name, _with_longer_payload(payload, text, characters)
    if isinstance(event, bytes):
        return _with_longer_text(event, text, characters)
    return _with_longer_payload(event, text, characters)


def _with_longer_payload(payload: Mapping[str, Any] | str, text: str, characters: int) -> str:
    encoded = payload.encode() if isinstance(payload, str) else encode_json(payload)
    return _with_longer_text(encoded, text, characters).decode()
