"""Google's list of models: https://ai.google.dev/api/models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from llms_core.dialects.gemini.request import invalid

#: Google's largest page, and what a client gets that asks for no other.
_MAX_PAGE = 1000

_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


class Model(msgspec.Struct, rename="camel"):
    """A model."""

    name: str
    display_name: str
    supported_generation_methods: tuple[str, ...] = _METHODS


class ModelPage(msgspec.Struct, rename="camel", omit_defaults=True):
    """A page of the list."""

    models: list[Model]
    next_page_token: str | None = None


def encode_models(names: Sequence[str], query: Mapping[str, str]) -> bytes:
    """Return a page: `pageSize` models after the one that `pageToken` names. Raises RequestError for other values."""
    size = _size(query.get("pageSize"))
    first = 0
    token = query.get("pageToken")
    if token:
        if token not in names:
            raise invalid("pageToken", "it is of no page of this list")
        first = names.index(token) + 1
    page = names[first : first + size]
    has_more = first + size < len(names)
    models = [_model(name) for name in page]
    return msgspec.json.encode(ModelPage(models, page[-1] if has_more else None))


def encode_model(name: str) -> bytes:
    """Return one model."""
    return msgspec.json.encode(_model(name))


def _model(name: str) -> Model:
    return Model(f"models/{name}", name)


def _size(text: str | None) -> int:
    if text is None:
        return _MAX_PAGE
    # Python refuses to read numbers of very many digits.
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**31)):
        raise invalid("pageSize", "expected a number that is not negative")
    # As at Google, 0 stands for the default, and what is larger than the maximum for the maximum.
    return min(int(text), _MAX_PAGE) or _MAX_PAGE
