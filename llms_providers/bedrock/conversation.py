"""Translate messages to `system` and `messages`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llms_core import Unsupported
from llms_core.contracts.content import NO_CONTENT, Part, media, text_of
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tool_call_ids import COMMON_ID, SentCall, ToolCallIds
from llms_providers.bedrock import cache_points
from llms_providers.bedrock.media import DocumentNames, format_of
from llms_providers.bedrock.models import Family

Block = dict[str, Any]

#: The ids of tool calls that Bedrock accepts, and those that Mistral's models accept.
_VALID_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_VALID_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class Conversation:
    """The messages of one call.

    Bedrock requires the roles "user" and "assistant" to alternate, beginning with "user", so that consecutive messages
    of one role become one. Results of tools are the user's. Without tools in the request, Bedrock rejects tool calls
    and their results: they are then written as text.
    """

    def __init__(self, call: ChatCall, family: Family, names: FunctionNames, *, has_tools: bool):
        #: The value of `system`.
        self.system: list[Block] = []
        #: The value of `messages`.
        self.messages: list[Block] = []
        self._family = family
        self._names = names
        self._has_tools = has_tools
        self._document_names = DocumentNames()
        self._ids = _tool_call_ids(family.vendor)

        points = cache_points.of_messages(call)
        for number, message in enumerate(call.request.messages):
            self._add(message, f"messages[{number}]", points.get(number, {}))
        if not self.messages:
            # There are only instructions: they are what is to be answered.
            self._append_user(self.system)
            self.system = []
        elif self.messages[0]["role"] != "user":
            self.messages.insert(0, {"role": "user", "content": [{"text": NO_CONTENT}]})
        for turn in self.messages:
            _add_text_to_documents(turn)
        _strip_end_of_prefill(self.messages[-1])

    @property
    def is_answer_begun(self) -> bool:
        """Whether the conversation ends in an answer without its reasoning.

        That is a text for the model to continue, or the result of tool calls whose reasoning the client did not send.
        """
        last = self.messages[-1]
        if last["role"] == "assistant":
            return True
        if len(self.messages) < 2 or not _has_block(last, "toolResult"):
            return False
        return not _has_block(self.messages[-2], "reasoningContent")

    def _add(self, message: Message, location: str, points: Mapping[int, Block]) -> None:
        match message.role:
            case "system" | "developer":
                self._add_system(message, location, points)
            case "function":
                raise Unsupported(
                    "Bedrock does not support messages of the deprecated role 'function': use 'tool'",
                    param=location,
                )
            case "assistant":
                self._append("assistant", self._assistant_blocks(message, location, points))
            case "tool":
                blocks = self._content(message, location, points)
                self._append("user", self._tool_result(message, blocks))
            case "user":
                self._append_user(self._content(message, location, points))

    def _add_system(self, message: Message, location: str, points: Mapping[int, Block]) -> None:
        blocks = self._content(message, location, points)
        for block in blocks:
            if "text" not in block and "cachePoint" not in block:
                raise Unsupported(
                    f"Bedrock supports only text in messages of the role '{message.role}'",
                    param=location,
                )
        self.system += blocks

    def _append(self, role: str, blocks: list[Block]) -> None:
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        elif blocks:
            # A message without content is rejected, and left out.
            self.messages.append({"role": role, "content": blocks})

    def _append_user(self, blocks: list[Block]) -> None:
        """Append a message of the user, which may be empty: without it, the turns around it would be joined."""
        if not blocks and not (self.messages and self.messages[-1]["role"] == "user"):
            blocks = [{"text": NO_CONTENT}]
        self._append("user", blocks)

    def _content(self, message: Message, location: str, points: Mapping[int, Block]) -> list[Block]:
        """Translate the content of a message. `points` are cache points by the number of the part before them."""
        blocks: list[Block] = []
        if isinstance(message.content, list):
            for place, part in enumerate(message.content):
                blocks += self._part(part, f"{location}.content[{place}]")
                # A cache point cannot come first.
                if place in points and blocks:
                    blocks.append(points[place])
        else:
            blocks += _text_blocks(text_of(message.content))
        if cache_points.AFTER_MESSAGE in points and blocks and "cachePoint" not in blocks[-1]:
            blocks.append(points[cache_points.AFTER_MESSAGE])
        return blocks

    def _part(self, part: Part, location: str) -> list[Block]:
        medium = media(part, location)
        if medium is None:
            return _text_blocks(part.text or part.refusal or "")
        if medium.data is None:
            raise Unsupported(
                "Bedrock does not download media: send a data URI, not a URL", param=location
            )
        format_name = format_of(medium)
        if format_name is None:
            raise Unsupported(
                f"Bedrock does not support {medium.kind}s of type '{medium.mime}'", param=location
            )
        block: Block = {"format": format_name, "source": {"bytes": medium.data}}
        if medium.kind == "document":
            block["name"] = self._document_names.unique(medium.filename)
        return [{medium.kind: block}]

    def _assistant_blocks(
        self, message: Message, location: str, points: Mapping[int, Block]
    ) -> list[Block]:
        blocks = self._content(message, location, points)
        calls = self._ids.calls(message)
        # Reasoning has to come first.
        blocks = [*self._signed_reasoning(message), *blocks]
        for call in calls:
            blocks.append(self._tool_use(call))
            blocks += cache_points.of_call(call.called)
        return blocks

    def _signed_reasoning(self, message: Message) -> list[Block]:
        """Return the reasoning of an earlier answer, which the client received in `provider_extra` and sent back.

        Only models of the vendor that signed it accept it.
        """
        if message.tool_calls and not self._has_tools:
            # The calls become text, to which the reasoning does not belong.
            return []
        extra = (message.provider_extra or {}).get("bedrock")
        if not isinstance(extra, dict) or extra.get("vendor") != self._family.vendor:
            return []
        reasoning = extra.get("reasoning")
        if not isinstance(reasoning, list):
            return []
        return [
            block for block in reasoning if isinstance(block, dict) and "reasoningContent" in block
        ]

    def _tool_use(self, call: SentCall) -> Block:
        arguments = call.called.arguments()
        if not self._has_tools:
            arguments_text = msgspec.json.encode(arguments).decode()
            return {"text": f"[Called {call.name} with {arguments_text}]"}
        return {
            "toolUse": {
                "toolUseId": call.id,
                "name": self._names.to_provider(call.name),
                "input": arguments,
            }
        }

    def _tool_result(self, message: Message, blocks: list[Block]) -> list[Block]:
        call = self._ids.result(message)
        if not self._has_tools:
            name = "The tool" if call is None else call.name
            return [{"text": f"[{name} answered:]"}, *blocks]
        # Cache points are not allowed inside a result.
        points = [block for block in blocks if "cachePoint" in block]
        content = [block for block in blocks if "cachePoint" not in block]
        if not content:
            # A result without content is rejected.
            content = [{"text": "(nothing)"}]
        call_id = self._ids.orphan_id(message) if call is None else call.id
        result = {"toolUseId": call_id, "content": content}
        return [{"toolResult": result}, *points]


def _tool_call_ids(vendor: str) -> ToolCallIds:
    match vendor:
        case "mistral":
            return ToolCallIds(_VALID_MISTRAL_ID, length=9)
        case "anthropic":
            return ToolCallIds(COMMON_ID)
    return ToolCallIds(_VALID_ID)


def _text_blocks(text: str) -> list[Block]:
    """Return a block for a text; none for a blank text, which Bedrock rejects."""
    return [{"text": text}] if text.strip() else []


def _has_block(turn: Block, kind: str) -> bool:
    return any(kind in block for block in turn["content"])


def _add_text_to_documents(turn: Block) -> None:
    """Bedrock rejects documents without a text next to them: add their names."""
    names = [block["document"]["name"] for block in turn["content"] if "document" in block]
    if names and not _has_block(turn, "text"):
        turn["content"].append({"text": ", ".join(names)})


def _strip_end_of_prefill(turn: Block) -> None:
    """Remove blanks from the end of an answer that the model is to continue: Bedrock rejects them."""
    last_block = turn["content"][-1]
    if turn["role"] == "assistant" and "text" in last_block:
        # A new block, because reasoning blocks are the client's own objects.
        turn["content"][-1] = {**last_block, "text": last_block["text"].rstrip()}
