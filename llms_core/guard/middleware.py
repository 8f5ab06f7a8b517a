"""Applies the rules to every request, and to every answer before the client sees it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from llms_core.contracts.forwarding import ForwardedAnswer
from llms_core.contracts.json import UNREADABLE, decode_any
from llms_core.errors import RequestError
from llms_core.guard.reading import before_escape, found_in
from llms_core.guard.rules import Rule
from llms_core.guard.scan import cleaned, cleaned_value, denied
from llms_core.middleware import Answered, Call, Forward
from llms_core.middleware.text_window import TextWindow
from llms_core.operations import Answer

#: How many characters of a stream are held back: longer than what most rules find.
_WINDOW = 128
#: A match at the end of the text may become longer, but is not waited for any longer than this.
_MAX_HELD = 1024

#: Members of requests that name something and are no text of a user.
_NAMES = frozenset({"model", "stream"})


class Guard:
    """The middleware."""

    def __init__(
        self, rules: Sequence[Rule], *, requests: bool, answers: bool, forms: bool = False
    ):
        self._rules = rules
        self._forms = forms
        self._requests = requests
        self._answers = answers

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Forward what passes."""
        answered = await forward(self._request(call) if self._requests else call)
        if not self._answers:
            return answered
        if answered.answer is not None:
            return answered.with_data(self._cleaned(answered.answer))
        whole = partial(cleaned_value, rules=self._rules, where="answer")
        return answered.filtered(TextWindow(self.hold_back, whole))

    def _request(self, call: Call) -> Call:
        """Return the call with a request whose texts are cleaned."""
        if call.has_form and not self._forms:
            message = "Forms are not let through, because they cannot be looked through: see [plugin.guard] forms"
            raise RequestError(message, status=400, code="content_policy_violation")
        changes: dict[str, Any] = {}
        for name, raw in call.body.members.items():
            if name in _NAMES:
                continue
            try:
                value = msgspec.json.decode(raw)
                changed = cleaned_value(value, self._rules, "request", name)
            except UNREADABLE as error:
                raise _unreadable(name, error) from None
            if changed is not value:
                changes[name] = changed
        if changes:
            return call.with_members(changes)
        return call

    def _cleaned(self, answer: Answer) -> bytes:
        """Return the answer's body without what is masked. Raises RequestError for something that is denied."""
        try:
            value = decode_any(answer.data)
        except ValueError:
            return self._text(answer)
        changed = cleaned_value(value, self._rules, "answer")
        if changed is value:
            return answer.data
        for choice in changed.get("choices") or () if isinstance(changed, dict) else ():
            # Its tokens spell what has been masked.
            choice.pop("logprobs", None)
        return msgspec.json.encode(changed)

    def _text(self, answer: Answer) -> bytes:
        """Return the body of an answer that is no JSON: a transcription may be a text, and in sound there is none."""
        if not isinstance(answer, ForwardedAnswer) or not answer.content_type.startswith("text/"):
            return answer.data
        return cleaned(answer.data.decode(), self._rules, "answer").encode()

    def hold_back(self, text: str, is_last: bool) -> tuple[str, str]:
        """Return what of a text may be sent, cleaned, and what is held back because a match may begin in it.

        Raises RequestError for something that is denied.
        """
        if is_last:
            return cleaned(text, self._rules, "answer"), ""
        end = len(text) - _WINDOW
        for found in found_in(text, self._rules):
            if found.rule.denies:
                raise denied(found.rule, "answer")
            if found.start < end < found.end or (found.end == len(text) and found.start < end):
                end = found.start
        end = _start_of_word(text, max(end, len(text) - _MAX_HELD, 0))
        return cleaned(text[:end], self._rules, "answer"), text[end:]


def _start_of_word(text: str, end: int) -> int:
    """Return the position of the space before `end`: what a word is depends on what is before it."""
    space = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    if space > 0:
        return space
    return before_escape(text, end)


def _unreadable(name: str, error: Exception) -> RequestError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    message = f"Invalid value for '{name}': it cannot be looked through: {reason}"
    return RequestError(message, param=name, code="invalid_value")
