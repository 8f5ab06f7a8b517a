"""What type checkers need to know about the members of `ProviderSpec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Required, TypedDict

from llms_core.contracts.abilities import Capabilities, NativeEndpoint, RequestRules
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.contracts.litellm import LiteLLMNames


class SpecMembers(TypedDict, total=False):
    """The members of `ProviderSpec` that do not depend on its settings type."""

    name: Required[str]
    title: Required[str]
    docs: str
    base_url: str
    path: str
    paths: Mapping[str, str]
    key_env: tuple[str, ...]
    variables: tuple[str, ...]
    needs_key: bool
    capabilities: Capabilities
    replay_streams: bool
    rename: Mapping[str, str]
    drop: frozenset[str]
    rules: RequestRules
    embeddings: EmbeddingRules
    extras: frozenset[str]
    native: Mapping[str, NativeEndpoint]
    aliases: tuple[str, ...]
    models: Mapping[str, str]
    wire: str
    demo: bool
    embedded: bool
    litellm: LiteLLMNames
