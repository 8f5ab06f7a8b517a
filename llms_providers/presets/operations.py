"""The operations that presets have beside chat, and where: OpenAI's paths, and that of ranking."""

from __future__ import annotations

from collections.abc import Mapping

from llms_core.openai_compatible import OPENAI_PATHS


def paths(*operations: str) -> Mapping[str, str]:
    """Return the usual paths of operations."""
    return {name: OPENAI_PATHS[name] for name in operations}


EMBEDDINGS = paths("embeddings")

#: OpenAI's own. It ranks nothing.
OPENAI = {name: path for name, path in OPENAI_PATHS.items() if name != "rerank"}

#: Servers of models for text, which rank as well.
TEXT = paths("embeddings", "rerank")

RECORDINGS = paths("audio_transcriptions", "audio_translations")

IMAGES_AND_SPEECH = paths("images_generations", "audio_speech")
