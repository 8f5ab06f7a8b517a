"""The system instruction and the turns of a request as chat's messages.

Turns of the same role that follow each other belong together: clients store what they stream in several. Of a user's,
the results of functions come first. Opaque data returns to whoever made it: what this gateway sealed is opened, and
every other signature is left to the adapter of Gemini, which recognizes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec
from msgspec import Raw

from llms_core.contracts.json import decode_members
from llms_core.dialects.envelope import from_base64, is_sealed
from llms_core.dialects.gemini.calls import CallIds
from llms_core.dialects.gemini.model_turn import ModelTurn
from llms_core.dialects.gemini.parts import Json, content_part
from llms_core.dialects.gemini.request import (
    Content,
    FunctionResponse,
    GenerateContentRequest,
    Part,
    invalid,
    is_set,
)

#: The member of a function's result that holds a text, and the one for an error.
_OUTPUT = "output"
_ERROR = "error"

_Turn = tuple[int, Content]


class _RawContent(msgspec.Struct):
    parts: list[Raw] | None = None


def chat_messages(view: GenerateContentRequest, raw_contents: Raw) -> list[Json]:
    """Return chat's messages. Raises RequestError, which names the invalid member."""
    messages: list[Json] = []
    if view.system_instruction is not None:
        messages += _system(view.system_instruction)
    ids = CallIds()
    raw = _RawParts(raw_contents)
    for role, group in groupby(enumerate(view.contents), key=_role):
        turns = list(group)
        if role == "model":
            messages += _model(turns, ids, raw)
        else:
            messages += _user(turns, ids)
    if not messages or (len(messages) == 1 and messages[0]["role"] == "system"):
        raise invalid("contents", "expected a turn with a part")
    return messages


class _RawParts:
    """The parts of turns as the client wrote them, decoded when one is needed: most conversations have no such part."""

    def __init__(self, contents: Raw):
        self._contents = contents
        self._decoded: list[_RawContent] | None = None

    def part(self, turn: int, number: int) -> Json:
        if self._decoded is None:
            self._decoded = msgspec.json.decode(self._contents, type=list[_RawContent])
        part: Json = msgspec.json.decode((self._decoded[turn].parts or [])[number])
        return part


def _role(turn: _Turn) -> str:
    number, content = turn
    match content.role:
        case "user" | "function" | "" | None:
            return "user"
        case "model":
            return "model"
    raise invalid(f"contents[{number}].role", "expected 'user' or 'model'")


def _system(content: Content) -> list[Json]:
    parts = []
    for number, part in enumerate(content.parts or ()):
        if part.text is None:
            raise invalid(
                f"systemInstruction.parts[{number}]", "only parts with text are allowed here"
            )
        if part.text:
            parts.append({"type": "text", "text": part.text})
    if parts:
        return [{"role": "system", "content": _simplified(parts)}]
    return []


def _user(turns: Sequence[_Turn], ids: CallIds) -> list[Json]:
    results: list[Json] = []
    messages: list[Json] = []
    for turn, content in turns:
        parts: list[Json] = []
        for number, part in enumerate(content.parts or ()):
            place = f"contents[{turn}].parts[{number}]"
            if part.function_response is not None:
                results.append(_result(part.function_response, ids, f"{place}.functionResponse"))
            else:
                parts.append(content_part(part, place))
        if parts:
            messages.append({"role": "user", "content": _simplified(parts)})
    return [*results, *messages]


def _result(response: FunctionResponse, ids: CallIds, param: str) -> Json:
    call_id = ids.result(response)
    if call_id is None:
        raise invalid(
            f"{param}.name", f"the turn before has no call of '{response.name}' without a result"
        )
    text, is_error = _result_text(response.response, param)
    result: Json = {"role": "tool", "tool_call_id": call_id, "content": text}
    parts = [
        content_part(part, f"{param}.parts[{number}]")
        for number, part in enumerate(response.parts or ())
    ]
    if parts:
        result["content"] = [{"type": "text", "text": text}, *parts]
    if is_error:
        result["is_error"] = True
    return result


def _result_text(response: Raw, param: str) -> tuple[str, bool]:
    """Return a result as text, and whether it is an error. A text alone is given to the model as it is."""
    if not is_set(response):
        return "", False
    text = bytes(response).decode()
    if not text.startswith("{"):
        raise invalid(f"{param}.response", "expected an object")
    members = decode_members(response)
    if members.keys() == {_OUTPUT} and bytes(members[_OUTPUT]).startswith(b'"'):
        output: str = msgspec.json.decode(members[_OUTPUT], type=str)
        # Text that looks like an object would become one on its way to Gemini.
        if not output.lstrip().startswith("{"):
            return output, False
    return text, members.keys() == {_ERROR}


def _model(turns: Sequence[_Turn], ids: CallIds, raw: _RawParts) -> list[Json]:
    ids.begin_turn()
    answer = ModelTurn(ids)
    for turn, content in turns:
        for number, part in enumerate(content.parts or ()):
            if _is_known(part):
                answer.add(part, f"contents[{turn}].parts[{number}]")
            else:
                answer.add_native(raw.part(turn, number))
    return answer.messages()


def _is_known(part: Part) -> bool:
    """Whether chat can express a part of the model's; otherwise only Google gets it back."""
    if (
        part.text is not None
        or part.function_call is not None
        or is_sealed(from_base64(part.thought_signature))
    ):
        return True
    return part.inline_data is not None and part.inline_data.mime_type.startswith("image/")


def _simplified(parts: list[Json]) -> str | list[Json]:
    """Return a single text as a string, which every provider accepts."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts
