"""What LiteLLM calls a provider: data of its spec, for `llms import litellm`. `llms_core.provider` has it, too."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class LiteLLMNames(msgspec.Struct, frozen=True, kw_only=True):
    """LiteLLM's names, as far as they differ from those of the spec. https://docs.litellm.ai/docs/providers"""

    #: Further names of the provider, which precede a model: `together_ai/…`. What follows a slash is a pattern of the
    #: only models that are meant: `vertex_ai/claude*`.
    names: tuple[str, ...] = ()
    #: Patterns of the models that LiteLLM takes for this provider's if no provider precedes them.
    models: tuple[str, ...] = ()
    #: A regular expression for what LiteLLM writes before the provider's id of a model.
    prefix: str = ""
    #: Variables with keys that LiteLLM reads, and this gateway does not.
    key_env: tuple[str, ...] = ()
    #: LiteLLM's name of a parameter -> the member of the provider's block.
    members: Mapping[str, str] = {}
    #: The name may stand for any server of the same protocol, whose address is then given.
    any_server: bool = False
