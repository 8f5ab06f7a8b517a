"""Addresses of models, and hosts of Vertex AI."""

from __future__ import annotations

from urllib.parse import quote


def resource(model: str) -> str:
    """Return the resource name of a model."""
    # Other resources generate content too: `tunedModels/mine`, or another publisher's model on Vertex AI.
    return model if "/" in model else f"models/{model}"


def quoted(resource: str) -> str:
    """Return a resource name as a part of a URL's path."""
    return quote(resource, safe="/@:")


def vertex_host(location: str) -> str:
    """Return the host for a location; multi-regions follow another pattern than regions."""
    match location:
        case "global":
            return "aiplatform.googleapis.com"
        case "us" | "eu":
            return f"aiplatform.{location}.rep.googleapis.com"
        case region:
            return f"{region}-aiplatform.googleapis.com"
