"""A scripted provider: a test states every byte that it sends, and every fault.

    with ScriptedUpstream() as upstream:
        upstream.script(error(429, headers={"retry-after": "2"}), completion("Hello!"))
        ...                                        # the code under test talks to upstream.base_url
        assert upstream.requests[1].json["model"] == "m"

The first request gets the first reply of the script, the second request the second, and so on. When the script is
exhausted, `default` answers. A reply is a sequence of steps, written directly to a socket, so it can do what a web
framework does not allow: stall, stop in the middle of a body, reset the connection, or send something that is not HTTP.

    go = threading.Event()
    Reply(Wait(go), completion("Hello!"))              # waits until the test sets the event
    Reply(Status(200), Body(b'{"id": "x'), Close())    # a truncated body
    Reply(events(first, second), Reset())              # a truncated stream
    Reply(Raw(b"SSH-2.0-OpenSSH_9.6\\r\\n"), Close())    # not HTTP

The server runs in a thread with its own event loop: a synchronous test can wait for it directly, an asynchronous one
through `asyncio.to_thread`. Every wait has a timeout, and the thread ends with the `with` block.
"""

from llms_core.testing.upstream.embeddings import embeddings, vector_of
from llms_core.testing.upstream.replies import (
    completion,
    error,
    events,
    html,
    json_body,
    refused_base_url,
    text_body,
)
from llms_core.testing.upstream.responses import response
from llms_core.testing.upstream.script import (
    Body,
    Chunk,
    Close,
    Drip,
    Headers,
    Part,
    Raw,
    Reply,
    Reset,
    Stall,
    Status,
    Step,
    Wait,
)
from llms_core.testing.upstream.seen import Seen
from llms_core.testing.upstream.server import ScriptedUpstream

__all__ = [
    "Body",
    "Chunk",
    "Close",
    "Drip",
    "Headers",
    "Part",
    "Raw",
    "Reply",
    "Reset",
    "ScriptedUpstream",
    "Seen",
    "Stall",
    "Status",
    "Step",
    "Wait",
    "completion",
    "embeddings",
    "error",
    "events",
    "html",
    "json_body",
    "refused_base_url",
    "response",
    "text_body",
    "vector_of",
]
