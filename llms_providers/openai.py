"""Any server that speaks OpenAI's JSON, and the llms.json for users who have none; OpenAI itself is in presets.py."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from llms_core import hookimpl
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import ProviderSpec


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """The base type for a block that gives its own `base_url`."""
    return [OPENAI_COMPATIBLE]


@hookimpl
def llms_default_config() -> bytes:
    """The packaged llms.json; read only where it is asked for."""
    return files("llms_providers").joinpath("llms.json").read_bytes()
