"""A plugin with middleware: it names the caller, refuses a model, and answers a question by itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from llms_core import RequestError, hookimpl
from llms_core.contracts.completion import Completion
from llms_core.middleware import Answered, Call, Forward, Middleware


async def around(call: Call, forward: Forward) -> Answered:
    """Forward everything but what is known or unwanted."""
    if call.request.model == "unwanted":
        raise RequestError(
            "This model is not for you", status=403, type="permission_error", code="unwanted"
        )
    if call.operation.name == "chat" and call.request.messages[-1].content == "What is 1 + 1?":
        return Answered(answer=Completion(_two(call.request.model)))
    caller = "nobody" if call.caller is None else call.caller.name
    return (await forward(call.with_members({"user": caller}))).with_headers({"x-caller": caller})


def _two(model: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "2"}, "finish_reason": "stop"}
    body = {
        "id": "chatcmpl-two",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [choice],
    }
    return msgspec.json.encode(body)


@hookimpl
def llms_middleware() -> Iterable[Middleware]:
    """Return the middleware."""
    return [around]
