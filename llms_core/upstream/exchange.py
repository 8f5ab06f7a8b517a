"""One request to one provider: a whole answer or a stream, within the attempt's time limits.

The core, not the adapter, decides whether an answer is complete.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import force_setattr

from llms_core.contracts.upstream import ProviderCall
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.operations import Answer, Operation
from llms_core.provider import UpstreamRequest
from llms_core.upstream.answer_format import read_answer
from llms_core.upstream.answer_stream import AnswerStream, Outcome
from llms_core.upstream.body import AttemptLimits, read_body, read_refusal, seconds_of
from llms_core.upstream.stream_decoder import StreamDecoder
from llms_core.upstream.transport import HttpResponse, HttpTransport


async def whole_answer(
    transport: HttpTransport,
    operation: Operation[Any, Any],
    adapter: Any,
    call: Any,
    request: UpstreamRequest,
    limits: AttemptLimits,
) -> Answer:
    """Send a request and return the complete answer. Raises ProviderError.

    A model may think for minutes before it sends a byte: only `total` limits the time until the response's head.
    """
    deadline = Deadline()
    end = asyncio.get_running_loop().time() + limits.total
    try:
        with deadline.at(end):
            response = await transport.send(request, limits.connect)
        try:
            if not 200 <= response.status < 300:
                raise await read_refusal(adapter, request, response, limits, deadline, end)
            _received(call, response)
            body = await read_body(response, limits.max_bytes, limits.idle, deadline, end)
        finally:
            await response.aclose()
    except TimeoutError:
        raise _late(
            request, f"The provider did not answer completely within {seconds_of(limits.total)}"
        ) from None
    finally:
        deadline.close()
    return _read(operation, adapter, call, body, response)


def _received(call: Any, response: HttpResponse) -> None:
    """Let a call know its response, for adapters that read its headers; until then they are not even decoded."""
    if isinstance(call, ProviderCall):
        # Nobody has seen the call but the adapter, and a copy would cost more than everything else here.
        force_setattr(call, "response", response)


def _read(
    operation: Operation[Any, Any], adapter: Any, call: Any, body: bytes, response: HttpResponse
) -> Answer:
    # For all others, the headers are not even decoded.
    if operation.reads_content_type:
        return operation.typed_answer(adapter, call, body, response.headers.get("content-type", ""))
    return read_answer(operation, adapter, call, body)


async def open_stream(
    transport: HttpTransport,
    operation: Operation[Any, Any],
    adapter: Any,
    call: Any,
    request: UpstreamRequest,
    limits: AttemptLimits,
    outcome: Outcome,
) -> AnswerStream:
    """Send a request and return its stream, which must be closed. Raises ProviderError."""
    deadline = Deadline()
    now = asyncio.get_running_loop().time()
    total_deadline = now + limits.total
    first_token_deadline = now + min(limits.first_token, limits.total)
    try:
        with deadline.at(first_token_deadline):
            response = await transport.send(request, limits.connect)
        try:
            if not 200 <= response.status < 300:
                raise await read_refusal(
                    adapter, request, response, limits, deadline, first_token_deadline
                )
            _received(call, response)
            reader = operation.stream(adapter, call)
            decoder = StreamDecoder(reader)
            stream = AnswerStream(
                response,
                operation,
                decoder,
                limits,
                deadline,
                first_token_deadline,
                total_deadline,
                outcome,
            )
            await stream.begin(
                response, reader, lambda body: _read(operation, adapter, call, body, response)
            )
        except BaseException:
            await response.aclose()
            raise
    except BaseException as error:
        deadline.close()
        if isinstance(error, TimeoutError):
            limit = seconds_of(min(limits.first_token, limits.total))
            raise _late(request, f"The provider did not answer within {limit}") from None
        raise
    return stream


def _late(request: UpstreamRequest, message: str) -> ProviderError | RequestError:
    """Return the error for an attempt whose time is over, which may be the client's fault."""
    if request.upload is not None and request.upload.waits_for_client:
        return RequestError(
            "The client took too long to send its form", status=408, code="request_timeout"
        )
    return ProviderError(ErrorKind.TIMEOUT, message)
