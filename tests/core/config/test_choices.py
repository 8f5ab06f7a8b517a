"""Errors about names of which there are only a few say which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from llms_core.config.choices import explained, struct_at
from llms_core.config.locate import JsonPath
from llms_core.config.locate import explained as located


class Inner(msgspec.Struct):
    mode: Annotated[Literal["slow", "fast"] | None, Meta(description="How.")] = None


class Outer(msgspec.Struct):
    inner: Inner | None = None
    by_name: Annotated[Mapping[str, str | Inner], Meta(examples=[{}])] = {}
    listed: tuple[Inner, ...] = ()
    actions: Mapping[Literal["stop", "next"], int] = {}


@pytest.mark.parametrize(
    ("value", "path", "hint"),
    [
        ({"inner": {"mode": "fats"}}, ("inner", "mode"), "did you mean 'fast'? one of: fast, slow"),
        ({"by_name": {"a": {"mode": "x"}}}, ("by_name", "a", "mode"), "one of: fast, slow"),
        ({"listed": [{}, {"mode": "x"}]}, ("listed", 1, "mode"), "one of: fast, slow"),
        ({"actions": {"halt": 1}}, ("actions", "halt"), "one of: next, stop"),
        ({"inner": {"mode": 1}}, ("inner", "mode"), ""),
    ],
)
def test_the_names_that_are_allowed(value: object, path: JsonPath, hint: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, Outer)
    message, where = located(raised.value, value, lambda changed: msgspec.convert(changed, Outer))
    assert explained(message, where, Outer)[1:] == (path, hint)


@pytest.mark.parametrize(
    ("path", "struct"),
    [((), Outer), (("inner",), Inner), (("by_name", "a"), Inner), (("listed", 0), Inner)],
)
def test_the_struct_at_a_path(path: JsonPath, struct: type[msgspec.Struct]) -> None:
    assert struct_at(Outer, path) is struct
