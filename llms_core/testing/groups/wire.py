"""W: what is sent. The request's shape, the key's place, and that nothing of what the client asked is lost unsaid."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from llms_core.errors import LlmsError, Unsupported
from llms_core.provider import UpstreamRequest
from llms_core.testing.asked import LOCAL, QUESTION, has_text, has_value, text, user
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.subject import ORIGIN, Subject

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
_ODD_TEXT = 'Grüße, 世界 🌍 é \u2028 "quoted" back\\slash\ttab\nline'


def _both(subject: Subject, **members: Any) -> list[UpstreamRequest]:
    """A request as sent for a whole answer, and for a stream where the provider streams."""
    modes = (False, True) if subject.spec.capabilities.streaming else (False,)
    return [subject.request(stream=stream, **members) for stream in modes]


class WireTests(Group):
    """Group W."""

    def test_w_url_is_under_the_base(self, subject: Subject) -> None:
        """A request goes to the server that the user configured, and nowhere else."""
        base = urlsplit(subject.base_url)
        folder, _, version = base.path.rpartition("/")
        path = folder if version[:1] == "v" and version[1:].isdigit() else base.path
        for request in _both(subject):
            url = urlsplit(request.url)
            assert request.method == "POST"
            assert (url.scheme, url.netloc) == (base.scheme, base.netloc), request.url
            assert url.path.startswith(f"{path}/"), f"{request.url} is not under {subject.base_url}"
            assert not url.fragment

    def test_w_body_is_a_json_object(self, subject: Subject) -> None:
        """The body is JSON and says so; headers are as HTTP allows, their names in lower case."""
        for request in _both(subject):
            assert isinstance(json.loads(request.content), dict)
            assert request.headers["content-type"].startswith("application/json")
            for name, value in request.headers.items():
                assert name == name.lower()
                assert value.isprintable(), f"the header {name} has characters that no header can hold"

    def test_w_question_arrives(self, subject: Subject) -> None:
        """What the client asked is in the body."""
        for request in _both(subject):
            assert has_text(request.content, QUESTION)

    def test_w_stream_is_asked_for(self, subject: Subject) -> None:
        """A request for a stream differs from one for a whole answer."""
        if not subject.spec.capabilities.streaming:
            not_applicable("the provider does not claim to stream")
        whole, stream = _both(subject)
        assert (whole.url, whole.content) != (stream.url, stream.content)

    def test_w_key_is_in_its_header_alone(self, subject: Subject) -> None:
        """The key is in a header that the Wire's `auth` names, and not in the URL, which servers log, nor the body."""
        for request in _both(subject):
            assert subject.key not in unquote(request.url)
            assert subject.key.encode() not in request.content
            shown = {name for name, value in request.headers.items() if subject.key in value}
            assert shown <= subject.wire.auth, f"the key is in {shown - subject.wire.auth}; Wire.auth does not name it"

    def test_w_no_key_is_made_up(self, subject: Subject) -> None:
        """A provider that needs no key is sent none where none is configured."""
        if subject.spec.needs_key:
            not_applicable("the provider needs a key")
        adapter = subject.configured(subject.block(ORIGIN, api_key=None, **_keyless(subject)))
        headers = adapter.request(subject.call()).headers
        assert not subject.wire.auth.intersection(headers), headers

    def test_w_key_is_never_shown(
        self, subject: Subject, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The key is in no log, no output, no error's text and no repr."""
        shown = [repr(subject.adapter), str(subject.adapter)]
        with caplog.at_level(logging.DEBUG):
            subject.request()
            for status, body in ((401, b"{}"), (400, b"no JSON"), (500, b""), (429, b"[]")):
                shown.append(repr(subject.adapter.error(status, {}, body)))
            shown += [_raised(subject, body) for body in (b"", b"{}", b'{"error": "x"}')]
        out, err = capfd.readouterr()
        shown += [caplog.text, out, err]
        assert not [line for line in shown if subject.key in line]

    def test_w_model_is_the_providers_id(self, subject: Subject) -> None:
        """The provider is told its own id of the model, and never the client's name for it."""
        for request in _both(subject):
            assert subject.wire.model in unquote(request.url) or has_text(request.content, subject.wire.model)
            assert LOCAL not in unquote(request.url)
            assert LOCAL.encode() not in request.content

    @pytest.mark.parametrize("name", _PARAMETERS)
    def test_w_parameter_arrives_or_is_named(self, subject: Subject, name: str) -> None:
        """A parameter's value is in the request, or the parameter is in `dropped`, or Unsupported says so."""
        value = _PARAMETERS[name]
        try:
            request = subject.request(**{name: value})
        except Unsupported:
            return
        there = has_value(request.content, value)
        assert there or name in request.dropped, f"`{name}` was dropped, and `dropped` does not say so"

    def test_w_stop_list_arrives_or_is_named(self, subject: Subject) -> None:
        """Every stop sequence of a list is sent, or `stop` is in `dropped`."""
        request = subject.request(stop=["mark-of-a", "mark-of-b"])
        there = has_value(request.content, "mark-of-a") and has_value(request.content, "mark-of-b")
        assert there or "stop" in request.dropped

    def test_w_unknown_member_passes_or_is_named(self, subject: Subject) -> None:
        """A member that nobody has heard of goes to the provider, or is in `dropped`."""
        request = subject.request(mark_of_unknown={"mark": ["of", 91.25]})
        there = has_value(request.content, "mark_of_unknown") and has_value(request.content, 91.25)
        assert there or "mark_of_unknown" in request.dropped

    def test_w_only_what_was_asked_is_named(self, subject: Subject) -> None:
        """`dropped` names members of the client's request, and is empty where nothing had to go."""
        assert subject.request().dropped == ()
        members = {**_PARAMETERS, "mark_of_unknown": 1, "metadata": {"a": "b"}, "store": False}
        del members["max_tokens"]
        assert set(subject.request(**members).dropped) <= members.keys()

    def test_w_messages_arrive_in_order(self, subject: Subject) -> None:
        """Every message of a conversation arrives, the turns in their order."""
        marks = [f"mark-of-turn-{number}" for number in range(5)]
        roles = ("user", "assistant", "user", "assistant", "user")
        turns = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        body = subject.request(messages=[{"role": "system", "content": "mark-of-system"}, *turns]).content.decode()
        assert "mark-of-system" in body
        assert sorted(marks, key=body.index) == marks

    def test_w_developer_message_arrives(self, subject: Subject) -> None:
        """`developer` is the newer name of the role `system`."""
        request = subject.request(messages=[{"role": "developer", "content": "mark-of-developer"}, user(QUESTION)])
        assert has_text(request.content, "mark-of-developer")

    def test_w_unicode_arrives(self, subject: Subject) -> None:
        """Any text arrives as it is, as a string and in parts."""
        for message in (user(_ODD_TEXT), user(text(_ODD_TEXT), text("second mark"))):
            request = subject.request(messages=[message])
            assert has_text(request.content, _ODD_TEXT)
        assert has_text(request.content, "second mark")

    def test_w_large_prompt_arrives(self, subject: Subject) -> None:
        """A prompt of a megabyte arrives whole, within a second."""
        prompt = "Grüße, Welt! " * (2**20 // 15) + "mark-of-the-end"
        call = subject.call(messages=[user(prompt)])
        begin = time.perf_counter()
        request = subject.adapter.request(call)
        seconds = time.perf_counter() - begin
        assert has_text(request.content, prompt)
        assert seconds < 1, f"it took {seconds:.2f} s"

    def test_w_headers_of_the_block_are_sent(self, subject: Subject) -> None:
        """`headers` of a provider's block in llms.json go out with each request."""
        adapter = subject.configured(subject.block(ORIGIN, headers={"X-Conformance": "mark-of-header"}))
        assert adapter.request(subject.call()).headers.get("x-conformance") == "mark-of-header"

    def test_w_requests_do_not_mix(self, subject: Subject) -> None:
        """A request depends on its own call alone: nothing of one is left for the next."""
        before = subject.request()
        subject.request(temperature=0.5, stop=["x"], stream=subject.spec.capabilities.streaming)
        after = subject.request()
        assert (before.url, before.content, before.dropped) == (after.url, after.content, after.dropped)


def _keyless(subject: Subject) -> dict[str, None]:
    """Members of the block that hold the key, as they are where there is none."""
    return {name: None for name, value in subject.wire.settings.items() if "$KEY" in json.dumps(value)}


def _raised(subject: Subject, body: bytes) -> str:
    try:
        return repr(subject.adapter.completion(subject.call(), body))
    except LlmsError as error:
        return repr(error)
