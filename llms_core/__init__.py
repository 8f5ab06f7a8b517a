"""llms-core: a framework for LLM provider adapters, and an OpenAI-compatible gateway over them.

What a plugin author may import is here, in `llms_core.provider`, `llms_core.contracts`, `llms_core.openai_compatible`,
`llms_core.errors`, `llms_core.failure`, `llms_core.records` and `llms_core.secret`; nothing else is public.
"""

from llms_core.errors import ConfigError, ErrorKind, LlmsError, PluginError, ProviderError, RequestError, Unsupported
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
