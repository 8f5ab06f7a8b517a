"""W: requests. What is sent to the provider, where the key is, and that nothing the client asked is lost silently."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from llms_core.errors import LlmsError, Unsupported
from llms_core.provider import UpstreamRequest
from llms_core.testing.framing import encode_events
from llms_core.testing.groups.base import Group, body_of, not_applicable, require_capability
from llms_core.testing.playback import decode_stream
from llms_core.testing.sample_requests import (
    CLIENT_MODEL,
    QUESTION,
    has_text,
    has_value,
    text_part,
    tool_declarations,
    user_message,
)
from llms_core.testing.subject import ORIGIN, Subject, with_key
from llms_core.testing.unmodified import unmodified
from llms_core.testing.wire import Call

_PARAMETERS = {
    "temperature": 0.37,
    "top_p": 0.83,
    "max_tokens": 4711,
    "max_completion_tokens": 4712,
    "stop": "mark-of-stop",
    "seed": 81723,
    "frequency_penalty": 0.21,
    "presence_penalty": 0.19,
    "user": "mark-of-user",
}

#: Letters of several scripts, an emoji, a composed character, a line separator, and what JSON has to escape.
_UNICODE_TEXT = 'Grüße, 世界 🌍 é \u2028 "quoted" back\\slash\ttab\nline'

_MAX_LARGE_PROMPT_SECONDS = 1

#: Statuses and bodies of errors, none of which explains itself.
_ERRORS = (
    (401, b"{}"),
    (400, b"no JSON"),
    (500, b""),
    (429, b"[]"),
)

#: What to do with a parameter that the provider does not have.
_HOW_TO_DROP = "send it, name it in UpstreamRequest.dropped, or raise Unsupported"


def _requests_of_each_mode(subject: Subject, **members: Any) -> list[UpstreamRequest]:
    """Return the request without streaming, and the one for a stream if the provider streams."""
    requests = [subject.request(stream=False, **members)]
    if subject.spec.capabilities.streaming:
        requests.append(subject.request(stream=True, **members))
    return requests


def _path_without_version(path: str) -> str:
    """Remove the version at the end of a base URL's path: `/v1` of `/openai/v1`."""
    folder, _, last = path.rpartition("/")
    is_version = last[:1] == "v" and last[1:].isdigit()
    return folder if is_version else path


def _request_with_mutable_members(subject: Subject) -> dict[str, Any]:
    """Return the members of a request that contains lists and objects wherever every provider accepts them."""
    members: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "mark-of-system"},
            user_message([text_part("first mark"), text_part("second mark")]),
        ],
        "stop": ["mark-of-a", "mark-of-b"],
        "mark_of_unknown": {"mark": ["of", 91.25]},
    }
    if subject.spec.capabilities.tools:
        call = Call(name="get_weather", arguments={"city": "Paris"})
        tool_call = {
            "id": "call_0",
            "type": "function",
            "function": {"name": call.name, "arguments": "{}"},
        }
        members["tools"] = tool_declarations([call])
        members["messages"] += [
            {"role": "assistant", "tool_calls": [tool_call]},
            {"role": "tool", "tool_call_id": "call_0", "content": "mark-of-result"},
        ]
    return members


def _auth_headers(subject: Subject, request: UpstreamRequest) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name in subject.wire.auth}


class WireTests(Group):
    """Group W."""

    def test_w_url_is_under_the_base(self, subject: Subject) -> None:
        """Requests go to the server that the user configured, and nowhere else."""
        base = urlsplit(subject.base_url)
        # An adapter may use another version of the API than the base URL names, as Cohere's does.
        folder = _path_without_version(base.path)
        for request in _requests_of_each_mode(subject):
            url = urlsplit(request.url)
            assert request.method == "POST", (
                f"UpstreamRequest.method must be 'POST', but is {request.method!r}"
            )
            is_same_server = (url.scheme, url.netloc) == (base.scheme, base.netloc)
            is_under_base = url.path.startswith(f"{folder}/")
            problem = f"the URL must be under the configured base {subject.base_url}, but is {request.url}"
            assert is_same_server, problem
            assert is_under_base, problem
            assert not url.fragment, f"the URL must not have a fragment, but is {request.url}"

    def test_w_body_is_a_json_object(self, subject: Subject) -> None:
        """The body is a JSON object and declared as such; headers are valid, and their names in lower case."""
        for request in _requests_of_each_mode(subject):
            body = json.loads(request.content)
            assert isinstance(body, dict), (
                f"the body must be a JSON object, but is a {type(body).__name__}"
            )
            media = request.headers["content-type"]
            assert media.startswith("application/json"), (
                f"content-type must be application/json, but is {media}"
            )
            for name, value in request.headers.items():
                assert name == name.lower(), f"the name of the header {name} must be in lower case"
                assert value.isprintable(), (
                    f"the header {name} has characters that HTTP does not allow: {value!r}"
                )

    def test_w_question_arrives(self, subject: Subject) -> None:
        """The client's question is in the body."""
        for request in _requests_of_each_mode(subject):
            assert has_text(request.content, QUESTION), (
                f"the user's message {QUESTION!r} is not in the body"
            )

    def test_w_stream_is_requested(self, subject: Subject) -> None:
        """A request for a stream differs from one for a whole answer."""
        require_capability(subject, "streaming")
        whole, stream = _requests_of_each_mode(subject)
        assert (whole.url, whole.content) != (stream.url, stream.content), (
            "`request` sends the same whether or not call.stream is set: ask the provider for a stream if it is"
        )

    def test_w_key_is_in_its_header_alone(self, subject: Subject) -> None:
        """The key is only in headers that Wire.auth names: not in the URL, which servers log, and not in the body."""
        for request in _requests_of_each_mode(subject):
            assert subject.key not in unquote(request.url), (
                "the key must be in a header, but is in the URL"
            )
            assert subject.key.encode() not in request.content, (
                "the key must be in a header, but is in the body"
            )
            containing_key = {
                name for name, value in request.headers.items() if subject.key in value
            }
            unexpected = containing_key - subject.wire.auth
            assert not unexpected, (
                f"the key is in the headers {sorted(unexpected)}; name them in Wire.auth if that is intended"
            )

    def test_w_key_is_sent(self, subject: Subject) -> None:
        """What the headers of Wire.auth contain depends on the key; a provider that needs none declares that."""
        if not subject.spec.needs_key:
            not_applicable("the provider needs no key")
        if subject.wire.token is not None:
            not_applicable("the key is exchanged for a token: group A tests that")
        other_key = subject.key[::-1]
        other_settings = with_key(subject.wire.settings, other_key)
        adapter = subject.configured(subject.block(ORIGIN, api_key=other_key, **other_settings))
        own, other = (
            _auth_headers(subject, adapter.request(subject.call()))
            for adapter in (subject.adapter, adapter)
        )
        assert own, (
            f"none of the headers {sorted(subject.wire.auth)} is sent: send the key, name its header in Wire.auth, or "
            "declare needs_key=False in the spec"
        )
        assert own != other, (
            f"the headers {sorted(own)} are the same whatever the key is: send settings.api_key, or declare "
            "needs_key=False in the spec"
        )

    def test_w_no_key_is_made_up(self, subject: Subject) -> None:
        """A provider that needs no key is sent none if none is configured."""
        if subject.spec.needs_key:
            not_applicable("the provider needs a key")
        adapter = subject.configured(
            subject.block(ORIGIN, api_key=None, **_settings_without_key(subject))
        )
        headers = adapter.request(subject.call()).headers
        unexpected = subject.wire.auth.intersection(headers)
        assert not unexpected, (
            f"no key is configured, but `request` sends the headers {sorted(unexpected)}"
        )

    def test_w_key_is_never_shown(
        self, subject: Subject, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The key is in no log, no output, no error's text and no repr."""
        shown = {
            "repr of the adapter": repr(subject.adapter),
            "str of the adapter": str(subject.adapter),
        }
        with caplog.at_level(logging.DEBUG):
            subject.request()
            for status, body in _ERRORS:
                shown[f"error for status {status}"] = repr(subject.adapter.error(status, {}, body))
            for body in (b"", b"{}", b'{"error": "x"}'):
                shown[f"error for the answer {body!r}"] = _repr_of_answer(subject, body)
        out, err = capfd.readouterr()
        shown |= {"log": caplog.text, "stdout": out, "stderr": err}
        leaks = [place for place, text in shown.items() if subject.key in text]
        assert not leaks, (
            f"the key is shown in: {', '.join(leaks)}; keep it in the Secret, and reveal it only for a header"
        )

    def test_w_model_is_the_providers_id(self, subject: Subject) -> None:
        """The provider receives its own id of the model, and never the client's name for it."""
        for request in _requests_of_each_mode(subject):
            url = unquote(request.url)
            has_id = subject.wire.model in url or has_text(request.content, subject.wire.model)
            assert has_id, (
                f"the provider's id of the model, {subject.wire.model!r}, is neither in the URL nor the body"
            )
            is_clients_name_sent = CLIENT_MODEL in url or CLIENT_MODEL.encode() in request.content
            assert not is_clients_name_sent, (
                f"the client's name of the model, {CLIENT_MODEL!r}, is sent: use call.upstream_model"
            )

    @pytest.mark.parametrize("name", _PARAMETERS)
    def test_w_parameter_arrives_or_is_dropped(self, subject: Subject, name: str) -> None:
        """A parameter's value is sent, or it is listed in `dropped`, or the request raises Unsupported."""
        value = _PARAMETERS[name]
        try:
            request = subject.request(**{name: value})
        except Unsupported:
            return
        assert has_value(request.content, value) or name in request.dropped, (
            f"the value {value!r} of `{name}` is not in the body: {_HOW_TO_DROP}"
        )

    def test_w_stop_list_arrives_or_is_dropped(self, subject: Subject) -> None:
        """All stop sequences of a list are sent, or `stop` is listed in `dropped`."""
        sequences = ["mark-of-a", "mark-of-b"]
        request = subject.request(stop=sequences)
        if subject.wire.list_separator:
            sequences = [subject.wire.list_separator.join(sequences)]
        is_sent = all(has_value(request.content, sequence) for sequence in sequences)
        assert is_sent or "stop" in request.dropped, (
            f"not all sequences of `stop` are in the body: {_HOW_TO_DROP}"
        )

    def test_w_unknown_member_passes_or_is_dropped(self, subject: Subject) -> None:
        """A member that OpenAI does not define is sent to the provider, or listed in `dropped`."""
        request = subject.request(mark_of_unknown={"mark": ["of", 91.25]})
        is_sent = has_value(request.content, "mark_of_unknown") and has_value(
            request.content, 91.25
        )
        assert is_sent or "mark_of_unknown" in request.dropped, (
            f"the member `mark_of_unknown` of the client's request is not in the body: {_HOW_TO_DROP}"
        )

    def test_w_only_requested_members_are_dropped(self, subject: Subject) -> None:
        """`dropped` contains members of the client's request only, and is empty if nothing had to be dropped."""
        dropped = subject.request().dropped
        assert dropped == (), (
            f"a request of `model` and `messages` needs nothing dropped, but `dropped` is {dropped}"
        )
        members = {**_PARAMETERS, "mark_of_unknown": 1, "metadata": {"a": "b"}, "store": False}
        # `max_completion_tokens` is its newer name, and the client sends one of them.
        del members["max_tokens"]
        unexpected = set(subject.request(**members).dropped) - members.keys()
        assert not unexpected, (
            f"`dropped` may only name members that the client sent, but names {sorted(unexpected)}"
        )

    def test_w_messages_arrive_in_order(self, subject: Subject) -> None:
        """All messages of a conversation are sent, the turns in their order."""
        marks = [f"mark-of-turn-{number}" for number in range(5)]
        roles = ("user", "assistant", "user", "assistant", "user")
        turns = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        # Some protocols have a place of its own for the system message, so its position is not checked.
        system = {"role": "system", "content": "mark-of-system"}
        body = subject.request(messages=[system, *turns]).content.decode()
        missing = [mark for mark in ("mark-of-system", *marks) if mark not in body]
        assert not missing, f"the messages with the texts {missing} are not in the body"
        assert sorted(marks, key=body.index) == marks, (
            "the messages must be sent in the client's order"
        )

    def test_w_developer_message_arrives(self, subject: Subject) -> None:
        """A message with the role `developer`, the newer name of `system`, is sent."""
        messages = [{"role": "developer", "content": "mark-of-developer"}, user_message(QUESTION)]
        request = subject.request(messages=messages)
        assert has_text(request.content, "mark-of-developer"), (
            "the message with the role 'developer' is not in the body: treat it like 'system'"
        )

    def test_w_unicode_arrives(self, subject: Subject) -> None:
        """Any text is sent unchanged, as a string and as parts."""
        for content in (_UNICODE_TEXT, [text_part(_UNICODE_TEXT), text_part("second mark")]):
            request = subject.request(messages=[user_message(content)])
            assert has_text(request.content, _UNICODE_TEXT), (
                f"the text {_UNICODE_TEXT!r} is not in the body as it is: encode the body as JSON in UTF-8"
            )
        assert has_text(request.content, "second mark"), (
            "the second text part of a message is not in the body"
        )

    def test_w_large_prompt_arrives(self, subject: Subject) -> None:
        """A prompt of a megabyte is sent whole, and translated within a second."""
        # Each repetition has 15 bytes in UTF-8.
        prompt = "Grüße, Welt! " * (2**20 // 15) + "mark-of-the-end"
        call = subject.call(messages=[user_message(prompt)])
        begin = time.perf_counter()
        request = subject.adapter.request(call)
        seconds = time.perf_counter() - begin
        assert has_text(request.content, prompt), (
            "a prompt of a megabyte is not in the body as it is"
        )
        assert seconds < _MAX_LARGE_PROMPT_SECONDS, (
            f"`request` must translate a megabyte within {_MAX_LARGE_PROMPT_SECONDS} s, but took {seconds:.2f} s"
        )

    def test_w_headers_of_the_block_are_sent(self, subject: Subject) -> None:
        """`headers` of a provider's block in llms.json are sent with each request."""
        adapter = subject.configured(
            subject.block(ORIGIN, headers={"X-Conformance": "mark-of-header"})
        )
        value = adapter.request(subject.call()).headers.get("x-conformance")
        assert value == "mark-of-header", (
            f"the configured header must be sent as 'x-conformance: mark-of-header', but its value is {value!r}; "
            "add ProviderSettings.headers to the headers of the request"
        )

    def test_w_requests_do_not_mix(self, subject: Subject) -> None:
        """A request depends on its own call only: nothing of it is left for the next."""
        before = subject.request()
        subject.request(temperature=0.5, stop=["x"], stream=subject.spec.capabilities.streaming)
        after = subject.request()
        is_same = (before.url, before.content, before.dropped) == (
            after.url,
            after.content,
            after.dropped,
        )
        assert is_same, (
            "`request` returned something else for the same call after another call: keep nothing of a call in the "
            f"adapter; before: {before.content!r}, after: {after.content!r}"
        )

    def test_w_arguments_are_not_modified(self, subject: Subject) -> None:
        """`request`, `completion` and `chunks` leave the call that they are given unchanged.

        If this provider fails, the next one gets the same body.
        """
        members = _request_with_mutable_members(subject)
        call = subject.call(**members)
        with unmodified(call, "request"):
            subject.adapter.request(call)
        # Other groups test what these return and raise: a faulty stream must not cost the provider this group.
        with unmodified(call, "completion"), suppress(Exception):
            subject.adapter.completion(call, body_of(subject.wire.text))
        if subject.spec.capabilities.streaming:
            stream_call = subject.call(stream=True, **members)
            with unmodified(stream_call, "request"):
                subject.adapter.request(stream_call)
            with unmodified(stream_call, "chunks"), suppress(Exception):
                decoder = decode_stream(subject, stream_call)
                for event in encode_events(subject.wire.text.events, subject.wire.framing):
                    decoder.feed(event)


def _settings_without_key(subject: Subject) -> dict[str, None]:
    """Return the members of Wire.settings that contain the key, each with the value that leaves it out."""
    return {
        name: None for name, value in subject.wire.settings.items() if "$KEY" in json.dumps(value)
    }


def _repr_of_answer(subject: Subject, body: bytes) -> str:
    try:
        return repr(subject.adapter.completion(subject.call(), body))
    except LlmsError as error:
        return repr(error)
