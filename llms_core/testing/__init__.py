"""Test tools for plugin authors: a scripted upstream and ready-made replies.

The conformance suite is in `llms_core.testing.conformance`, its examples in `llms_core.testing.wire`. Neither is
imported here, because the suite needs pytest and this module does not.
"""

from llms_core.testing.upstream import (
    Body,
    Chunk,
    Close,
    Drip,
    Raw,
    Reply,
    Reset,
    ScriptedUpstream,
    Seen,
    Stall,
    Status,
    Wait,
    completion,
    embeddings,
    error,
    events,
    html,
    json_body,
    refused_base_url,
    response,
    text_body,
    vector_of,
)

__all__ = [
    "Body",
    "Chunk",
    "Close",
    "Drip",
    "Raw",
    "Reply",
    "Reset",
    "ScriptedUpstream",
    "Seen",
    "Stall",
    "Status",
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
