"""The former place of the readers of streams; removed when callers are adapted."""

from __future__ import annotations

from llms_core.upstream.event_buffer import MAX_EVENT_BYTES, Event
from llms_core.upstream.ndjson import Lines
from llms_core.upstream.sse import ServerSentEvents

__all__ = ["MAX_EVENT_BYTES", "Event", "Lines", "ServerSentEvents"]
