"""The two ways to ask for a completion: chat, and the legacy `/v1/completions` as a shim over it.

A dialect decodes a body into a chat request, and says how a chat.completion and its chunks look to the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from llms_core.contracts.request import ChatBody, decode
from llms_core.errors import RequestError


class Dialect(msgspec.Struct, frozen=True):
    """`completion` and `chunk` translate what goes out; None leaves it as it is."""

    decode: Callable[[bytes], ChatBody]
    completion: Callable[[bytes], bytes] | None = None
    chunk: Callable[[bytes], bytes] | None = None


CHAT = Dialect(decode)


class _Legacy(msgspec.Struct):
    model: str
    prompt: str | list[str]
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    logprobs: int | None = None


_legacy = msgspec.json.Decoder(_Legacy)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ONLY_LEGACY = ("prompt", "suffix", "echo", "best_of", "logprobs")


def _decode_legacy(body: bytes) -> ChatBody:
    """A prompt as one user message. Raises RequestError, for what a chat cannot do too."""
    try:
        legacy = _legacy.decode(body)
        members = _members.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        param = next(
            (name for name in ("model", "prompt", *_ONLY_LEGACY) if f"`{name}`" in text or f".{name}" in text), None
        )
        raise RequestError(f"Invalid request: {text}", param=param, code="invalid_value") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"The request body is not valid JSON: {error}", code="invalid_json") from None
    prompts = [legacy.prompt] if isinstance(legacy.prompt, str) else legacy.prompt
    if len(prompts) != 1:
        raise RequestError("Exactly one prompt is supported", param="prompt", code="unsupported")
    for name, asked in (("suffix", legacy.suffix), ("echo", legacy.echo), ("logprobs", legacy.logprobs)):
        if asked:
            raise RequestError(f"'{name}' is not supported by chat models", param=name, code="unsupported")
    if legacy.best_of is not None and legacy.best_of > 1:
        raise RequestError("'best_of' is not supported by chat models", param="best_of", code="unsupported")
    for name in _ONLY_LEGACY:
        members.pop(name, None)
    members["messages"] = msgspec.Raw(msgspec.json.encode([{"role": "user", "content": prompts[0]}]))
    return decode(msgspec.json.encode(members))


def _text_completion(data: bytes) -> bytes:
    whole: dict[str, Any] = msgspec.json.decode(data)
    whole["object"] = "text_completion"
    whole["choices"] = [
        _text_choice(choice, choice["message"].get("content") or "") for choice in whole.get("choices") or ()
    ]
    return msgspec.json.encode(whole)


def _text_chunk(data: bytes) -> bytes:
    chunk: dict[str, Any] = msgspec.json.decode(data)
    chunk["object"] = "text_completion"
    chunk["choices"] = [
        _text_choice(choice, choice.get("delta", {}).get("content") or "") for choice in chunk.get("choices") or ()
    ]
    return msgspec.json.encode(chunk)


def _text_choice(choice: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "index": choice.get("index", 0),
        "text": text,
        "logprobs": None,
        "finish_reason": choice.get("finish_reason"),
    }


TEXT = Dialect(_decode_legacy, _text_completion, _text_chunk)
