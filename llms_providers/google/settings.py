"""The blocks of Google's providers in llms.json."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.provider import ProviderSettings


class GoogleSettings(ProviderSettings, kw_only=True):
    """A block of the type `google` needs a key of the Gemini API (K-11, K-12)."""

    #: for requests without `safetySettings` of their own, in Gemini's form
    safety_settings: Annotated[
        list[dict[str, Any]],
        Meta(examples=[[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]]),
    ] = msgspec.field(default_factory=list)
    #: for requests without `thinkingConfig` of their own, in Gemini's form
    thinking_config: Annotated[dict[str, Any], Meta(examples=[{"thinkingBudget": 1024}])] = (
        msgspec.field(default_factory=dict)
    )


class VertexSettings(GoogleSettings, kw_only=True):
    """A block of the type `vertex` needs a project and an OAuth access token, or a key of Vertex AI's express mode.

    `gcloud auth print-access-token` prints a token, which expires after an hour.
    """

    #: With a project, `api_key` is an OAuth access token. Without one it is an API key of Vertex AI's express mode.
    project: Annotated[str, Meta(examples=["our-project"])] = ""
    #: `global`, a multi-region (`us`, `eu`) or a region such as `europe-west4`
    location: str = "global"


def as_google_settings(settings: ProviderSettings) -> GoogleSettings:
    """Return the settings with Google's members; the defaults if another spec uses the adapter without them."""
    if isinstance(settings, GoogleSettings):
        return settings
    return GoogleSettings(id=settings.id)
