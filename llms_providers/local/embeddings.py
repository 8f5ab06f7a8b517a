"""The embedded embedding model, all-MiniLM-L6-v2, run by llama.cpp on this machine: 384 dimensions, 256 words or so.

Any other embedding model that llama.cpp runs is used the same way:
`{"type": "local-embeddings", "gguf": "path/to/model.gguf", "models": {"my-model": "my-model"}}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from llms_core import ErrorKind, LlmsError, ProviderError
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.provider import Headers, ProviderSettings, ProviderSpec
from llms_providers.local import minilm
from llms_providers.local.child import Options
from llms_providers.local.model import LocalModel


class LocalEmbeddingSettings(ProviderSettings, kw_only=True):
    """A block of the type `local-embeddings` needs nothing but `llms local pull --embeddings`, or a `gguf`."""

    #: path of a GGUF file; empty for all-MiniLM-L6-v2
    gguf: Annotated[str, Meta(examples=["/models/minilm.gguf"])] = ""
    #: The threads of llama.cpp. More than one are only faster on a machine that has little else to do.
    threads: Annotated[int, Meta(ge=1)] = 1
    #: the most tokens of one text
    context: Annotated[int, Meta(ge=32)] = 512
    #: how many texts are processed at the same time; others wait
    parallel: Annotated[int, Meta(ge=1)] = 4
    #: how long the start may take
    start_timeout: Annotated[float, Meta(gt=0, extra={"unit": "seconds"})] = 60.0


class LocalEmbeddings(LocalModel):
    """An embedding model in a child process of this one."""

    def options_of(self, settings: ProviderSettings) -> Options:
        """Return how to run the model."""
        options = msgspec.convert(settings, Options, from_attributes=True)
        return msgspec.structs.replace(options, embedding=True)

    def available(self) -> str | None:
        """Return what is missing and how to install it, or None. Only looks for files; imports nothing native."""
        return minilm.missing_requirement(self.options.gguf)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Return what an error means: llama.cpp answers 500 to a text that is too long."""
        error = super().error(status, headers, body)
        if "too large to process" in error.message:
            error.kind = ErrorKind.CONTEXT_LENGTH
            error.code = "context_length_exceeded"
            error.message = f"A text has more than {self.options.context} tokens ({error.message})"
        return error

    @staticmethod
    def find_gguf(gguf: str) -> Path:
        """Return the file to run. Raises ProviderError if it, or llama.cpp, is missing."""
        missing = minilm.missing_requirement(gguf)
        try:
            path = minilm.file_to_run(gguf)
        except (LlmsError, OSError) as error:
            missing = str(error)
            path = None
        if missing is not None or path is None:
            raise ProviderError(ErrorKind.NETWORK, f"The local model cannot be started: {missing}")
        return path


LOCAL_EMBEDDINGS = ProviderSpec(
    name="local-embeddings",
    adapter=LocalEmbeddings,
    title="all-MiniLM-L6-v2 (embedded embedding model)",
    docs="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    needs_key=False,
    # No chat.
    path="",
    paths={"embeddings": "/embeddings"},
    embeddings=EmbeddingRules(max_inputs=256, base64=True),
    models={"all-minilm-l6-v2": "all-minilm-l6-v2"},
    settings=LocalEmbeddingSettings,
    embedded=True,
)
