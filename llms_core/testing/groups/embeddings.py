"""V: embeddings. Vectors arrive as the provider sent them, or not at all."""

from __future__ import annotations

from typing import Any, cast

import pytest

from llms_core.candidate import Candidate
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.adapter_results import checked_request
from llms_core.operations.embeddings import EMBEDDINGS
from llms_core.operations.table import OPERATIONS
from llms_core.provider import Embeds, UpstreamRequest
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.testing.framing import encode_json
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.sample_requests import CLIENT_MODEL, has_text
from llms_core.testing.subject import ORIGIN, Subject
from llms_core.testing.wire import EmbeddingExample

_TEXTS = ("Grüße, Welt!", "The second of several texts", "“The third”")

#: Answers that no provider's embeddings are.
_NO_EMBEDDINGS = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"7",
    b'"text"',
    b"<html></html>",
    b"\xff\xfe",
    b"[" * 10_000,
)

_MAX_CUTS = 200


class EmbeddingTests(Group):
    """Group V."""

    def test_v_offered_embeddings_have_an_example(self, subject: Subject) -> None:
        """The Wire of a provider that offers embeddings has an example of them."""
        if not EMBEDDINGS.is_offered_by(subject.adapter):
            not_applicable("the provider does not offer embeddings")
        assert subject.wire.embeddings is not None, (
            "the adapter offers embeddings: add `embeddings` to the Wire"
        )

    def test_v_the_request_has_the_texts(self, subject: Subject) -> None:
        """The request contains every text, and goes to the configured address with the key in its headers only."""
        example = _example(subject)
        call = _call(subject, example)
        request = _request(subject, call)
        for text in call.inputs:
            assert has_text(request.content, str(text)), (
                f"`embed_request` does not send the text {text!r}"
            )
        assert request.url.startswith(ORIGIN), (
            f"`embed_request` does not use the configured base URL: {request.url}"
        )
        assert subject.key not in request.url, "the key must be sent in a header, not in the URL"
        assert subject.key.encode() not in request.content, (
            "the key must be sent in a header, not in the body"
        )
        assert request.content == _request(subject, call).content, (
            "`embed_request` has to be a pure function"
        )

    def test_v_an_answer_is_its_vectors(self, subject: Subject) -> None:
        """The example's vectors arrive in their order, with all their digits, and so do its tokens."""
        example = _example(subject)
        answer = _answer(subject, _call(subject, example), _body(example))
        found = [list(each) for each in answer.vectors]
        assert found == [list(each) for each in example.vectors]
        tokens = None if answer.usage is None else answer.usage.prompt_tokens
        assert tokens == example.tokens, (
            f"the answer counts {example.tokens} tokens, `embeddings` returns {tokens}"
        )

    @pytest.mark.parametrize("member", ["dimensions", "input_type"])
    def test_v_accepted_parameters_are_sent(self, subject: Subject, member: str) -> None:
        """A parameter that the adapter's rules accept changes the request."""
        example = _example(subject)
        rules = _rules(subject, example)
        if not getattr(rules, member):
            not_applicable(f"the provider does not accept {member}")
        value: Any = 321 if member == "dimensions" else "query"
        plain = _request(subject, _call(subject, example))
        changed = _request(subject, _call(subject, example, **{member: value}))
        assert changed.content != plain.content, (
            f"the rules accept {member}, but `embed_request` does not send it"
        )
        assert member not in changed.dropped, (
            f"the rules accept {member}, but `embed_request` drops it"
        )
        sent = "321" if member == "dimensions" else rules.input_types["query"]
        assert sent.encode() in changed.content, (
            f"`embed_request` does not send the value of {member}, {sent}"
        )

    def test_v_further_members_are_sent_or_dropped(self, subject: Subject) -> None:
        """A member of the client's that the provider does not have is reported, and any other one is sent."""
        example = _example(subject)
        request = _request(subject, _call(subject, example, conformance_member="xyzzy"))
        is_sent = b"xyzzy" in request.content
        is_dropped = "conformance_member" in request.dropped
        assert is_sent != is_dropped, "a member has to be either sent, or named in `dropped`"

    def test_v_a_vector_too_few_is_no_answer(self, subject: Subject) -> None:
        """An answer with fewer vectors than inputs is a bad response."""
        example = _example(subject)
        call = _call(subject, example)
        more = _with_inputs(call, [*call.inputs, "One more"])
        with pytest.raises(ProviderError) as caught:
            _answer(subject, more, _body(example))
        assert caught.value.kind is ErrorKind.BAD_RESPONSE

    @pytest.mark.parametrize("number", range(len(_NO_EMBEDDINGS)))
    def test_v_anything_else_is_an_error(self, subject: Subject, number: int) -> None:
        """Whatever else a server may send is an error of the provider's, and no other exception."""
        example = _example(subject)
        with pytest.raises(ProviderError):
            _answer(subject, _call(subject, example), _NO_EMBEDDINGS[number])

    def test_v_a_truncated_answer_is_an_error(self, subject: Subject) -> None:
        """An answer that is cut off anywhere is an error."""
        example = _example(subject)
        call = _call(subject, example)
        body = _body(example).rstrip()
        step = max(1, len(body) // _MAX_CUTS)
        for end in range(0, len(body) - 1, step):
            with pytest.raises(ProviderError):
                _answer(subject, call, body[:end])


def _example(subject: Subject) -> EmbeddingExample:
    """Return the Wire's example. Skips the test without one."""
    if subject.wire.embeddings is None or not EMBEDDINGS.is_offered_by(subject.adapter):
        not_applicable("the provider does not offer embeddings")
    return subject.wire.embeddings


def _candidate(subject: Subject, example: EmbeddingExample) -> Candidate:
    models = {CLIENT_MODEL: example.model or subject.wire.model}
    index = ModelIndex(
        [subject.built(subject.block(ORIGIN, models=models))], OPERATIONS, CircuitBreaker()
    )
    (candidate,) = index.find(CLIENT_MODEL)
    return candidate


def _rules(subject: Subject, example: EmbeddingExample) -> EmbeddingRules:
    candidate = _candidate(subject, example)
    return cast(Embeds, candidate.adapter).embedding_rules(candidate.upstream_model)


def _call(subject: Subject, example: EmbeddingExample, **members: Any) -> EmbeddingCall:
    """Return a call with as many texts as the example has vectors."""
    texts = [_TEXTS[number % len(_TEXTS)] for number in range(len(example.vectors))]
    body = decode(encode_json({"model": CLIENT_MODEL, "input": texts, **members}))
    return EMBEDDINGS.call(body, _candidate(subject, example), "conformance", 1_700_000_000)


def _with_inputs(call: EmbeddingCall, inputs: list[Any]) -> EmbeddingCall:
    return EmbeddingCall(
        inputs=inputs,
        upstream_model=call.upstream_model,
        client_model=call.client_model,
        input_type=call.input_type,
    )


def _request(subject: Subject, call: EmbeddingCall) -> UpstreamRequest:
    return checked_request(EMBEDDINGS.request(cast(Embeds, subject.adapter), call))


def _answer(subject: Subject, call: EmbeddingCall, body: bytes) -> Embeddings:
    return EMBEDDINGS.answer(cast(Embeds, subject.adapter), call, body)


def _body(example: EmbeddingExample) -> bytes:
    if isinstance(example.whole, bytes):
        return example.whole
    return encode_json(example.whole)
