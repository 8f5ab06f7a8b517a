"""The settings of one provider, which every adapter gets. `llms_core.provider` is where plugins import them from."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llms_core.secret import Secret


class ProviderSettings(msgspec.Struct, kw_only=True):
    """A provider's block in llms.json, decoded. Subclass it to add settings of your own."""

    #: The provider's name in llms.json.
    id: str
    #: Overrides the spec's base URL; empty if the block has none.
    base_url: str = ""
    #: Overrides the spec's path; empty if the block has none.
    path: str = ""
    #: `chat` or `responses`, if the adapter is an OpenAICompatible that is not to choose itself; else empty.
    protocol: str = ""
    api_key: Secret | None = None
    #: Extra headers for each request, names in lower case.
    headers: dict[str, str] = {}
    #: Parameters for requests that do not set them.
    defaults: dict[str, Raw] = {}
    #: Parameters that replace the client's.
    force: dict[str, Raw] = {}
    #: Whether requests in a protocol that the provider speaks are passed on as they are; see `PassesThrough`.
    pass_through: bool = True
    #: Whether a client that wants a stream gets the whole answer as one, because the server cannot stream.
    replay_streams: bool = False

    def bearer_headers(self) -> dict[str, str]:
        """Return the headers of a JSON request: the configured ones, and the key (if any) as a bearer token."""
        headers = {"content-type": "application/json", **self.headers}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key.reveal()}"
        return headers
