"""Anthropic's list of models: https://platform.claude.com/docs/en/api/models/list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from llms_core.dialects.messages.request import invalid

#: Anthropic's largest page, and what a client gets that asks for no other.
_MAX_PAGE = 1000

#: What Anthropic's reference says for a model whose release date is unknown.
_EPOCH = "1970-01-01T00:00:00Z"


class Model(msgspec.Struct, tag_field="type", tag="model"):
    """A model."""

    id: str
    display_name: str
    created_at: str = _EPOCH


class ModelPage(msgspec.Struct):
    """A page of the list."""

    data: list[Model]
    has_more: bool
    first_id: str | None
    last_id: str | None


def encode_models(names: Sequence[str], query: Mapping[str, str]) -> bytes:
    """Return a page: `limit` models after `after_id` or before `before_id`. Raises RequestError for other values."""
    size = _limit(query.get("limit"))
    first = 0
    last = len(names)
    if "after_id" in query:
        first = _position(names, query["after_id"], "after_id") + 1
    if "before_id" in query:
        last = _position(names, query["before_id"], "before_id")
        first = max(first, last - size)
    page = names[first:last][:size]
    has_more = first > 0 if "before_id" in query else first + len(page) < last
    models = [Model(name, name) for name in page]
    ends = (page[0], page[-1]) if page else (None, None)
    return msgspec.json.encode(ModelPage(models, has_more, *ends))


def encode_model(name: str) -> bytes:
    """Return one model."""
    return msgspec.json.encode(Model(name, name))


def _limit(text: str | None) -> int:
    if text is None:
        return _MAX_PAGE
    # Python refuses to read numbers of very many digits.
    if (
        not text.isascii()
        or not text.isdigit()
        or len(text) > len(str(_MAX_PAGE))
        or not 1 <= int(text) <= _MAX_PAGE
    ):
        raise invalid("limit", f"expected a number from 1 to {_MAX_PAGE}")
    return int(text)


def _position(names: Sequence[str], id: str, param: str) -> int:
    if id not in names:
        raise invalid(param, "no model has this id")
    return names.index(id)
