"""The content blocks of a message while it is streamed."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llms_core.dialects.json_balance import Balance
from llms_core.dialects.messages.tools import Json
from llms_core.dialects.messages.views import CallFragment

_EMPTY_TEXT = b'""'


class StreamedBlock:
    """A block that is written, or waits to be: its start, the member of its deltas, and for a call its number."""

    def __init__(self, kind: str, start: Json, delta: bytes = b"", number: int | None = None):
        self.kind = kind
        self.start = start
        #: the beginning of a delta, up to its text
        self.delta = delta
        self.number = number
        #: The texts of a block that waits, and of a call also those that were written, in JSON.
        self.pieces: list[Raw] = []
        #: of a thinking block, if its provider gave one
        self.signature = ""
        #: Whether the arguments of a call are complete; looked at once another block waits.
        self.balance: Balance | None = None

    def is_complete(self) -> bool:
        """Whether another block may follow: always, except after a call whose arguments go on."""
        if self.number is None:
            return True
        if self.balance is None:
            self.balance = Balance()
        complete = False
        for piece in self.pieces or [Raw(_EMPTY_TEXT)]:
            complete = self.balance.feed(msgspec.json.decode(piece, type=str))
        # Each piece is looked at once.
        self.pieces.clear()
        return complete


def text_block() -> StreamedBlock:
    return StreamedBlock("text", {"type": "text", "text": ""}, b'{"type":"text_delta","text":')


def thinking_block() -> StreamedBlock:
    start: Json = {"type": "thinking", "thinking": "", "signature": ""}
    return StreamedBlock("thinking", start, b'{"type":"thinking_delta","thinking":')


def call_block(call: CallFragment) -> StreamedBlock:
    name = (call.function.name if call.function is not None else None) or ""
    start: Json = {"type": "tool_use", "id": call.id, "name": name, "input": {}}
    return StreamedBlock(
        "tool_use", start, b'{"type":"input_json_delta","partial_json":', call.index
    )
