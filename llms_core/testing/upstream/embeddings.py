"""A ready-made reply of OpenAI's API for embeddings."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

from llms_core.testing.upstream.replies import json_body
from llms_core.testing.upstream.script import Reply
from llms_core.testing.upstream.seen import Seen

DIMENSIONS = 4
"""The number of dimensions of vectors, unless a test or a request says otherwise."""


def vector_of(text: object, dimensions: int = DIMENSIONS) -> list[float]:
    """Return a vector that depends only on the text, with numbers that float32 holds exactly."""
    digest = hashlib.shake_128(repr(text).encode()).digest(dimensions)
    return [(byte - 128) / 128 for byte in digest]


def embeddings(*, dimensions: int = DIMENSIONS, **changes: object) -> Reply:
    """Return the embeddings of whatever the request asks for, as numbers or base64.

    A vector depends only on its input. `dimensions` of the request replaces that of the reply. `changes` add or replace
    members of the JSON. An input counts as one token.
    """

    def answer(seen: Seen) -> Reply:
        request = seen.json
        size = request.get("dimensions") or dimensions
        data = []
        for index, each in enumerate(_inputs(request["input"])):
            numbers = vector_of(each, size)
            embedding: Any = numbers
            if request.get("encoding_format") == "base64":
                embedding = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        return json_body(
            {
                "object": "list",
                "data": data,
                "model": request.get("model", "m"),
                "usage": {"prompt_tokens": len(data), "total_tokens": len(data)},
                **changes,
            }
        )

    return Reply(answer)


def _inputs(value: Any) -> list[Any]:
    """The inputs of a request, which may be one text, or the tokens of one."""
    if isinstance(value, str) or isinstance(value[0], int):
        return [value]
    return list(value)
