"""The model itself: it chooses its next answer, and writes it down in a protocol."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llms_core.testing import Chunk, Reply, Seen, Stall, Status, json_body
from llms_core.testing.framing import MEDIA, encode_events
from scripted_model.acceptance import Issued, fault_of
from scripted_model.answers import Answer, Call, NamedAnswer, NamedCall
from scripted_model.conversation import Conversation, Tool
from scripted_model.protocol import Protocol


@dataclass(frozen=True)
class Script:
    """What the model does after a prompt that contains a text: one answer for each of its turns."""

    prompt: str
    answers: Sequence[Answer]


class ScriptedModel:
    """A model behind a protocol. It is the part of a Reply that answers a request."""

    def __init__(self, protocol: Protocol, scripts: Sequence[Script], *, signed: bool = True):
        self.protocol = protocol
        self.scripts = scripts
        #: Whether the client returns what the model has signed.
        self.signed = signed
        #: The numbers of the requests, from 1, that it has no time for.
        self.overloaded: Collection[int] = ()
        #: The conversations that it received, with the script that each followed.
        self.conversations: list[tuple[Script | None, Conversation]] = []
        #: Why it refused requests.
        self.faults: list[str] = []
        self._issued = Issued()
        self._written: list[tuple[Script | None, NamedAnswer]] = []
        self._numbers = itertools.count(1)

    def __call__(self, seen: Seen) -> Reply:
        number = next(self._numbers)
        if number in self.overloaded:
            return _error(503, "The model is overloaded")
        body = seen.json
        try:
            conversation = self.protocol.read(body)
            fault = fault_of(conversation, body, self.protocol, self._issued, signed=self.signed)
        except (KeyError, TypeError, ValueError) as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            self.faults.append(fault)
            return _error(400, fault)
        script, answer = self._next(conversation)
        self.conversations.append((script, conversation))
        named = self._named(answer, conversation, number)
        self._issued.add(named)
        self._written.append((script, named))
        if not _wants_stream(seen, body):
            return json_body(self.protocol.whole(named))
        pieces = encode_events(self.protocol.events(named), self.protocol.framing)
        status = Status(200, {"content-type": MEDIA[self.protocol.framing]})
        if answer.stalls:
            return Reply(status, *map(Chunk, _until(pieces, answer.text)), Stall())
        return Reply(status, *map(Chunk, pieces))

    def of(self, prompt: str) -> list[Conversation]:
        """Return the conversations that followed the script of a prompt, in the order of their requests."""
        return [
            conversation
            for script, conversation in self.conversations
            if script and script.prompt == prompt
        ]

    def signatures(self, prompt: str) -> list[str]:
        """Return the signatures of the answers with calls that followed the script of a prompt."""
        written = [answer for script, answer in self._written if script and script.prompt == prompt]
        return [answer.signature for answer in written if answer.calls]

    def _next(self, conversation: Conversation) -> tuple[Script | None, Answer]:
        """Choose the script of the last prompt that has one, and the answer by the turns since then."""
        later_answers = 0
        for turn in reversed(conversation.turns):
            if turn.role == "assistant":
                later_answers += 1
                continue
            script = max(self.scripts, key=lambda each: turn.text.rfind(each.prompt))
            if script.prompt not in turn.text:
                continue
            if later_answers >= len(script.answers):
                return script, Answer(text="The script is over.")
            return script, script.answers[later_answers]
        return None, Answer(text="A title")

    def _named(self, answer: Answer, conversation: Conversation, number: int) -> NamedAnswer:
        name = f"{self.protocol.provider}_{number}"
        head = self.protocol.signature_head
        signature = "" if head is None else base64.b64encode(head + name.encode()).decode()
        calls = []
        for index, call in enumerate(answer.calls):
            calls.append(_named_call(call, f"call_{name}x{index}", conversation))
        return NamedAnswer(
            id=name,
            model=self.protocol.model,
            text=answer.text,
            thinking=answer.thinking,
            signature=signature,
            calls=tuple(calls),
            prompt_tokens=answer.prompt_tokens,
        )


def _named_call(call: Call, id: str, conversation: Conversation) -> NamedCall:
    offered = [tool for tool in conversation.tools if f"__{tool.name}".endswith(f"__{call.name}")]
    # The script may call a tool that does not exist: a model can do that, too.
    tool = offered[0] if offered else Tool(call.name)
    arguments = call.arguments
    if callable(arguments):
        arguments = arguments(conversation.turns[-1].results[-1].text)
    return NamedCall(id=id, tool=tool, arguments=arguments)


def _error(status: int, message: str) -> Reply:
    """Return an error; some protocols have its message in an object of its own."""
    return json_body({"error": {"message": message}, "message": message}, status)


def _until(pieces: Sequence[bytes], text: str) -> Sequence[bytes]:
    """Return the pieces up to the one with the text."""
    position = next(index for index, piece in enumerate(pieces) if text.encode() in piece)
    return pieces[: position + 1]


def _wants_stream(seen: Seen, body: Mapping[str, Any]) -> bool:
    """Gemini and Bedrock have another path for streams; the others a member, which Ollama's default sets."""
    if "generateContent" in seen.path or seen.path.endswith("/converse"):
        return False
    streams_by_path = "streamGenerateContent" in seen.path or seen.path.endswith("/converse-stream")
    return streams_by_path or bool(body.get("stream", seen.path.endswith("/api/chat")))
