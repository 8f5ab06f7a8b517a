"""What providers refuse: results without calls, thinking that is not the model's own, or that is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from scripted_model.answers import NamedAnswer
from scripted_model.conversation import Conversation, Turn
from scripted_model.protocol import Protocol

#: How the gateway's envelopes for signatures begin, also in base64: no provider may receive one.
_ENVELOPES = ("llms1.", "bGxtczEu")

#: What Gemini documents for calls without a signature of theirs.
_SKIP = "skip_thought_signature_validator"


class Issued:
    """The thinking and the signatures that a model has issued."""

    def __init__(self) -> None:
        self._thinking: dict[str, str] = {}
        self._signed_calls: dict[str, str] = {}
        self._call_thinking: dict[str, str] = {}

    def add(self, answer: NamedAnswer) -> None:
        if answer.signature:
            self._thinking[answer.signature] = answer.thinking
            if answer.calls:
                self._signed_calls[answer.signature] = answer.calls[0].tool.name
        for call in answer.calls:
            self._call_thinking[call.id] = answer.thinking

    def is_own(self, text: str, signature: str) -> bool:
        return self._thinking.get(signature) == text

    def signed_call(self, signature: str) -> str | None:
        """Return the name of the call that a signature belongs to."""
        return self._signed_calls.get(signature)

    def is_signature(self, signature: str) -> bool:
        return signature in self._thinking

    def thinking_of(self, call_id: str) -> str:
        return self._call_thinking.get(call_id, "")


def fault_of(
    conversation: Conversation,
    body: Mapping[str, Any],
    protocol: Protocol,
    issued: Issued,
    *,
    signed: bool,
) -> str:
    """Return why a provider of the protocol would refuse the conversation; "" if it would not.

    `signed` tells whether the client returns what the model has signed.
    """
    written = json.dumps(body)
    if any(envelope in written for envelope in _ENVELOPES):
        return "an envelope of the gateway's is in the request"
    if not conversation.turns or conversation.turns[-1].role != "user":
        return "the last turn is not the user's"
    return (
        _fault_of_pairs(conversation)
        or _fault_of_thoughts(conversation, protocol, issued)
        or _fault_of_last_calls(conversation, protocol, issued, signed=signed)
        or protocol.refuses(body, conversation)
    )


def _fault_of_pairs(conversation: Conversation) -> str:
    """The results of a turn's calls are in the next turn, and nowhere else."""
    opening = (
        [Turn("assistant"), *conversation.turns]
        if conversation.turns[0].role == "user"
        else conversation.turns
    )
    for turn, following in pairwise(opening):
        if following.role == "assistant":
            continue
        calls = sorted(call.id for call in turn.calls)
        results = sorted(result.id for result in following.results)
        if calls != results:
            return f"the results {results} follow the calls {calls}"
    return ""


def _fault_of_thoughts(conversation: Conversation, protocol: Protocol, issued: Issued) -> str:
    for thought in conversation.thoughts:
        if protocol.signature_head is None:
            # Such providers take anybody's thinking: it is a text like all others.
            if thought.signature:
                return f"a signature for a model that has none: {thought.signature}"
        elif protocol.returns_thinking:
            if not issued.is_own(thought.text, thought.signature):
                return f"thinking that is not this model's, or not as it was: {thought}"
        elif thought.signature and not issued.is_signature(thought.signature):
            return f"a signature that is not this model's: {thought}"
    for call in conversation.calls:
        if (
            call.signature
            and call.signature != _SKIP
            and issued.signed_call(call.signature) != call.name
        ):
            return f"a signature that does not belong to the call: {call}"
    return ""


def _fault_of_last_calls(
    conversation: Conversation, protocol: Protocol, issued: Issued, *, signed: bool
) -> str:
    """What the model thought before its last calls has to come back with their results."""
    last = conversation.turns[-2] if len(conversation.turns) > 1 else Turn("assistant")
    if not last.calls:
        return ""
    if protocol.returns_thinking:
        expected = issued.thinking_of(last.calls[0].id)
        is_returned = signed or protocol.signature_head is None
        if expected and is_returned and expected not in [thought.text for thought in last.thoughts]:
            return f"the thinking before the calls is missing: {expected}"
    elif not last.calls[0].signature:
        return f"the first call has no signature: {last.calls[0]}"
    return ""
