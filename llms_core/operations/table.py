"""The operations of the core, one line each. Plugins add theirs through the `llms_operations` hook."""

from __future__ import annotations

from typing import Any

from llms_core.operations import Operation
from llms_core.operations.chat import CHAT
from llms_core.operations.count_tokens import COUNT_TOKENS
from llms_core.operations.embeddings import EMBEDDINGS
from llms_core.operations.images import EDITS, GENERATIONS, VARIATIONS
from llms_core.operations.moderations import MODERATIONS
from llms_core.operations.rerank import RERANK
from llms_core.operations.speech import SPEECH
from llms_core.operations.transcriptions import TRANSCRIPTIONS, TRANSLATIONS

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    CHAT,
    COUNT_TOKENS,
    EMBEDDINGS,
    RERANK,
    MODERATIONS,
    GENERATIONS,
    EDITS,
    VARIATIONS,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
)
