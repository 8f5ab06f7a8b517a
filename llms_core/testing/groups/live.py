"""L: six small calls to the provider itself, where LLMS_LIVE=1 is set and its key is in the environment.

LLMS_LIVE_MODEL is the provider's id of the model; without it the first is used that the spec names. LLMS_LIVE_BLOCK
are further members of the provider's block in llms.json, as a JSON object, such as `{"base_url": …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from llms_core.config import llms_json
from llms_core.errors import ErrorKind, ProviderError
from llms_core.plugins import registry
from llms_core.provider import HttpAdapter, Prepares
from llms_core.testing.asked import LOCAL, tools, user
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.memory import Outcome
from llms_core.testing.reading import read_stream, read_whole
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Call
from llms_core.upstream import exchange
from llms_core.upstream.transport import create_transport

MOST_TOKENS = 16
"""Tokens of an answer: the six calls together cost less than a hundredth of a cent with most models."""

_LIMITS = exchange.Limits(connect=10, first_token=60, idle=30, total=90, largest=2**22)
_REFUSALS = frozenset({ErrorKind.MODEL_NOT_FOUND, ErrorKind.INVALID_REQUEST, ErrorKind.PERMISSION, ErrorKind.AUTH})
_TIME = Call(name="get_time", arguments={"city": "Oslo"})
_FINISHED = ("stop", "length", "tool_calls")


class _Live:
    """The provider at its own address, with the user's key."""

    def __init__(self, subject: Subject):
        self._subject = subject
        model = os.environ.get("LLMS_LIVE_MODEL") or next(iter(subject.spec.models.values()), "")
        if os.environ.get("LLMS_LIVE") != "1":
            pytest.skip("LLMS_LIVE=1 is not set")
        if not model:
            pytest.skip("the spec names no model: set LLMS_LIVE_MODEL")
        self._model = model
        key = next((name for name in subject.spec.key_env if os.environ.get(name)), None)
        if key is None and subject.spec.needs_key:
            pytest.skip(f"no key: set {' or '.join(subject.spec.key_env) or 'one in LLMS_LIVE_BLOCK'}")
        own: dict[str, Any] = json.loads(os.environ.get("LLMS_LIVE_BLOCK", "{}"))
        block = {"models": {LOCAL: model}, **({"api_key": f"${key}"} if key else {}), **own}
        text = json.dumps({"providers": {subject.name: block}}).encode()
        document = llms_json.read(text, "LLMS_LIVE_BLOCK", subject.host.specs, env=os.environ)
        made = registry.build(subject.host, document).configured[0]
        assert made.adapter is not None, made.disabled
        assert made.disabled is None, made.disabled
        self._adapter: HttpAdapter = made.adapter

    def ask(self, *, stream: bool = False, model: str = "", **members: Any) -> Outcome:
        """One call. Raises ProviderError where it fails."""
        return asyncio.run(self._ask(stream, model, {"max_completion_tokens": MOST_TOKENS, **members}))

    async def _ask(self, stream: bool, model: str, members: Mapping[str, Any]) -> Outcome:
        call = self._subject.call(stream=stream, **members)
        call = msgspec.structs.replace(call, upstream_model=model or self._model)
        client = create_transport(self._subject.toml.upstream)
        try:
            if isinstance(self._adapter, Prepares):
                await self._adapter.prepare()
            request = self._adapter.request(call)
            if not stream:
                return Outcome(await exchange.whole(client, self._adapter, call, request, _LIMITS))
            opened, chunks = await exchange.stream(client, self._adapter, call, request, _LIMITS), []
            try:
                while not opened.over:
                    chunks += await opened.read()
            finally:
                await opened.aclose()
            return Outcome(chunks=chunks)
        finally:
            await client.aclose()


def _finish(outcome: Outcome) -> str:
    """How an answer ended, which is read strictly."""
    if outcome.completion is not None:
        read = read_whole(outcome.completion.data)
    else:
        read = read_stream(chunk.data for chunk in outcome.chunks)
    assert read.usage is None or read.usage[1] <= MOST_TOKENS * 4, "the limit of tokens was not passed on"
    return read.choices[0].finish_reason


class LiveTests(Group):
    """Group L."""

    @pytest.fixture
    def live(self, subject: Subject) -> _Live:
        """The provider itself; without leave and key the test is not run."""
        return _Live(subject)

    def test_l_whole_answer(self, live: _Live) -> None:
        """A question, and its answer whole."""
        assert _finish(live.ask(messages=[user("Say hello.")])) in _FINISHED

    def test_l_stream(self, subject: Subject, live: _Live) -> None:
        """The same as a stream."""
        if not subject.spec.capabilities.streaming:
            not_applicable("the provider does not claim to stream")
        assert _finish(live.ask(stream=True, messages=[user("Say hello.")])) in _FINISHED

    def test_l_token_limit(self, live: _Live) -> None:
        """An answer that is cut off by its limit."""
        assert _finish(live.ask(messages=[user("Count from 1 to 1000 in words.")])) == "length"

    def test_l_tools(self, subject: Subject, live: _Live) -> None:
        """Tools are understood."""
        if not subject.spec.capabilities.tools:
            not_applicable("the provider does not claim tools")
        assert _finish(live.ask(messages=[user("What time is it in Oslo?")], tools=tools([_TIME]))) in _FINISHED

    def test_l_second_turn(self, subject: Subject, live: _Live) -> None:
        """A tool's result is understood."""
        if not subject.spec.capabilities.tools:
            not_applicable("the provider does not claim tools")
        function = {"name": _TIME.name, "arguments": json.dumps(_TIME.arguments)}
        called = {"role": "assistant", "tool_calls": [{"id": "call_0Aa9x", "type": "function", "function": function}]}
        result = {"role": "tool", "tool_call_id": "call_0Aa9x", "content": "12:00"}
        turns = [user("What time is it in Oslo?"), called, result]
        assert _finish(live.ask(messages=turns, tools=tools([_TIME]))) in _FINISHED

    def test_l_unknown_model(self, live: _Live) -> None:
        """A model that there is not is refused, and the refusal understood."""
        with pytest.raises(ProviderError) as raised:
            live.ask(model="no-such-model-conformance")
        assert raised.value.kind in _REFUSALS, raised.value.message
