"""A chat completion as a message of Anthropic's: https://platform.claude.com/docs/en/api/messages#response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import NativeBlock
from llms_core.contracts.completion import Completion
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatBody
from llms_core.contracts.signatures import Owner, owner_in
from llms_core.contracts.token_estimate import estimated_text
from llms_core.contracts.tools import INVALID_ARGUMENTS
from llms_core.dialects.envelope import Envelope, seal
from llms_core.dialects.messages.tokens import Tokens, tokens_of
from llms_core.dialects.messages.tools import ANTHROPIC, Json
from llms_core.operations import Answer

#: Claude's signatures are valid wherever Claude is served, so clients get them as they are.
_CLAUDE = "claude"

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class CalledFunction(msgspec.Struct):
    """The function of a tool call."""

    name: str = ""
    arguments: str = ""


class Called(msgspec.Struct):
    """A tool call of an answer."""

    id: str = ""
    function: CalledFunction | None = None
    extra_content: dict[str, Any] | None = None


class ImageUrl(msgspec.Struct):
    """`image_url`."""

    url: str


class Image(msgspec.Struct):
    """An image of an answer."""

    image_url: ImageUrl | None = None


class ChatMessage(msgspec.Struct):
    """The message of a choice, with the members that are translated."""

    content: Raw = Raw()
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: str | None = None
    tool_calls: list[Called] | None = None
    images: list[Image] | None = None
    provider_extra: dict[str, Any] | None = None
    reasoning_details: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    """The choice of a completion."""

    message: ChatMessage
    finish_reason: str | None = None


class ChatCompletion(msgspec.Struct):
    """A chat.completion."""

    choices: list[Choice]
    id: str = ""
    model: str = ""


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    """A text."""

    text: str


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """What the model thought; the signature has to be returned unchanged."""

    thinking: str
    signature: str


class RedactedThinkingBlock(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """Opaque data, which has to be returned unchanged."""

    data: str


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


class MessageAnswer(msgspec.Struct, kw_only=True, tag_field="type", tag="message"):
    """A whole message. Blocks of Anthropic's own tools are passed on as they are."""

    id: str
    role: str = "assistant"
    model: str
    content: list[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock]
    stop_reason: str
    stop_sequence: str | None = None
    usage: Tokens


_decode = msgspec.json.Decoder(ChatCompletion).decode
_encode = msgspec.json.encode


def encode_answer(answer: Answer, body: ChatBody) -> bytes:
    """Return a completion as a message, unless the provider's answer is one."""
    if isinstance(answer, Completion) and answer.native:
        return answer.data
    completion = _decode(answer.data)
    choice = completion.choices[0]
    blocks = blocks_of(choice.message)
    tokens = Tokens(output_tokens=estimated_text(len(answer.data)))
    if answer.usage is not None:
        tokens = tokens_of(answer.usage)
    return _encode(
        {
            "id": message_id(completion.id),
            "type": "message",
            "role": "assistant",
            "model": completion.model,
            "content": blocks,
            **message_end(
                choice.finish_reason,
                choice.message.provider_extra,
                has_calls=any(block["type"] == "tool_use" for block in blocks),
            ),
            "usage": tokens,
        }
    )


def message_id(id: str) -> str:
    """Return the id of a message for the id of a completion."""
    if id.startswith("msg_"):
        return id
    return f"msg_{id.removeprefix('chatcmpl-')}"


def message_end(
    finish_reason: str | None, provider_extra: Mapping[str, Any] | None, *, has_calls: bool
) -> Json:
    """Return `stop_reason` and what belongs to it; Claude's own if its adapter kept it."""
    own = (provider_extra or {}).get(ANTHROPIC)
    if not isinstance(own, dict):
        own = {}
    reason = own.get("stop_reason")
    if not reason:
        reason = _STOP_REASONS.get(finish_reason or "stop", "end_turn")
        if reason == "end_turn" and has_calls:
            reason = "tool_use"
    sequence = own.get("stop_sequence")
    if sequence is not None and reason == "end_turn":
        reason = "stop_sequence"
    end = {"stop_reason": reason, "stop_sequence": sequence}
    for name in ("stop_details", "container"):
        if own.get(name):
            end[name] = own[name]
    return end


def blocks_of(message: ChatMessage) -> list[Json]:
    """Return the content of a message: reasoning, text, images and calls, or Claude's own blocks in their order."""
    extra = dict(message.provider_extra or {})
    own = extra.pop(ANTHROPIC, None)
    originals = own.get("content") if isinstance(own, dict) else None
    owner = owner_in(own) if isinstance(own, dict) else None
    blocks: list[Json] = []
    if isinstance(originals, list) and originals:
        blocks = [native_block(NativeBlock(block, owner)) for block in originals]
    envelope = Envelope(provider_extra=extra)
    if message.reasoning_details:
        envelope.message["reasoning_details"] = message.reasoning_details
    for call in message.tool_calls or ():
        if call.extra_content:
            envelope.calls[call.id] = {"extra_content": call.extra_content}
    thinking = text_in(message.reasoning_content) or text_in(message.reasoning)
    if thinking and not blocks:
        blocks.append({"type": "thinking", "thinking": thinking, "signature": seal(envelope)})
    elif message.tool_calls and envelope and not blocks:
        blocks.append({"type": "redacted_thinking", "data": seal(envelope)})
    text = text_in(message.content) or message.refusal or ""
    # Either all blocks were kept, or those before the rest of the message.
    text = text.removeprefix(
        "".join(str(block.get("text") or "") for block in blocks if block["type"] == "text")
    )
    known_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    text += "".join(image_text(image) for image in message.images or ())
    if text:
        blocks.append({"type": "text", "text": text})
    blocks += [_tool_use(call) for call in message.tool_calls or () if call.id not in known_calls]
    return blocks


def native_block(native: NativeBlock) -> Json:
    """Return a block of this protocol; a signature that is not Claude's is sealed with its owner."""
    block = native.block
    owner = native.owner
    if (
        owner is None
        or owner.family == _CLAUDE
        or block.get("type") not in ("thinking", "redacted_thinking")
    ):
        return block
    if block["type"] == "thinking":
        return {**block, "signature": sealed_native(block, owner)}
    return {"type": "redacted_thinking", "data": sealed_native(block, owner)}


def sealed_native(block: Mapping[str, Any], owner: Owner) -> str:
    """Return a signature that holds a whole block and its owner."""
    return seal(
        Envelope(
            provider_extra={ANTHROPIC: {"owner": msgspec.to_builtins(owner), "content": [block]}}
        )
    )


def image_text(image: Image) -> str:
    """Return an image as text: Anthropic's answers have no images, and it must not be lost."""
    if image.image_url is None:
        return ""
    return f"![image]({image.image_url.url})"


def text_in(raw: Raw) -> str:
    """Return the text of a member; of a list of parts, that of all its texts."""
    if not raw:
        return ""
    value = msgspec.json.decode(raw)
    if isinstance(value, list):
        return "".join(str(part.get("text") or "") for part in value if isinstance(part, dict))
    if isinstance(value, str):
        return value
    return ""


def _tool_use(call: Called) -> Json:
    function = call.function or CalledFunction()
    return {
        "type": "tool_use",
        "id": call.id,
        "name": function.name,
        "input": _input(function.arguments),
    }


def _input(arguments: str) -> Json | Raw:
    """Return the arguments as an object: text that is none, for example because it was cut off, becomes a member."""
    try:
        if isinstance(msgspec.json.decode(arguments or "{}"), dict):
            return Raw((arguments or "{}").encode())
    except UNREADABLE:
        pass
    return {INVALID_ARGUMENTS: arguments}
