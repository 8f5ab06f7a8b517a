"""Translates the events of a `streamGenerateContent` stream into chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from llms_core.contracts.building import Chunks
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_providers.google.answer import Answer, Candidate
from llms_providers.google.choice import ChoiceBuilder, logprobs
from llms_providers.google.models import NAME_RULE


class GoogleChunks:
    """The translator of one stream. Parts arrive whole, and each event has the usage so far."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, owner: Owner, read: Callable[[bytes], list[Answer]]):
        """`owner` is the model. `read` decodes the data of an event, and raises ProviderError if that is an error."""
        self._call = call
        self._owner = owner
        self._read = read
        self._chunks = Chunks(call)
        self._names = FunctionNames(call, NAME_RULE)
        self._choices: dict[int, ChoiceBuilder] = {}
        #: The finish reasons that were sent, by the choice.
        self._ended: dict[int, str] = {}
        self._usage: Usage | None = None
        self._identified = False

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Yield the chunks of one event. Raises ProviderError if it is an error or cannot be parsed."""
        for answer in self._read(data):
            self._identify(answer)
            for candidate in answer.candidates_for(self._call):
                yield from self._choice_chunks(candidate, answer)
            self._usage = answer.usage() or self._usage
            # The counts before the end are provisional. With several candidates each ends in an event of its own, and
            # the last of these chunks counts.
            if self._usage is not None and self._has_finished_choice():
                yield self._chunks.usage(self._usage)

    def _new_choice(self, index: int) -> ChoiceBuilder:
        return ChoiceBuilder(index, self._owner, self._chunks.call_ids, self._names)

    def _identify(self, answer: Answer) -> None:
        """Use Google's id of the answer; the first one, because all chunks of a stream must have the same id."""
        if answer.response_id and not self._identified:
            self._identified = True
            self._chunks.identify(answer.response_id)

    def _has_finished_choice(self) -> bool:
        return any(choice.finish_reason for choice in self._choices.values())

    def _choice_chunks(self, candidate: Candidate, answer: Answer) -> Iterator[Chunk]:
        index = candidate.index
        choice = self._choices.setdefault(index, self._new_choice(index))
        deltas = choice.deltas(candidate, answer)
        # Gemini gives the probabilities of an event's tokens together: they go with its first delta.
        probabilities = logprobs(candidate)
        for delta in deltas:
            # Opaque data is not part of the answer yet: until there is one, another provider may still be tried.
            is_content = "provider_extra" not in delta
            yield self._chunks.delta(delta, index=index, logprobs=probabilities, content=is_content)
            probabilities = None
        has_ended = index in self._ended
        if candidate.finish_reason or (has_ended and choice.finish_reason != self._ended[index]):
            self._ended[index] = choice.finish_reason
            end = self._chunks.finish(choice.finish_reason, index=index, delta=choice.final_delta())
            # A call may come after STOP, and the reason is another one then.
            end.replaces_end = has_ended
            yield end
