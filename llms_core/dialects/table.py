"""The dialects of the core, one line each. Plugins add theirs through the `llms_dialects` hook.

This table generates the routes, the OpenAPI document and the direct path.
"""

from __future__ import annotations

import os

from llms_core.config import places
from llms_core.config.model import PluginsToml
from llms_core.dialects import Dialect, images, rerank, responses, transcriptions
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.dialects.completions import COMPLETIONS
from llms_core.dialects.embeddings import OPENAI_EMBEDDINGS
from llms_core.dialects.gemini import DIALECTS as GEMINI
from llms_core.dialects.messages import DIALECTS as MESSAGES
from llms_core.dialects.moderations import MODERATIONS
from llms_core.dialects.speech import SPEECH


def dialects(settings: PluginsToml) -> tuple[Dialect, ...]:
    """Return the dialects, with the settings of those that have any."""
    return (
        CHAT_COMPLETIONS,
        COMPLETIONS,
        *MESSAGES,
        *GEMINI,
        OPENAI_EMBEDDINGS,
        *responses.create(settings.responses, places.home(os.environ)),
        *rerank.DIALECTS,
        MODERATIONS,
        *images.DIALECTS,
        SPEECH,
        *transcriptions.DIALECTS,
    )
