"""Redaction: of every form in which a provider may repeat a key, also where its text is cut."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.failure import classify
from llms_core.secret import MASK, Redactor, Secret, redact

KEY = "sk-MARK/+=<&>'\"0123456789abcdefghijklmnopqrst"

FORMS = {
    "plain": KEY,
    "a URL's query": quote_plus(KEY),
    "a URL's path": quote(KEY),
    "a URL, all escaped": quote(KEY, safe=""),
    "a URL, in lower case": re.sub("%..", lambda code: code[0].lower(), quote(KEY, safe="")),
    "HTML": html.escape(KEY),
    "HTML, as PHP writes it": html.escape(KEY).replace("&#x27;", "&#39;"),
    "HTML, of older PHP": html.escape(KEY).replace("&#x27;", "&#039;"),
    "HTML, all escaped": re.sub(r"[^\w-]", lambda found: f"&#{ord(found[0])};", KEY),
    "HTML, in hexadecimal": re.sub(r"[^\w-]", lambda found: f"&#x{ord(found[0]):X};", KEY),
    "JSON": json.dumps(KEY)[1:-1],
    "JSON, safe in HTML": re.sub(
        "[<>&='+]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(KEY)[1:-1]
    ),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64url": base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_redacted_in_each_form(form: str) -> None:
    redacted = Redactor([Secret(KEY)])(f"before {FORMS[form]} after")
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert MASK in redacted
    # Base64 may keep a character that is nearly all padding.
    assert len(redacted) <= len("before *** after") + 2


@pytest.mark.parametrize("user", ["", "u", "us", "use"])
def test_a_key_is_redacted_at_each_offset_in_base64(user: str) -> None:
    """As the password of Basic authentication."""
    encoded = base64.b64encode(f"{user}:{KEY}:more".encode()).decode()
    assert len(Redactor([Secret(KEY)])(encoded)) < 20


@given(
    st.text(st.characters(codec="utf-8"), min_size=20, max_size=60),
    st.binary(max_size=5),
    st.binary(max_size=5),
)
def test_any_key_is_redacted_in_base64(key: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + key.encode() + after).decode()
    rest = len(Redactor([Secret(key)])(encoded).replace(MASK, ""))
    assert rest <= (len(before) + len(after)) * 2 + 8


ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda character: character,
    lambda character: f"%{ord(character):02x}",
    lambda character: f"%25{ord(character):02X}",
    lambda character: f"&#{ord(character)};",
    lambda character: f"&#x{ord(character):x};",
    lambda character: f"&#x{ord(character):04X};",
    lambda character: f"&amp;#{ord(character)};",
    lambda character: f"\\u{ord(character):04x}",
    lambda character: f"\\\\u{ord(character):04X}",
    lambda character: f"\\x{ord(character):02x}",
    html.escape,
)


@given(st.lists(st.sampled_from(ESCAPES), min_size=len(KEY), max_size=len(KEY)))
def test_a_key_is_redacted_whichever_of_its_characters_are_escaped(
    escapes: list[Callable[[str], str]],
) -> None:
    """Templates escape `/` but not `+`, or the other way round; and a text may be escaped twice."""
    escaped = "".join(escape(character) for escape, character in zip(escapes, KEY, strict=True))
    assert Redactor([Secret(KEY)])(f"before {escaped} after") == f"before {MASK} after"


def test_a_text_without_a_key_keeps_its_escapes() -> None:
    text = r"100%25 of &lt;b&gt; in C:\x41 and \u0041"
    assert Redactor([Secret(KEY)])(text) == text


def test_a_cut_shows_no_part_of_a_key_that_is_escaped_completely() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    shown = Redactor([Secret(KEY)]).truncated("-" * 90 + escaped, 120)
    assert "u0073" not in shown


def test_a_key_may_hold_bytes_that_are_no_text() -> None:
    """As a variable of the environment may, which Python reads as surrogates."""
    key = b"sk-\xff\xfe-0123456789".decode(errors="surrogateescape")
    assert Redactor([Secret(key)])(f"no good with {key}") == f"no good with {MASK}"


def test_a_key_that_begins_like_another_one_is_redacted_completely() -> None:
    redacted = Redactor([Secret("sk-123456"), Secret("sk-1234567890")])("sk-1234567890")
    assert redacted == MASK


def test_short_values_are_not_redacted() -> None:
    """They would redact ordinary words."""
    assert Redactor([Secret("model")])("the model") == "the model"


@given(st.integers(0, 200), st.integers(0, 60), st.integers(0, 3))
def test_a_cut_shows_no_part_of_a_key(before: int, limit: int, repeats: int) -> None:
    """Wherever it is, and however much shorter the text becomes by redaction."""
    text = "-" * before + KEY * repeats + "." * 10 + KEY
    shown = Redactor([Secret(KEY)]).truncated(text, limit)
    assert len(shown) <= limit
    assert "sk-M" not in shown


def test_a_short_text_is_not_cut() -> None:
    assert Redactor([Secret(KEY)]).truncated(f"no good with {KEY}", 100) == f"no good with {MASK}"


def test_a_long_text_is_cut_at_the_limit() -> None:
    assert Redactor([Secret(KEY)]).truncated("x" * 500, 100) == "x" * 100


def test_secrets_of_the_run_time_are_redacted_and_the_oldest_forgotten() -> None:
    """Tokens expire, and a gateway that runs for months must not keep all of them."""
    redactor = Redactor()
    for number in range(1000):
        redactor.add_recent([Secret(f"token-{number:04}")])
    assert redactor("token-0999") == MASK
    assert redactor("token-0000") == "token-0000"


@pytest.mark.parametrize("cut", [500, 2000])
@pytest.mark.parametrize("length", range(-60, 3, 3))
def test_an_error_shows_no_part_of_a_key_that_it_cuts(cut: int, length: int) -> None:
    """In every member, and in the text of a provider behind a router."""
    redact.add([Secret(KEY)])
    text = "x" * (cut + length) + KEY
    for error in (
        {"message": text},
        {"message": {"detail": text}},
        {"message": "m", "type": {"a": text}},
        {"message": "m", "param": [text]},
        {"message": "m", "code": text},
        {"message": "m", "metadata": {"raw": text}},
        {"message": "m", "metadata": {"raw": json.dumps({"error": text})}},
    ):
        found = classify(401, {}, json.dumps({"error": error}).encode())
        for shown in (found.message, found.type, found.code, found.param):
            assert "sk-M" not in (shown or "")
