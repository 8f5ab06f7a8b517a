"""What clients can do with stored responses: continue them, refer to their items, retrieve and delete them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw

from llms_core.contracts.json import decode_members, encode_raw
from llms_core.dialects import IncomingRequest, Route
from llms_core.dialects.responses import request as requests
from llms_core.dialects.responses.context import input_item_id, place_of
from llms_core.dialects.responses.items import Item
from llms_core.dialects.responses.store import ResponseStore, StoredResponse
from llms_core.errors import RequestError

_PATH = "/v1/responses/{response_id}"
_TAG = "Responses"
_DEFAULT_LIMIT = 20
_MAX_LIMIT = 100


class _Output(msgspec.Struct):
    output: Raw


_decode_output = msgspec.json.Decoder(_Output).decode


class StoredResponses:
    """The stored responses of one server."""

    def __init__(self, store: ResponseStore):
        self._store = store

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes for stored responses."""
        return (
            Route(
                method="GET",
                path=_PATH,
                serve=self._retrieve,
                summary="Retrieve a stored response",
                operation_id="RetrieveResponse",
                tag=_TAG,
            ),
            Route(
                method="DELETE",
                path=_PATH,
                serve=self._delete,
                summary="Delete a stored response",
                operation_id="DeleteResponse",
                tag=_TAG,
            ),
            Route(
                method="GET",
                path=f"{_PATH}/input_items",
                serve=self._list_input,
                summary="List the input items of a stored response",
                operation_id="ListResponseInputItems",
                tag=_TAG,
            ),
        )

    async def conversation(self, id: str, caller: str) -> list[Item]:
        """Return the items of a response and of all before it. Raises RequestError if one is not stored."""
        chain = await self._store.chain(id, caller)
        if not chain:
            raise RequestError(
                f"Previous response with id '{id[:100]}' not found, or one before it",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        items: list[Item] = []
        for stored in chain:
            items += requests.decode_items(stored.input)
            items += requests.decode_items(_decode_output(stored.response).output)
        # References were resolved when they were sent, and would have to be again.
        for number, item in enumerate(items):
            if item.is_reference:
                items[number] = await self.item(item.id or "", caller, "previous_response_id")
        return items

    async def item(self, id: str, caller: str, param: str) -> Item:
        """Return a single item of a stored response. Raises RequestError, which names `param`."""
        place = place_of(id)
        if place is not None:
            response_id, is_input, position = place
            stored = await self._store.find(response_id, caller)
            if stored is not None:
                data = stored.input if is_input else bytes(_decode_output(stored.response).output)
                for number, item in enumerate(requests.decode_items(data)):
                    is_meant = number == position if is_input else item.id == id
                    if is_meant and not item.is_reference:
                        return item
        raise RequestError(
            f"Item with id '{id[:100]}' not found", param=param, code="item_not_found"
        )

    async def _retrieve(self, incoming: IncomingRequest) -> bytes:
        query = parse_qs(incoming.query.decode("latin-1"))
        if query.get("stream", ["false"])[-1] == "true":
            message = "A stored response cannot be streamed again"
            raise RequestError(message, param="stream", code="unsupported")
        stored = await self._find(incoming)
        return stored.response

    async def _delete(self, incoming: IncomingRequest) -> bytes:
        response_id = incoming.parameters["response_id"]
        if not (self._store.enabled and await self._store.delete(response_id, _caller(incoming))):
            raise _not_found(response_id)
        return msgspec.json.encode({"id": response_id, "object": "response", "deleted": True})

    async def _list_input(self, incoming: IncomingRequest) -> bytes:
        query = parse_qs(incoming.query.decode("latin-1"))
        limit = _limit(query.get("limit", [str(_DEFAULT_LIMIT)])[-1])
        stored = await self._find(incoming)
        items = _input_items(stored)
        if query.get("order", ["desc"])[-1] != "asc":
            items.reverse()
        after = query.get("after", [""])[-1]
        ids = [_id_of(item) for item in items]
        start = ids.index(after) + 1 if after in ids else 0
        page = items[start : start + limit]
        return msgspec.json.encode(
            {
                "object": "list",
                "data": page,
                "first_id": _id_of(page[0]) if page else None,
                "last_id": _id_of(page[-1]) if page else None,
                "has_more": start + limit < len(items),
            }
        )

    async def _find(self, incoming: IncomingRequest) -> StoredResponse:
        response_id = incoming.parameters["response_id"]
        stored = (
            await self._store.find(response_id, _caller(incoming)) if self._store.enabled else None
        )
        if stored is None:
            raise _not_found(response_id)
        return stored


def _input_items(stored: StoredResponse) -> list[dict[str, Raw]]:
    """Return the input of a response as items with all members that clients expect in a list."""
    value = msgspec.json.decode(stored.input, type=str | list[Raw])
    if isinstance(value, str):
        value = [encode_raw({"role": "user", "content": value})]
    items = []
    for number, raw in enumerate(value):
        item = {
            "type": encode_raw("message"),
            "id": encode_raw(input_item_id(stored.id, number)),
            **decode_members(raw),
        }
        content = _text_as_part(item)
        if content is not None:
            item["content"] = content
        items.append(item)
    return items


def _text_as_part(item: dict[str, Raw]) -> Raw | None:
    """The content of a message as a list of parts, if it is a string."""
    content = item.get("content")
    if content is None or not bytes(content).startswith(b'"'):
        return None
    if item.get("role") == b'"assistant"':
        return encode_raw([{"type": "output_text", "text": content, "annotations": []}])
    return encode_raw([{"type": "input_text", "text": content}])


def _id_of(item: dict[str, Raw]) -> Any:
    return msgspec.json.decode(item["id"])


def _limit(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= _MAX_LIMIT:
        return int(text)
    raise RequestError(
        f"'limit' must be a number from 1 to {_MAX_LIMIT}", param="limit", code="invalid_value"
    )


def _caller(incoming: IncomingRequest) -> str:
    if incoming.caller is not None:
        return incoming.caller.name
    return ""


def _not_found(id: str) -> RequestError:
    message = f"Response with id '{id[:100]}' not found"
    return RequestError(message, status=404, param="response_id", code="not_found")
