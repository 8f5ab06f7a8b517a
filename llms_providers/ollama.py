"""Ollama, on this machine or another: its OpenAI-compatible endpoint, and `/api/tags` for the models that are there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.content import ImageUrl
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec, UpstreamRequest


class _Tag(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Tag]


_tags = msgspec.json.Decoder(_Tags)


class Ollama(OpenAICompatible):
    """`base_url` is the server's, with `/v1` or without."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        self.root = self.base_url.removesuffix("/v1")
        self.base_url = f"{self.root}/v1"

    def request(self, call: ChatCall) -> UpstreamRequest:
        """As OpenAI's. Raises Unsupported for an image by URL: Ollama fetches none."""
        for message in call.request.messages:
            for part in message.content if isinstance(message.content, list) else ():
                image = part.image_url
                url = image.url if isinstance(image, ImageUrl) else image
                if url is not None and not url.startswith("data:"):
                    raise Unsupported("Ollama takes images as data URIs, and fetches none by URL", param="messages")
        return super().request(call)

    def models_request(self) -> UpstreamRequest:
        """Ask for the models that have been pulled."""
        return UpstreamRequest(method="GET", url=f"{self.root}/api/tags", headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The names of `/api/tags`, for clients without `:latest` (SR-118)."""
        try:
            return {tag.name.removesuffix(":latest"): tag.name for tag in _tags.decode(body).models}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None


OLLAMA = ProviderSpec(
    name="ollama",
    title="Ollama",
    docs="https://docs.ollama.com/api/openai-compatibility",
    adapter=Ollama,
    base_url="http://localhost:11434/v1",
    needs_key=False,
    capabilities=Capabilities(audio=False, files=False, n=False),
    # It knows the older name only, and passes over in silence what it does not know.
    rename={"max_completion_tokens": "max_tokens"},
    drop=frozenset({"logit_bias", "parallel_tool_calls", "tool_choice"}),
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Ollama's type."""
    return [OLLAMA]
