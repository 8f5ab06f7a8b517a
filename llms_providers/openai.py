"""The type for any OpenAI-compatible server, and the packaged llms.json. OpenAI itself is a preset."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from llms_core import hookimpl
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import ProviderSpec


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register the type for a block of llms.json with its own `base_url`."""
    return [OPENAI_COMPATIBLE]


@hookimpl
def llms_default_config() -> bytes:
    """Return the packaged llms.json, for users who have none."""
    # Read on demand: most commands load this module without needing the file.
    return files("llms_providers").joinpath("llms.json").read_bytes()
