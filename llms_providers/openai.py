"""The type for any OpenAI-compatible server, and the packaged llms.json. OpenAI itself is a row of presets.py."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec

OPENAI_COMPATIBLE = ProviderSpec(
    name="openai-compatible",
    title="A server that speaks OpenAI's JSON",
    docs="https://platform.openai.com/docs/api-reference/chat",
    adapter=OpenAICompatible,
    # A server on the own machine or network often needs none. A configured key is sent.
    needs_key=False,
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register the type for a block of llms.json with its own `base_url`."""
    return [OPENAI_COMPATIBLE]


@hookimpl
def llms_default_config() -> bytes:
    """Return the packaged llms.json, for users who have none."""
    # Read on demand: most commands load this module without needing the file.
    return files("llms_providers").joinpath("llms.json").read_bytes()
