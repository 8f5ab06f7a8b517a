"""Items that are being streamed: each writes its own events, from its beginning to its end."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.dialects import sse
from llms_core.dialects.envelope import Envelope
from llms_core.dialects.responses import output
from llms_core.dialects.responses.answer import token_logprobs
from llms_core.dialects.responses.context import Context
from llms_core.dialects.responses.tools import Origin

Json = dict[str, Any]

_encode = msgspec.json.encode

#: Written for nearly every chunk, so without a dictionary.
_TEXT_DELTA = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"%b","output_index":%d,'
    b'"content_index":%d,"delta":%b,"logprobs":%b}\n\n'
)


class Events:
    """The events that are to be sent next, and the items of the response."""

    def __init__(self, context: Context):
        self.context = context
        #: Finished items by their position; None for one that is open, or that has come to nothing.
        self.output: list[Json | None] = []
        self._events: list[bytes] = []
        self._sequence_number = 0

    def emit(self, event: str, **members: Any) -> None:
        """Write one event."""
        data = _encode({"type": event, "sequence_number": self.next_number(), **members})
        self._events.append(sse.event(data, event.encode()))

    def emit_encoded(self, event: bytes) -> None:
        """Write an event that has been encoded, and that has a number."""
        self._events.append(event)

    def next_number(self) -> int:
        """Return the next sequence number."""
        number = self._sequence_number
        self._sequence_number = number + 1
        return number

    def taken(self) -> bytes:
        """Return the events, which have been sent then."""
        data = b"".join(self._events)
        self._events.clear()
        return data

    def new_id(self, prefix: str) -> str:
        """Return the id of the next item."""
        return self.context.item_id(prefix, len(self.output))

    def open_item(self, item: Json) -> None:
        """Add an item that is still empty."""
        self.emit("response.output_item.added", output_index=len(self.output), item=item)
        self.output.append(None)

    def close_item(self, index: int, item: Json) -> None:
        """Replace an open item by the finished one."""
        self.output[index] = item
        self.emit("response.output_item.done", output_index=index, item=item)

    def add_item(self, item: Json) -> None:
        """Add an item that is complete from the start."""
        self.open_item(item)
        self.close_item(len(self.output) - 1, item)


class _OpenItem:
    def __init__(self, events: Events, prefix: str):
        self._events = events
        self._index = len(events.output)
        self._id = events.new_id(prefix)

    def _emit(self, event: str, **members: Any) -> None:
        self._events.emit(event, item_id=self._id, output_index=self._index, **members)


class OpenReasoning(_OpenItem):
    """Reasoning, as a summary if the client asked for one."""

    def __init__(self, events: Events):
        super().__init__(events, "rs")
        self._texts: list[str] = []
        self._is_summary = events.context.shows_summary
        events.open_item(output.reasoning(self._id, "", None, events.context))
        if self._is_summary:
            self._emit(
                "response.reasoning_summary_part.added", summary_index=0, part=self._part("")
            )
        else:
            self._emit("response.content_part.added", content_index=0, part=self._part(""))

    def add(self, text: str) -> None:
        """Write a piece."""
        self._texts.append(text)
        if self._is_summary:
            self._emit("response.reasoning_summary_text.delta", summary_index=0, delta=text)
        else:
            self._emit("response.reasoning_text.delta", content_index=0, delta=text)

    def close(self) -> None:
        """Write the end."""
        text = "".join(self._texts)
        if self._is_summary:
            self._emit("response.reasoning_summary_text.done", summary_index=0, text=text)
            self._emit(
                "response.reasoning_summary_part.done", summary_index=0, part=self._part(text)
            )
        else:
            self._emit("response.reasoning_text.done", content_index=0, text=text)
            self._emit("response.content_part.done", content_index=0, part=self._part(text))
        item = output.reasoning(
            self._id, text, Envelope(message={"reasoning_content": text}), self._events.context
        )
        self._events.close_item(self._index, item)

    def _part(self, text: str) -> Json:
        return {"type": "summary_text" if self._is_summary else "reasoning_text", "text": text}


class OpenMessage(_OpenItem):
    """A message: parts with text or a refusal, of which the last one may be open."""

    def __init__(self, events: Events):
        super().__init__(events, "msg")
        #: the parts that are done
        self._content: list[Json] = []
        #: Whether the open part is a refusal; None if no part is open.
        self._is_refusal: bool | None = None
        self._texts: list[str] = []
        self._annotations: list[Json] = []
        self._logprobs: list[Json] = []
        # Ids have no characters that JSON would have to escape.
        self._id_bytes = self._id.encode()
        events.open_item(output.message(self._id, [], "in_progress"))

    def add_text(self, text: str, logprobs: Any) -> None:
        """Write a piece of text."""
        events = self._events
        if self._is_refusal is not False:
            self._open_part(is_refusal=False)
        self._texts.append(text)
        shown = b"[]"
        if logprobs is not None and events.context.shows_logprobs:
            found = token_logprobs(logprobs)
            self._logprobs += found
            shown = _encode(found)
        place = (events.next_number(), self._id_bytes, self._index, len(self._content))
        events.emit_encoded(_TEXT_DELTA % (*place, _encode(text), shown))

    def add_refusal(self, text: str) -> None:
        """Write a piece of a refusal."""
        if not self._is_refusal:
            self._open_part(is_refusal=True)
        self._texts.append(text)
        self._emit("response.refusal.delta", content_index=len(self._content), delta=text)

    def add_annotation(self, annotation: Json) -> None:
        """Write an annotation of the text."""
        if self._is_refusal is not False:
            self._open_part(is_refusal=False)
        self._emit(
            "response.output_text.annotation.added",
            content_index=len(self._content),
            annotation_index=len(self._annotations),
            annotation=annotation,
        )
        self._annotations.append(annotation)

    def close(self, status: output.Status) -> None:
        """Write the end; a message without any part gets an empty text."""
        if self._is_refusal is None and not self._content:
            self._open_part(is_refusal=False)
        self._close_part()
        self._events.close_item(self._index, output.message(self._id, self._content, status))

    def cut(self) -> None:
        """Keep what there is of the message in a response that has failed."""
        content = self._content if self._is_refusal is None else [*self._content, self._part()]
        self._events.output[self._index] = output.message(self._id, content, "incomplete")

    def _open_part(self, *, is_refusal: bool) -> None:
        self._close_part()
        self._is_refusal = is_refusal
        part = output.refusal_part("") if is_refusal else output.text_part("")
        self._emit("response.content_part.added", content_index=len(self._content), part=part)

    def _close_part(self) -> None:
        if self._is_refusal is None:
            return
        index = len(self._content)
        part = self._part()
        if self._is_refusal:
            self._emit("response.refusal.done", content_index=index, refusal=part["refusal"])
        else:
            text = {"text": part["text"], "logprobs": part["logprobs"]}
            self._emit("response.output_text.done", content_index=index, **text)
        self._emit("response.content_part.done", content_index=index, part=part)
        self._content.append(part)
        self._is_refusal = None
        self._texts = []
        self._annotations = []
        self._logprobs = []

    def _part(self) -> Json:
        text = "".join(self._texts)
        if self._is_refusal:
            return output.refusal_part(text)
        return output.text_part(text, self._annotations, self._logprobs)


class OpenCall(_OpenItem):
    """A call of one of the client's tools. Only a function's arguments are sent while they arrive."""

    def __init__(self, events: Events, origin: Origin, call_id: str):
        super().__init__(events, output.CALL_PREFIXES[origin.kind])
        self.call_id = call_id
        self._origin = origin
        self._pieces: list[str] = []
        if origin.kind in ("function", "custom"):
            item = output.call(origin, self._id, call_id, "", "in_progress")
            assert item is not None  # noqa: S101 - both kinds accept any text
            events.open_item(item)
        else:
            # Without its arguments, there is no such item: it is added when they are complete.
            events.output.append(None)

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are complete. A piece of a JSON object never is one."""
        try:
            return isinstance(msgspec.json.decode("".join(self._pieces)), dict)
        except UNREADABLE:
            return False

    def add(self, piece: str) -> None:
        """Write a piece of the arguments."""
        self._pieces.append(piece)
        if self._origin.kind == "function":
            self._emit("response.function_call_arguments.delta", delta=piece)

    def close(self, status: output.Status) -> None:
        """Write the end. Raises ProviderError if the arguments are not those of the tool."""
        arguments = "".join(self._pieces)
        item = output.call(self._origin, self._id, self.call_id, arguments, status)
        if item is None:
            return
        match self._origin.kind:
            case "function":
                done = {"name": self._origin.name, "arguments": arguments}
                self._emit("response.function_call_arguments.done", **done)
            case "custom":
                if item["input"]:
                    self._emit("response.custom_tool_call_input.delta", delta=item["input"])
                self._emit("response.custom_tool_call_input.done", input=item["input"])
            case _:
                added = {**item, "status": "in_progress"}
                self._events.emit(
                    "response.output_item.added", output_index=self._index, item=added
                )
        self._events.close_item(self._index, item)
