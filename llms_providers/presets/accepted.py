"""What several presets accept, drop or rename."""

from __future__ import annotations

from collections.abc import Mapping

from llms_core.contracts.native import MESSAGES, RESPONSES
from llms_core.provider import ANY_MEMBER, Capabilities, NativeEndpoint, RequestRules

#: Qwen's switch for reasoning. Other providers with a closed request schema refuse it.
QWEN_ONLY = frozenset({"enable_thinking"})
#: Bookkeeping and hints of OpenAI's own platform. Providers with a closed request schema refuse them.
OPENAI_ONLY = frozenset({
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "verbosity",
})  # fmt: skip
LOGPROBS = frozenset({"logprobs", "top_logprobs"})
#: For providers that document `max_tokens` only: most ignore the newer name, so that the limit would be lost, and
#: Mistral refuses it.
MAX_TOKENS = {"max_completion_tokens": "max_tokens"}

NAME = "name"
# DeepSeek, Kimi and others refuse a tool call of their reasoning models that comes back without its reasoning.
REASONING = "assistant.reasoning_content"
#: Servers that ignore members they do not know.
OPEN_RULES = RequestRules(members=frozenset({ANY_MEMBER, REASONING}))
#: Providers whose schema of a message has a name, and nothing beyond the common members.
NAME_RULES = RequestRules(members=frozenset({NAME}))

# Mistral answers 422 to any parameter that is not in its schema; that has `metadata` and `prompt_cache_key`.
MISTRAL_DROP = (
    QWEN_ONLY
    | (OPENAI_ONLY - {"metadata", "prompt_cache_key"})
    | {"logit_bias", "stream_options", "user"}
)
MISTRAL_RENAME = {**MAX_TOKENS, "seed": "random_seed"}
MISTRAL_CAPABILITIES = Capabilities(
    # `stream_options` is not in the schema either, but the last chunk always has the usage.
    stream_usage=False,
)
MISTRAL_RULES = RequestRules(
    members=frozenset({"assistant.prefix", "tool.name", "tool_calls.index"}),
    # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9"
    tool_call_id="[a-zA-Z0-9]{9}",
    # "Unexpected role 'user' after role 'tool'"
    assistant_after_tool=True,
    # `parameters` are required in the schema of a function.
    tool_parameters=True,
    document_url=True,
)

# Google answers 400 to parameters that its schema lacks: "Unknown name …: Cannot find field".
GOOGLE_DROP = (
    QWEN_ONLY | OPENAI_ONLY | {"frequency_penalty", "presence_penalty", "logit_bias", "seed"}
)

# The first name is llms.py's, the second that of models.dev.
ZAI_KEYS = ("ZAI_API_KEY", "ZHIPU_API_KEY")
# Z.AI documents only `text` and `json_object` as response formats.
ZAI_CAPABILITIES = Capabilities(json_schema=False)
# llms.py removes `metadata` from every request, because Z.AI refuses it.
ZAI_DROP = frozenset({"metadata"})
ZAI_RULES = RequestRules(members=frozenset({REASONING}), tool_parameters=True)

#: Providers with OpenAI's Responses API, or the larger part of it, beside chat completions.
RESPONSES_TOO = {RESPONSES: NativeEndpoint("/responses")}


def messages_with_key(url: str) -> Mapping[str, NativeEndpoint]:
    """Return where a provider speaks Anthropic's Messages API, with the key in Anthropic's own header."""
    return {MESSAGES: NativeEndpoint(url, "x-api-key")}
