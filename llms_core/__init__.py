"""llms-core: a framework for adapters to LLM providers, and an OpenAI-compatible gateway over them.

Plugins may import from here and from the other modules that `llms_core.public` lists; nothing else is public.
"""

from llms_core.errors import (
    ConfigError,
    ErrorKind,
    LlmsError,
    PluginError,
    ProviderError,
    RequestError,
    Unsupported,
)
from llms_core.plugins.hookspecs import hookimpl

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "ErrorKind",
    "LlmsError",
    "PluginError",
    "ProviderError",
    "RequestError",
    "Unsupported",
    "__version__",
    "hookimpl",
]
