"""A request for a ranking in Jina's format, which other servers have, too."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llms_core.contracts.rerank import RerankCall

_encode = msgspec.json.encode


def ranking_members(call: RerankCall) -> dict[str, Raw]:
    """Return the members of a request, with those of the client that are not known here."""
    return {
        **call.members,
        "model": Raw(_encode(call.upstream_model)),
        "query": Raw(_encode(call.query)),
        "documents": Raw(_encode(call.documents)),
        "top_n": Raw(_encode(call.top_n)),
        # The gateway has them.
        "return_documents": Raw(b"false"),
    }
