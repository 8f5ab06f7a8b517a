"""HTML is escaped where it is put together."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from llms_core.server.pages.markup import Markup, element, join


class Reader(HTMLParser):
    """What a browser finds in a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_any_text_is_text_and_any_value_is_a_value(text: str) -> None:
    found = Reader(element("p", text, title=text))
    assert found.elements == [("p", [("title", text)])]
    assert found.text == text


def test_markup_stays_as_it_is() -> None:
    assert element("p", join("a < b ", Markup("<br>"))) == "<p>a &lt; b <br></p>"


def test_attributes_may_be_absent_or_without_a_value() -> None:
    assert (
        element("input", hidden=True, required=False, id=None, aria_label="x")
        == '<input hidden aria-label="x">'
    )
