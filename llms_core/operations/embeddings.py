"""The operation `embeddings`: vectors of texts, for search.

Vectors of different models cannot be compared, so that no other model answers: only the same model at another provider
is a candidate.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.candidate import Candidate
from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import (
    EmbeddingBody,
    EmbeddingCall,
    EmbeddingRequest,
    EmbeddingRules,
    Embeddings,
)
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.json import is_null
from llms_core.contracts.vectors import Vector, check_vectors
from llms_core.errors import ErrorKind, ProviderError, Unsupported
from llms_core.operations import Answer, Operation
from llms_core.operations.adapter_results import expect
from llms_core.provider import Embeds, UpstreamRequest

#: Other APIs' names of input types -> those of `EmbeddingRules.input_types`.
_SYNONYMS = {
    "search_query": "query",
    "search_document": "document",
    "passage": "document",
}

#: A provider's `force` is for all operations. These are the members that apply to this one.
_FORCED = ("dimensions", "input_type", "user")

_REQUEST_MEMBERS = frozenset(EmbeddingRequest.__struct_fields__)
_USAGE = (Usage, type(None))


class Embed(Operation[EmbeddingRequest, EmbeddingCall]):
    """Embeddings. Every adapter that implements `Embeds` serves them."""

    name = "embeddings"
    adapter_protocol = Embeds
    same_model_only = True
    model_patterns = (
        "*embed*",
        "*minilm*",
        "*mpnet*",
        "*multilingual-e5-*",
        # Not those that rank, whose names continue with an r.
        "bge-[!r]*",
        "*/bge-[!r]*",
        "gte-[!r]*",
        "*/gte-[!r]*",
        "e5-*",
        "*/e5-*",
        "voyage-*",
        "*/voyage-*",
        "jina-clip-*",
    )

    def call(
        self, body: EmbeddingBody, candidate: Candidate, request_id: str, created: int
    ) -> EmbeddingCall:
        """Apply the provider's settings. Raises Unsupported for what the provider would refuse or ignore."""
        body = _with_forced(body, candidate)
        view = body.view
        rules = _rules(candidate)
        if not rules.tokens and not all(isinstance(item, str) for item in view.inputs):
            message = (
                f"{candidate.provider_id} takes texts only, and no tokens: send 'input' as text"
            )
            raise Unsupported(message, param="input")
        if view.dimensions is not None and not rules.dimensions:
            message = f"{candidate.provider_id} has no parameter for 'dimensions': leave it out"
            raise Unsupported(message, param="dimensions")
        return EmbeddingCall(
            inputs=view.inputs,
            upstream_model=candidate.upstream_model,
            client_model=candidate.client_model,
            encoding=view.encoding_format or "float",
            dimensions=view.dimensions,
            input_type=_input_type(view.input_type, rules, candidate.provider_id),
            user=view.user,
            members=_further_members(body.members),
        )

    def split(self, call: EmbeddingCall, candidate: Candidate) -> Sequence[EmbeddingCall]:
        """Return a call for each part of the inputs that the provider takes at once."""
        size = _rules(candidate).max_inputs
        inputs = call.inputs
        if len(inputs) <= size:
            return (call,)
        starts = range(0, len(inputs), size)
        return [
            msgspec.structs.replace(call, inputs=inputs[start : start + size]) for start in starts
        ]

    def join(self, call: EmbeddingCall, answers: Sequence[Answer]) -> Embeddings:
        """Return all vectors in the order of the inputs, and the sum of the usage."""
        vectors: list[Vector] = []
        counts: list[Usage] = []
        for answer in answers:
            vectors += expect(Embeddings, answer, "embeddings").vectors
            if answer.usage is not None:
                counts.append(answer.usage)
        check_vectors(vectors, len(call.inputs))
        return Embeddings(vectors, _sum(counts))

    def request(self, adapter: Embeds, call: EmbeddingCall) -> UpstreamRequest:
        """Return the adapter's request."""
        return adapter.embed_request(call)

    def answer(self, adapter: Embeds, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the adapter's vectors, checked.

        Raises Unsupported if they do not have the requested dimensions: the provider has ignored the parameter.
        """
        answer = expect(Embeddings, _read(adapter, call, body), "embeddings")
        expect(_USAGE, answer.usage, "embeddings", "usage of Embeddings")
        for each in answer.vectors:
            expect(array, each, "embeddings", "a vector of Embeddings")
        dimensions = check_vectors(answer.vectors, len(call.inputs))
        if call.dimensions is not None and dimensions != call.dimensions:
            message = f"The model has {dimensions} dimensions and cannot return {call.dimensions}"
            raise Unsupported(message, param="dimensions")
        return answer


def _rules(candidate: Candidate) -> EmbeddingRules:
    # Only adapters that implement `Embeds` are candidates.
    adapter: Any = candidate.adapter
    rules = adapter.embedding_rules(candidate.upstream_model)
    return expect(EmbeddingRules, rules, "embedding_rules")


def _with_forced(body: EmbeddingBody, candidate: Candidate) -> EmbeddingBody:
    """Apply a provider's `force`, which overrides the client. A provider's defaults are parameters of chat."""
    force = candidate.settings.force
    changes: dict[str, Raw | None] = {name: force[name] for name in _FORCED if name in force}
    if changes:
        return body.with_members(changes)
    return body


def _input_type(value: str | None, rules: EmbeddingRules, provider: str) -> str | None:
    """Return the provider's value for an input type. Raises Unsupported if it has none."""
    if value is None:
        return rules.default_input_type or None
    if not rules.input_type:
        raise Unsupported(
            f"{provider} has no parameter for 'input_type': leave it out", param="input_type"
        )
    name = _SYNONYMS.get(value, value)
    if name in rules.input_types:
        return rules.input_types[name]
    # Clients that know the provider may use its own values.
    if value in rules.input_types.values():
        return value
    known = ", ".join(rules.input_types)
    raise Unsupported(
        f"{provider} does not know the 'input_type' '{value:.100}', only {known}",
        param="input_type",
    )


def _further_members(members: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """Return the members that are not OpenAI's, without those that are null."""
    names = members.keys() - _REQUEST_MEMBERS
    return {name: members[name] for name in sorted(names) if not is_null(members[name])}


def _read(adapter: Embeds, call: EmbeddingCall, body: bytes) -> Embeddings:
    """Return the adapter's vectors. Raises the error that the body describes if the adapter does not recognize it."""
    try:
        return adapter.embeddings(call, body)
    except ProviderError as error:
        if error.kind is not ErrorKind.BAD_RESPONSE or not describes_error(body):
            raise
    raise expect(ProviderError, adapter.error(200, {}, body), "error")


def _sum(counts: Sequence[Usage]) -> Usage | None:
    if not counts:
        return None
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in counts),
        total_tokens=sum(each.total_tokens for each in counts),
    )


EMBEDDINGS = Embed()
