"""The operation `moderations`: whether texts and images violate a policy, as in OpenAI's API."""

from __future__ import annotations

from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.operations.forwarding import Forwarding, list_in


class Moderations(Forwarding):
    """Moderations. An answer has results."""

    name = "moderations"
    model_patterns = ("*moderation*",)

    def fault(self, call: ForwardCall, answer: ForwardedAnswer) -> str | None:
        """Return what is wrong with an answer: a client would take one without results for harmless."""
        results = list_in(answer.data, "results")
        return None if results else "it has no results"


MODERATIONS = Moderations()
