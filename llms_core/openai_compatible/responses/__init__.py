"""OpenAI's Responses API as the protocol of a provider: https://platform.openai.com/docs/api-reference/responses.

A chat request becomes one that stores nothing, and the response becomes a chat completion. What a completion has no
member for, such as encrypted reasoning, is returned to the client in `provider_extra.openai` of the message, and comes
back from there.
"""

from llms_core.openai_compatible.responses.answer import read_completion
from llms_core.openai_compatible.responses.originals import owner_of
from llms_core.openai_compatible.responses.request import Options, build_body
from llms_core.openai_compatible.responses.stream import ResponseChunks

__all__ = ["Options", "ResponseChunks", "build_body", "owner_of", "read_completion"]
