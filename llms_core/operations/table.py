"""The operations of the core, one line each. Plugins add theirs through the `llms_operations` hook."""

from __future__ import annotations

from typing import Any

from llms_core.operations import Operation
from llms_core.operations.chat import CHAT
from llms_core.operations.count_tokens import COUNT_TOKENS

OPERATIONS: tuple[Operation[Any, Any], ...] = (CHAT, COUNT_TOKENS)
