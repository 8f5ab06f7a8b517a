"""R: whole answers. What the provider said, in the shape that OpenAI's clients expect."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.asked import request_for
from llms_core.testing.framing import as_json
from llms_core.testing.groups.base import Group, example, not_applicable
from llms_core.testing.memory import Outcome, Said, whole
from llms_core.testing.reading import must_be_read, must_have_failed
from llms_core.testing.subject import Subject
from llms_core.testing.wire import EXAMPLES, Example


def body_of(found: Example) -> bytes:
    """An example's whole answer as the provider writes it."""
    return found.whole if isinstance(found.whole, bytes) else as_json(found.whole)


def _answered(subject: Subject, name: str) -> tuple[Example, Outcome]:
    found = example(subject, name)
    return found, whole(subject, Said([body_of(found)]), **request_for(name, found))


class ResponseTests(Group):
    """Group R."""

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_r_answer_means_what_the_provider_said(self, subject: Subject, name: str) -> None:
        """Each example: id, created, object, the model's local name, texts, calls, finish_reason; or its failure."""
        found, outcome = _answered(subject, name)
        if isinstance(found.means, ErrorKind):
            assert must_have_failed(outcome).kind is found.means
        else:
            must_be_read(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_r_usage_adds_up(self, subject: Subject, name: str) -> None:
        """Usage is what the provider counted, and the total is the sum; what is accounted is what the client sees."""
        found, outcome = _answered(subject, name)
        if isinstance(found.means, ErrorKind) or found.usage is None:
            not_applicable(f"`{name}` has no usage")
        assert must_be_read(outcome, found).usage == (*found.usage, sum(found.usage))
        assert outcome.completion is not None
        counted = outcome.completion.usage
        assert counted is not None, "Completion.usage is missing"
        assert (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens) == (
            *found.usage,
            sum(found.usage),
        )

    def test_r_logprobs_are_there(self, subject: Subject) -> None:
        """Log probabilities that were asked for are in the choice, in OpenAI's shape."""
        found, outcome = _answered(subject, "logprobs")
        choice = must_be_read(outcome, found).members["choices"][0]
        tokens = choice["logprobs"]["content"]
        assert tokens
        assert all(isinstance(each["token"], str) and each["logprob"] <= 0 for each in tokens)

    def test_r_unknown_members_are_no_harm(self, subject: Subject) -> None:
        """A provider may add members to its answer at any time."""
        found = example(subject, "text")
        if not isinstance(found.whole, Mapping):
            not_applicable("the answer is no JSON object")
        body = as_json({"mark_of_new": {"a": [1, None]}, **found.whole, "another_new": None})
        must_be_read(whole(subject, Said([body])), found)

    def test_r_spacing_is_no_matter(self, subject: Subject) -> None:
        """The same JSON, indented and in ASCII alone, is the same answer."""
        found = example(subject, "text")
        if not isinstance(found.whole, Mapping):
            not_applicable("the answer is no JSON object")
        must_be_read(whole(subject, Said([json.dumps(found.whole, indent=4).encode(), b"\r\n"])), found)

    def test_r_pieces_are_no_matter(self, subject: Subject) -> None:
        """An answer that arrives byte by byte is the same answer."""
        found = example(subject, "text")
        body = body_of(found)
        must_be_read(whole(subject, Said([body[at : at + 1] for at in range(len(body))])), found)
