"""R: whole answers. The provider's response becomes what OpenAI's clients expect."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.framing import encode_json
from llms_core.testing.groups.base import Group, body_of, example, not_applicable
from llms_core.testing.playback import Outcome, Response, play_completion
from llms_core.testing.reading import assert_failed, assert_means
from llms_core.testing.sample_requests import members_for
from llms_core.testing.subject import Subject
from llms_core.testing.wire import EXAMPLES, Example


def _play_example(subject: Subject, name: str) -> tuple[Example, Outcome]:
    found = example(subject, name)
    response = Response([body_of(found)])
    return found, play_completion(subject, response, **members_for(name, found))


def _json_example(subject: Subject) -> tuple[Example, Mapping[str, object]]:
    """Return the example `text` and its JSON object; skips the test if the provider's answer is not one."""
    found = example(subject, "text")
    if not isinstance(found.whole, Mapping):
        not_applicable("the answer is not a JSON object")
    return found, found.whole


class ResponseTests(Group):
    """Group R."""

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_r_answer_means_what_the_provider_said(self, subject: Subject, name: str) -> None:
        """The answer to each example has its texts, calls and finish_reason, and a valid envelope; or is its error."""
        found, outcome = _play_example(subject, name)
        if isinstance(found.means, ErrorKind):
            kind = assert_failed(outcome).kind
            assert kind is found.means, (
                f"Wire.{name} must become the error {found.means}, but became {kind}"
            )
        else:
            assert_means(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_r_usage_adds_up(self, subject: Subject, name: str) -> None:
        """The usage is what the provider counted, and the gateway accounts the same usage as the client sees."""
        found, outcome = _play_example(subject, name)
        if isinstance(found.means, ErrorKind) or found.usage is None:
            not_applicable(f"`{name}` has no usage")
        expected = (*found.usage, sum(found.usage))
        seen = assert_means(outcome, found).usage
        assert seen == expected, (
            f"the answer's `usage` (prompt, completion, total) must be {expected} as in Wire.{name}, but is {seen}"
        )
        assert outcome.completion is not None
        counted = outcome.completion.usage
        assert counted is not None, (
            "Completion.usage is None; set it to the usage in the answer's JSON"
        )
        accounted = (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens)
        assert accounted == expected, (
            f"Completion.usage must be the same as in the answer's JSON, {expected}, but is {accounted}"
        )

    def test_r_logprobs_are_there(self, subject: Subject) -> None:
        """Requested log probabilities are in the choice, in OpenAI's format."""
        found, outcome = _play_example(subject, "logprobs")
        choice = assert_means(outcome, found).members["choices"][0]
        tokens = choice["logprobs"]["content"]
        assert tokens, (
            "`logprobs.content` of the choice is empty; list each token with its `logprob`"
        )
        for entry in tokens:
            is_valid = isinstance(entry["token"], str) and entry["logprob"] <= 0
            assert is_valid, (
                f"each entry of `logprobs.content` needs a `token` and a `logprob` of at most 0: {entry}"
            )

    def test_r_unknown_members_are_ignored(self, subject: Subject) -> None:
        """A provider may add members to its response at any time."""
        found, members = _json_example(subject)
        # Both before and after the members that the adapter knows.
        body = encode_json({"mark_of_new": {"a": [1, None]}, **members, "another_new": None})
        assert_means(play_completion(subject, Response([body])), found)

    def test_r_white_space_is_ignored(self, subject: Subject) -> None:
        """The same JSON, indented and with escapes for all non-ASCII characters, gives the same answer."""
        found, members = _json_example(subject)
        body = json.dumps(members, indent=4).encode()
        assert_means(play_completion(subject, Response([body, b"\r\n"])), found)

    def test_r_byte_by_byte(self, subject: Subject) -> None:
        """A response that arrives byte by byte gives the same answer."""
        found = example(subject, "text")
        body = body_of(found)
        # This also splits characters that take several bytes.
        single_bytes = [body[at : at + 1] for at in range(len(body))]
        assert_means(play_completion(subject, Response(single_bytes)), found)
