"""What LiteLLM calls Vertex AI."""

from __future__ import annotations

from llms_core.provider import LiteLLMNames

VERTEX = LiteLLMNames(
    names=("vertex_ai", "vertex_ai_beta"),
    models=("gemini-*",),
    members={
        "vertex_project": "project",
        "vertex_ai_project": "project",
        "vertex_location": "location",
        "vertex_ai_location": "location",
    },
)
