"""OpenAI's Responses API: `POST /v1/responses` and `/v1/responses/input_tokens`, and what is stored of it.

A request is translated to the operation `chat`, so that every provider can answer it, and the answer back to the items
of this API. What a provider lacks is left out with notice, or refused if the answer would be another one.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.contracts.completion import Completion
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.request import ChatBody
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, Route, openai_error
from llms_core.dialects.responses import request as requests
from llms_core.dialects.responses.answer import response_of
from llms_core.dialects.responses.context import Context, is_own
from llms_core.dialects.responses.original import id_of, original, passed_on
from llms_core.dialects.responses.request import CLIENT_NAMES, History
from llms_core.dialects.responses.schema import ResponseObject, ResponsesRequest
from llms_core.dialects.responses.store import ResponseStore, StoredResponse
from llms_core.dialects.responses.stored import StoredResponses
from llms_core.dialects.responses.writer import ResponseWriter
from llms_core.dialects.token_count import count_headers
from llms_core.errors import RequestError
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT
from llms_core.operations.count_tokens import COUNT_TOKENS

_FILE = "responses.sqlite3"

#: The code of requests that cannot be answered here.
_UNSUPPORTED = "unsupported"
#: The codes of requests that refer to something which is not stored here.
_UNKNOWN_HERE = frozenset({_UNSUPPORTED, "previous_response_not_found", "item_not_found"})


_TAG = "Responses"


class InputTokens(msgspec.Struct):
    """How many tokens the input of a request has."""

    object: Literal["response.input_tokens"]
    input_tokens: int


def create(settings: Responses, folder: Path) -> tuple[Dialect, ...]:
    """Return the dialects, which store their responses in `folder`."""
    store = ResponseStore(settings, folder / _FILE)
    api = _Api(store)
    return (_responses(api, store), _input_tokens(api))


def _responses(api: _Api, store: ResponseStore) -> Dialect:
    return Dialect(
        name="responses",
        operation=CHAT,
        paths=("/v1/responses",),
        decode=api.decode,
        encode_answer=api.encode_answer,
        encode_error=openai_error.encode,
        stream_writer=lambda body: ResponseWriter(body, api.finish, api.keep_original),
        names=CLIENT_NAMES,
        routes=(*StoredResponses(store).routes, _COMPACT),
        aclose=store.aclose,
        openapi=OpenApi(
            summary="A response",
            operation_id="Response",
            example={"model": MODEL, "input": "Hello!"},
            request=ResponsesRequest,
            answer=ResponseObject,
            error=openai_error.ErrorBody,
            tag=_TAG,
        ),
    )


def _input_tokens(api: _Api) -> Dialect:
    return Dialect(
        name="input_tokens",
        operation=COUNT_TOKENS,
        paths=("/v1/responses/input_tokens",),
        decode=api.decode_input,
        encode_answer=_encode_count,
        encode_error=openai_error.encode,
        answer_headers=count_headers,
        names=CLIENT_NAMES,
        openapi=OpenApi(
            summary="The number of tokens of an input",
            operation_id="InputTokens",
            example={"model": MODEL, "input": "Hello!"},
            request=ResponsesRequest,
            answer=InputTokens,
            error=openai_error.ErrorBody,
            tag=_TAG,
        ),
    )


def _encode_count(answer: Answer, body: ChatBody) -> bytes:
    count = msgspec.json.decode(answer.data)
    return msgspec.json.encode(InputTokens("response.input_tokens", count["input_tokens"]))


async def _refuse_compaction(incoming: IncomingRequest) -> bytes:
    message = (
        "Responses are not compacted here: only the provider that has compacted a conversation can read the result. "
        "Ask for a summary with POST /v1/responses"
    )
    raise RequestError(message, status=404, code="unsupported")


_COMPACT = Route(
    method="POST",
    path="/v1/responses/compact",
    serve=_refuse_compaction,
    summary="Compaction, which is refused",
    operation_id="CompactResponse",
    tag=_TAG,
)


def _refuse(error: RequestError) -> ChatBody:
    raise error


class _Api:
    """Requests and answers of one server, with its store."""

    def __init__(self, store: ResponseStore):
        self._store = store

    def decode(self, incoming: IncomingRequest) -> ChatBody | Awaitable[ChatBody]:
        """Decode a request; one that refers to an earlier response is completed from the store."""
        body = requests.decode(incoming.body)
        return self._decode(body, incoming, original(incoming, body.view))

    def decode_input(self, incoming: IncomingRequest) -> ChatBody | Awaitable[ChatBody]:
        """Decode a request whose tokens are to be counted."""
        return self._decode(
            requests.decode(incoming.body).with_members({"stream": None}), incoming, None
        )

    def _decode(
        self,
        body: RequestBody[ResponsesRequest],
        incoming: IncomingRequest,
        native: NativeRequest | None,
    ) -> ChatBody | Awaitable[ChatBody]:
        caller = incoming.caller.name if incoming.caller is not None else ""
        if body.view.previous_response_id is not None or requests.references(body.view):
            return self._decode_with_history(body, caller, native)
        return self._translate(body, History(), caller, native)

    def encode_answer(self, answer: Answer, body: ChatBody) -> bytes | Awaitable[bytes]:
        """Return the response for a whole answer, and store it if it is to be."""
        if isinstance(answer, Completion) and answer.native:
            return self.keep_original(answer.data, body.context)
        context: Context = body.translation.context
        return self.finish(response_of(answer.data, answer.usage, context), context)

    def finish(self, response: dict[str, Any], context: Context) -> bytes | Awaitable[bytes]:
        """Encode a response that has ended, and store it if it is to be."""
        encoded = msgspec.json.encode(response)
        if context.stored:
            return self._stored(response, encoded, context)
        return encoded

    def keep_original(self, response: bytes, context: Context) -> bytes | Awaitable[bytes]:
        """Return a response as the provider wrote it, and store it if it is to be."""
        if context.stored:
            return self._stored_original(response, context)
        return response

    async def _stored_original(self, response: bytes, context: Context) -> bytes:
        response_id = id_of(response)
        if response_id:
            await self._save(response_id, response, context)
        return response

    async def _save(self, id: str, encoded: bytes, context: Context) -> bool:
        members = context.request.members
        previous = context.request.view.previous_response_id
        return await self._store.save(
            StoredResponse(id, previous, bytes(members["input"]), encoded), context.caller
        )

    async def _stored(self, response: dict[str, Any], encoded: bytes, context: Context) -> bytes:
        is_stored = await self._save(context.id, encoded, context)
        # An answer that has been paid for is not lost over this, but the client has to know that it is not stored.
        if is_stored:
            return encoded
        return msgspec.json.encode({**response, "store": False})

    def _translate(
        self,
        body: RequestBody[ResponsesRequest],
        history: History,
        caller: str,
        native: NativeRequest | None,
    ) -> ChatBody:
        stored = self._store.enabled and body.view.store is not False

        def translate() -> ChatBody:
            return requests.translate(body, history, caller=caller, stored=stored)

        if native is None:
            return translate()
        return passed_on(body, native, translate, caller=caller, stored=stored)

    async def _decode_with_history(
        self, body: RequestBody[ResponsesRequest], caller: str, native: NativeRequest | None
    ) -> ChatBody:
        try:
            history = await self._history(body.view, caller)
        except RequestError as error:
            # It may refer to what a provider has stored.
            if native is None or error.code not in _UNKNOWN_HERE:
                raise
            return passed_on(body, native, partial(_refuse, error), caller=caller, stored=False)
        previous = body.view.previous_response_id
        if previous is None or is_own(previous):
            # No provider knows what it refers to.
            native = None
        return self._translate(body, history, caller, native)

    async def _history(self, request: ResponsesRequest, caller: str) -> History:
        """Return what a request refers to. Raises RequestError if that is not stored here."""
        previous = request.previous_response_id
        references = requests.references(request)
        if not self._store.enabled:
            param = f"input[{references[0][0]}].id" if previous is None else "previous_response_id"
            raise RequestError(
                "This server stores no responses ([responses] store = false in plugins.toml): send the whole input",
                param=param,
                code=_UNSUPPORTED,
            )
        stored = StoredResponses(self._store)
        items = []
        if previous is not None:
            items = await stored.conversation(previous, caller)
        found = {}
        for number, item_id in references:
            found[item_id] = await stored.item(item_id, caller, f"input[{number}].id")
        return History(items, found)
