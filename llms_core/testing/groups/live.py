"""L: six small calls to the provider itself. They run only with LLMS_LIVE=1 and the provider's key in the environment.

LLMS_LIVE_MODEL is the provider's id of the model; by default the first model that the spec names. LLMS_LIVE_BLOCK is a
JSON object of further members of the provider's block in llms.json, such as `{"base_url": …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from llms_core.config import llms_json
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.chat import CHAT
from llms_core.plugins import registry
from llms_core.preparation import Preparations
from llms_core.provider import HttpAdapter
from llms_core.testing.groups.base import Group, require_capability
from llms_core.testing.playback import Outcome
from llms_core.testing.reading import read_outcome
from llms_core.testing.sample_requests import CLIENT_MODEL, tool_declarations, user_message
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Call
from llms_core.upstream import exchange
from llms_core.upstream.answer_stream import AnswerStream, NoOutcome
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.engine import create_transport
from llms_core.upstream.provider_http import ProviderHttp

MOST_TOKENS = 16
"""The token limit of each answer. With most models the six calls together cost less than a hundredth of a cent."""

_LIMITS = AttemptLimits(connect=10, first_token=60, idle=30, total=90, max_bytes=2**22)

# Some reasoning models treat the limit as approximate.
_TOKEN_TOLERANCE = 4

#: Providers disagree on how they refuse an unknown model.
_REFUSALS = frozenset(
    {
        ErrorKind.MODEL_NOT_FOUND,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.PERMISSION,
        ErrorKind.AUTH,
    }
)
_TIME = Call(name="get_time", arguments={"city": "Oslo"})
_FINISH_REASONS = ("stop", "length", "tool_calls")


def _live_model(subject: Subject) -> str:
    """Return the provider's id of the model to call. Skips the test if live calls are off or no model is known."""
    if os.environ.get("LLMS_LIVE") != "1":
        pytest.skip("LLMS_LIVE=1 is not set")
    model = os.environ.get("LLMS_LIVE_MODEL") or next(iter(subject.spec.models.values()), "")
    if not model:
        pytest.skip("the spec names no model: set LLMS_LIVE_MODEL")
    return model


def _live_adapter(subject: Subject, model: str) -> HttpAdapter:
    """Return an adapter with the user's key. Skips the test without a key."""
    key_variable = next((name for name in subject.spec.key_env if os.environ.get(name)), None)
    block: dict[str, Any] = {"models": {CLIENT_MODEL: model}}
    if key_variable is not None:
        block["api_key"] = f"${key_variable}"
    elif subject.spec.needs_key:
        pytest.skip(f"no key: set {' or '.join(subject.spec.key_env) or 'one in LLMS_LIVE_BLOCK'}")
    # The user's members override the suite's.
    block |= json.loads(os.environ.get("LLMS_LIVE_BLOCK", "{}"))
    text = json.dumps({"providers": {subject.name: block}}).encode()
    document = llms_json.read(text, "LLMS_LIVE_BLOCK", subject.host.specs, env=os.environ)
    configured = registry.build(subject.host, document).configured[0]
    problem = f"the provider '{subject.name}' cannot be configured: {configured.disabled}; see LLMS_LIVE_BLOCK"
    assert configured.adapter is not None, problem
    assert configured.disabled is None, problem
    return cast("HttpAdapter", configured.adapter)


class _Live:
    """The provider at its own address, with the user's key."""

    def __init__(self, subject: Subject):
        self._subject = subject
        self._model = _live_model(subject)
        self._adapter = _live_adapter(subject, self._model)

    def ask(self, *, stream: bool = False, model: str = "", **members: Any) -> Outcome:
        """Make one call. Raises ProviderError if it fails."""
        return asyncio.run(
            self._ask(stream, model, {"max_completion_tokens": MOST_TOKENS, **members})
        )

    async def _ask(self, stream: bool, model: str, members: Mapping[str, Any]) -> Outcome:
        call = self._subject.call(stream=stream, **members)
        # The Wire's model is a placeholder that the provider does not know.
        call = msgspec.structs.replace(call, upstream_model=model or self._model)
        client = create_transport(self._subject.toml.upstream, Path(self._subject.toml.path).parent)
        try:
            preparation = Preparations().of(self._subject.name, self._adapter)
            if preparation is not None:
                await preparation.ready(
                    lambda: ProviderHttp(client, _LIMITS, prepares=True), _LIMITS.total
                )
            request = self._adapter.request(call)
            if not stream:
                answer = await exchange.whole_answer(
                    client, CHAT, self._adapter, call, request, _LIMITS
                )
                return Outcome(Completion(answer.data, answer.usage))
            opened = await exchange.open_stream(
                client, CHAT, self._adapter, call, request, _LIMITS, NoOutcome()
            )
            return Outcome(chunks=await _read_all(opened))
        finally:
            await client.aclose()


async def _read_all(opened: AnswerStream) -> list[Chunk]:
    chunks: list[Chunk] = []
    try:
        while not opened.is_complete:
            chunks += await opened.read()
    finally:
        await opened.aclose()
    return chunks


def _finish_reason(outcome: Outcome) -> str:
    """Read an answer strictly, and return how it ended."""
    read = read_outcome(outcome)
    if read.usage is not None:
        _, completion_tokens, _ = read.usage
        most = MOST_TOKENS * _TOKEN_TOLERANCE
        assert completion_tokens <= most, (
            f"`max_completion_tokens` was {MOST_TOKENS}, but the answer has {completion_tokens} tokens: "
            "pass the limit on to the provider"
        )
    return read.choices[0].finish_reason


def _assert_finished(outcome: Outcome) -> None:
    finish_reason = _finish_reason(outcome)
    assert finish_reason in _FINISH_REASONS, (
        f"the finish_reason must be one of {', '.join(_FINISH_REASONS)}, but is {finish_reason!r}"
    )


class LiveTests(Group):
    """Group L."""

    @pytest.fixture
    def live(self, subject: Subject) -> _Live:
        """The provider itself. Skips the test without LLMS_LIVE=1 and a key."""
        return _Live(subject)

    def test_l_whole_answer(self, live: _Live) -> None:
        """A question is answered."""
        _assert_finished(live.ask(messages=[user_message("Say hello.")]))

    def test_l_stream(self, subject: Subject, live: _Live) -> None:
        """A question is answered by a stream."""
        require_capability(subject, "streaming")
        _assert_finished(live.ask(stream=True, messages=[user_message("Say hello.")]))

    def test_l_token_limit(self, live: _Live) -> None:
        """An answer stops at its token limit."""
        finish_reason = _finish_reason(
            live.ask(messages=[user_message("Count from 1 to 1000 in words.")])
        )
        assert finish_reason == "length", (
            f"an answer that stops at its token limit must have the finish_reason 'length', but has {finish_reason!r}"
        )

    def test_l_tools(self, subject: Subject, live: _Live) -> None:
        """The provider accepts the declaration of a tool."""
        require_capability(subject, "tools")
        messages = [user_message("What time is it in Oslo?")]
        _assert_finished(live.ask(messages=messages, tools=tool_declarations([_TIME])))

    def test_l_second_turn(self, subject: Subject, live: _Live) -> None:
        """The provider accepts a tool call and its result."""
        require_capability(subject, "tools")
        function = {"name": _TIME.name, "arguments": json.dumps(_TIME.arguments)}
        call = {"id": "call_0Aa9x", "type": "function", "function": function}
        messages = [
            user_message("What time is it in Oslo?"),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0Aa9x", "content": "12:00"},
        ]
        _assert_finished(live.ask(messages=messages, tools=tool_declarations([_TIME])))

    def test_l_unknown_model(self, live: _Live) -> None:
        """The provider refuses an unknown model, and the adapter recognizes the refusal."""
        with pytest.raises(ProviderError) as raised:
            live.ask(model="no-such-model-conformance")
        expected = ", ".join(sorted(kind.name for kind in _REFUSALS))
        assert raised.value.kind in _REFUSALS, (
            f"an unknown model must become one of {expected}, but became {raised.value.kind.name}: "
            f"{raised.value.message}"
        )
