"""The dialects of the core, one line each. Plugins add theirs through the `llms_dialects` hook.

This table generates the routes, the OpenAPI document and the direct path.
"""

from __future__ import annotations

from llms_core.dialects import Dialect
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.dialects.completions import COMPLETIONS
from llms_core.dialects.messages import DIALECTS as MESSAGES

DIALECTS: tuple[Dialect, ...] = (
    CHAT_COMPLETIONS,
    COMPLETIONS,
    *MESSAGES,
)
