"""LangChain's own tests of embeddings, for its OpenAI client with its defaults; run in an environment of its own."""

from __future__ import annotations

import os
from typing import Any

import pytest
import tiktoken
from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

#: By default the client splits texts into tokens and sends their numbers; OpenAI's own table would be downloaded.
ENCODING = tiktoken.Encoding(
    "bytes", pat_str=".", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={}
)


class _Common(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[OpenAIEmbeddings]:
        return OpenAIEmbeddings

    @pytest.fixture(autouse=True)
    def encoding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiktoken, "encoding_for_model", lambda _: ENCODING)


class TestTokens(_Common):
    """With the client's defaults."""

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {
            "base_url": os.environ["GATEWAY"],
            "api_key": "not-needed",
            "model": "text-embedding-3-small",
        }


class TestTexts(_Common):
    """With texts, for a provider that takes no tokens."""

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {
            "base_url": os.environ["GATEWAY"],
            "api_key": "not-needed",
            "model": "embed-v4",
            "check_embedding_ctx_length": False,
        }
