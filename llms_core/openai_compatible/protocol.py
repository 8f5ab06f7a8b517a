"""Which of a provider's two protocols a request is made in: chat completions or the Responses API.

OpenAI serves some models by the Responses API alone, and refuses tools beside reasoning in chat completions for others;
many servers have chat completions only. What is known beforehand is data (`RequestRules`), the user can decide it
(`protocol` in llms.json), and everything else is learned from a provider's refusal.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from llms_core.contracts.native import RESPONSES, TRANSLATED
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, OtherProtocol, ProviderError
from llms_core.provider import RequestRules

CHAT = "chat"

# The words of `ChatCall.protocol`, beside the two above.

#: The Responses API for requests with tools, unless their reasoning is switched off.
_FOR_TOOLS = "responses-for-tools"
#: No summaries of reasoning: OpenAI gives them to verified organizations only.
NO_SUMMARY = "no-summary"
#: No encrypted reasoning: models that do not reason refuse it.
NO_ENCRYPTED_REASONING = "no-encrypted-reasoning"
#: No reasoning of earlier answers: another organization's cannot be decrypted.
NO_EARLIER_REASONING = "no-earlier-reasoning"

_PROTOCOLS = frozenset({CHAT, RESPONSES, _FOR_TOOLS})

#: How chat completions refuse a model that only the Responses API serves, in lower case: OpenAI, Azure, GitHub, xAI.
_ONLY_RESPONSES = re.compile(
    r"only (supported|available) (in|on|via|through|with) .{0,20}\bresponses\b|not a chat model"
    r"|chatcompletion operation does not work with the specified model"
    r"|not (accessible|supported|available) (via|in|on|at|with) the .{0,10}chat/completions"
    r"|not allowed on chat completions|\buse .{0,20}v1/responses"
)
#: The beginning of OpenAI's refusal of tools beside reasoning.
_NO_TOOLS = re.compile(
    r"function tools with reasoning|tools .{0,60}reasoning_effort|reasoning_effort .{0,60}tools"
)

#: How servers say that they lack a path, beside the status 405.
_NO_SUCH_PATH = re.compile(
    r"invalid url|unexpected endpoint|cannot post|no route|unknown (url|endpoint|path|route)|unrecognized request url"
    r"|(?<!model )not found|does not support .{0,20}responses|http 404"
)


def speaks_responses(call: ChatCall, rules: RequestRules, configured: str) -> bool:
    """Whether a call is made by the Responses API. `configured` is the user's choice, or empty."""
    if configured:
        return configured == RESPONSES
    if call.protocol:
        words = call.protocol.split()
        if RESPONSES in words:
            return True
        if CHAT in words:
            return False
        if _FOR_TOOLS in words:
            return _has_reasoning_and_tools(call)
    model = call.upstream_model
    if rules.responses and matches(model, rules.responses):
        return True
    if not rules.responses_for_tools or not _has_reasoning_and_tools(call):
        return False
    return matches(model, rules.responses_for_tools)


def after_refusal(
    call: ChatCall, error: ProviderError, *, is_responses: bool, is_fixed: bool
) -> OtherProtocol | None:
    """Return how to make a call that was refused, if the refusal is about the way in which it was made.

    `is_responses` tells how it was made, `is_fixed` whether the user has chosen the protocol.
    """
    if is_responses:
        return _after_responses(call, error, is_fixed=is_fixed)
    # A protocol that was learned is not given up again: a server may lack one and refuse the other.
    if is_fixed or _has_learned(call):
        return None
    text = error.message.lower()
    if _NO_TOOLS.search(text) and "responses" in text:
        return OtherProtocol(_FOR_TOOLS)
    if error.code == "unsupported_api_for_model" or _ONLY_RESPONSES.search(text):
        return OtherProtocol(RESPONSES)
    return None


def after_refused_original(
    call: ChatCall, error: ProviderError, *, is_complete: bool, is_fixed: bool
) -> OtherProtocol | None:
    """Return how to make a call that was refused as the client wrote it: translated, if that may help.

    `is_complete` tells whether the server has all that the client's protocol has: it refuses only what is wrong.
    `is_fixed` tells whether the user has chosen the protocol.
    """
    if call.body.untranslatable is not None:
        return None
    if not is_fixed and _lacks_path(error, error.message.lower()):
        return OtherProtocol(f"{TRANSLATED} {CHAT}")
    if error.kind is ErrorKind.INVALID_REQUEST and not is_complete:
        return OtherProtocol(TRANSLATED, remember=False)
    return None


def _after_responses(
    call: ChatCall, error: ProviderError, *, is_fixed: bool
) -> OtherProtocol | None:
    text = error.message.lower()
    if error.param == "reasoning.summary" or "to generate reasoning summaries" in text:
        return _with_word(call, NO_SUMMARY)
    if error.code == "invalid_encrypted_content" or (
        "encrypted content" in text and "verified" in text
    ):
        return _with_word(call, NO_EARLIER_REASONING, remember=False)
    if (error.param or "").startswith("include") or "encrypted content is not supported" in text:
        return _with_word(call, NO_ENCRYPTED_REASONING)
    is_learned = not _PROTOCOLS.isdisjoint(call.protocol.split())
    if not is_fixed and not is_learned and _lacks_path(error, text):
        return OtherProtocol(CHAT)
    return None


def _with_word(call: ChatCall, word: str, *, remember: bool = True) -> OtherProtocol | None:
    if word in call.protocol.split():
        # That was not the reason.
        return None
    return OtherProtocol(f"{call.protocol} {word}".strip(), remember)


def _lacks_path(error: ProviderError, text: str) -> bool:
    """Whether a server has no Responses API, as opposed to one that lacks the model."""
    if error.status in (405, 501):
        return True
    if error.kind is ErrorKind.MODEL_NOT_FOUND and (error.code or "model" in text):
        return False
    return error.status in (200, 404) and _NO_SUCH_PATH.search(text) is not None


def _has_learned(call: ChatCall) -> bool:
    # Of these, one that applies to some requests only may turn out to apply to all.
    return any(word in _PROTOCOLS and word != _FOR_TOOLS for word in call.protocol.split())


def _has_reasoning_and_tools(call: ChatCall) -> bool:
    # Without a wish of the client's, the newest models reason.
    return bool(call.request.tools) and call.request.reasoning_effort != "none"


# Matching takes longer than the look-up; `model` is one of the provider's, not the client's text.
@lru_cache(maxsize=1024)
def matches(model: str, patterns: tuple[str, ...]) -> bool:
    """Whether the id of a model matches one of the patterns, as of file names."""
    return any(fnmatchcase(model.lower(), pattern) for pattern in patterns)
