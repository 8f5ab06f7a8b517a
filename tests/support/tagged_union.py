"""The SDKs' unions of event types, for validation."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter


def tagged_union(annotated: Any) -> TypeAdapter[Any]:
    """Return the validator of a union whose members differ in `type`.

    The SDKs say so in a way that pydantic does not know: it would try all of up to 50 members, one after the other.
    """
    union, *_ = get_args(annotated)
    tagged: Any = Annotated[union, Field(discriminator="type")]
    return TypeAdapter(tagged)
