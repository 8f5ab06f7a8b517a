"""Where a provider offers the protocols of other clients beside chat completions: `ProviderSpec.native`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from llms_core.provider import ProviderSettings, ProviderSpec


def native_urls(spec: ProviderSpec, settings: ProviderSettings, base_url: str) -> Mapping[str, str]:
    """Return the URL for each protocol.

    One that the spec gives in full belongs to the spec's own host: a key must not be sent there if the user has
    configured another.
    """
    is_elsewhere = bool(settings.base_url) and urlsplit(settings.base_url).netloc != urlsplit(spec.base_url).netloc
    urls = {}
    for protocol, place in spec.native.items():
        if place.startswith("/"):
            urls[protocol] = f"{base_url}{place}"
        elif not is_elsewhere:
            urls[protocol] = place
    return urls
