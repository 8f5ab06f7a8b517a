"""The parser of forms: whatever the pieces, the provider reads what the gateway has read."""

from __future__ import annotations

import email
import email.policy
import itertools
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llms_core.errors import RequestError
from llms_core.server.form_parser import FormParser, boundary_of

BOUNDARY = "a-boundary"
Field = tuple[str, str | None, bytes]


def form(*fields: Field, boundary: str = BOUNDARY, end: bytes = b"--\r\n") -> bytes:
    """A form of fields with a name, a file name if there is one, and content."""
    parts = []
    for name, filename, content in fields:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}".encode() + end


def written(
    data: bytes, splits: Sequence[int] = (), model: bytes = b"other"
) -> tuple[FormParser, bytes]:
    """The form that is sent on, with another model."""
    parser = FormParser(BOUNDARY, ["stream"])
    output = b""
    bounds = [0, *sorted(split % (len(data) + 1) for split in splits), len(data)]
    for start, end in itertools.pairwise(bounds):
        if start < end:
            output += parser.feed(data[start:end])
    output += parser.end()
    assert len(output) == parser.size
    offset = parser.model_offset
    if offset is None:
        return parser, parser.model_part() + model + b"\r\n" + output
    return parser, output[:offset] + model + output[offset:]


def read(data: bytes) -> list[tuple[object, object]]:
    """The names and contents of a form, as Python's own parser reads it."""
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/form-data; boundary="{BOUNDARY}"\r\n\r\n'.encode()
    message = email.message_from_bytes(head + data, policy=email.policy.HTTP)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in parts
    ]


CONTENT = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"\r\n",
        b"\r",
        b"--",
        b"\r\n--",
        b"\r\n--a-boundar",
        b"--a-boundary",
        b"\r\n--a-boundarx\r\n",
    ]
)
# The boundary itself must not be in a part's content.
FILE = (
    st.lists(CONTENT, max_size=4)
    .map(b"".join)
    .filter(lambda data: b"\r\n--a-boundary" not in b"\r\n" + data)
)


@given(before=FILE, after=FILE, splits=st.lists(st.integers(0, 1000), max_size=30))
@example(before=b"\r\n--a-boundar", after=b"\r", splits=list(range(400)))
def test_the_pieces_make_no_difference(before: bytes, after: bytes, splits: list[int]) -> None:
    data = form(("file", "a.wav", before), ("model", None, b"whisper-1"), ("rest", None, after))
    parser, output = written(data, splits)
    assert parser.fields == {"model": "whisper-1"}
    assert output == written(data)[1]
    expected = form(("file", "a.wav", before), ("model", None, b"other"), ("rest", None, after))
    assert output == expected.replace(b"content-disposition", b"Content-Disposition")


@given(cut=st.integers(0, 300), splits=st.lists(st.integers(0, 1000), max_size=5))
def test_a_form_that_is_cut_off_is_an_error(cut: int, splits: list[int]) -> None:
    data = form(("model", None, b"whisper-1"), ("file", "a.wav", bytes(100)))
    # All but the line end after the last boundary.
    needed = len(data) - 2
    with pytest.raises(RequestError, match="form"):
        written(data[: cut % needed], splits)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_whatever_is_sent_on_has_an_end(junk: bytes, splits: list[int]) -> None:
    for data in (junk, form(("model", None, b"m"), end=b"\r\n") + junk):
        with suppress(RequestError):
            parser, output = written(data, splits)
            assert parser.complete
            assert b"\r\n--a-boundary--\r\n" in b"\r\n" + output


def test_other_parsers_read_what_was_read_here() -> None:
    data = (
        b"a preamble\r\n"
        + form(("model", None, b"m"), ("file", 'a \\"b".wav', b"\r\n\x00\xff"))
        + b"an epilogue"
    )
    _, output = written(data)
    assert [name for name, _ in read(output)] == ["model", "file"]
    assert dict(read(output))["model"] == b"other"
    assert b"preamble" not in output
    assert b"epilogue" not in output


def test_a_form_without_a_model_gets_one() -> None:
    parser, output = written(form(("file", "a.wav", b"sound")))
    assert parser.fields == {}
    assert read(output) == [("model", b"other"), ("file", b"sound")]


def test_only_fields_that_were_asked_for_are_read() -> None:
    parser, _ = written(
        form(("model", None, b"m"), ("prompt", None, b"p" * 10_000), ("stream", None, b"true"))
    )
    assert parser.fields == {"model": "m", "stream": "true"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((("model", None, b"a"), ("model", None, b"b")), "the field 'model' once"),
        ((("stream", None, b"a"), ("stream", None, b"b")), "the field 'stream' once"),
        ((("model", None, b"a"), ("model", "a.txt", b"b")), "the field 'model' once"),
        ((("model", "a.txt", b"b"),), "the field 'model' once"),
        ((("model", None, b"a" * 5000),), "exceeds"),
        ((("model", None, b"\xff"),), "not UTF-8"),
        (tuple(("x", None, b"") for _ in range(1001)), "segment count"),
    ],
)
def test_a_form_that_could_be_read_in_two_ways_is_refused(
    fields: tuple[Field, ...], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        written(form(*fields))


def test_a_header_cannot_hide_another() -> None:
    data = form(("model", None, b"m")).replace(b'"model"', b'"model"\n\n')
    with pytest.raises(RequestError, match="line"):
        written(data)


def test_the_length_of_the_models_part_is_left_out() -> None:
    data = form(("model", None, b"m")).replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n", 1)
    _, output = written(data)
    assert b"Content-Length" not in output


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=a",
        "multipart/form-data; boundary=",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(RequestError, match="must be a form") as caught:
        boundary_of(content_type)
    assert caught.value.status == 415


@pytest.mark.parametrize("boundary", ["é", "a" * 201])
def test_an_odd_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(RequestError, match="boundary"):
        boundary_of(f'multipart/form-data; boundary="{boundary}"')


def test_a_boundary_may_be_quoted() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"') == "a b"
