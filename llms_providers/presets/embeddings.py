"""What presets accept in requests for embeddings, and the providers that have nothing but embeddings and ranking.

`max_inputs` is documented by the provider, unless a comment says otherwise.
"""

from __future__ import annotations

import msgspec

from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import LiteLLMNames, ProviderSpec
from llms_providers.presets.accepted import QWEN_ONLY
from llms_providers.presets.operations import TEXT

_QUERY_AND_DOCUMENT = {"query": "query", "document": "document"}

#: Texts only, and no parameters.
PLAIN = EmbeddingRules()
#: Texts only, of any dimensions that the model has.
RESIZABLE = EmbeddingRules(dimensions="dimensions")
#: Everything that OpenAI's API has, as in servers that follow it closely.
LIKE_OPENAI = EmbeddingRules(tokens=True, dimensions="dimensions", base64=True)

#: llama.cpp has no `dimensions`.
LLAMACPP = EmbeddingRules(tokens=True, base64=True)
#: "Too many inputs in request" depends on the tokens, too; this number is what other clients use.
MISTRAL = EmbeddingRules(max_inputs=32, dimensions="output_dimension", base64=True)
#: Ten texts for the current models.
QWEN = EmbeddingRules(max_inputs=10, dimensions="dimensions")
GITHUB = EmbeddingRules(
    dimensions="dimensions",
    input_type="input_type",
    input_types={**_QUERY_AND_DOCUMENT, "text": "text"},
    base64=True,
)
#: The models for retrieval require `input_type`, and the others ignore it.
NVIDIA = EmbeddingRules(
    dimensions="dimensions",
    input_type="input_type",
    input_types={"query": "query", "document": "passage"},
    default_input_type="passage",
    base64=True,
)
#: A router to many providers.
OPENROUTER = EmbeddingRules(
    tokens=True,
    dimensions="dimensions",
    input_type="input_type",
    input_types={"query": "search_query", "document": "search_document"},
    base64=True,
)
DEEPINFRA = msgspec.structs.replace(RESIZABLE, max_inputs=1024)

VOYAGE = ProviderSpec(
    name="voyage",
    title="Voyage AI",
    docs="https://docs.voyageai.com/reference/embeddings-api",
    adapter=OpenAICompatible,
    base_url="https://api.voyageai.com/v1",
    # No chat.
    path="",
    paths=TEXT,
    key_env=("VOYAGE_API_KEY",),
    aliases=("voyageai",),
    # It has no `user`.
    drop=QWEN_ONLY | {"user"},
    # Its name when it ranks.
    rename={"top_n": "top_k"},
    embeddings=EmbeddingRules(
        max_inputs=1000,
        dimensions="output_dimension",
        input_type="input_type",
        input_types=_QUERY_AND_DOCUMENT,
        base64=True,
    ),
)
JINA = ProviderSpec(
    name="jina",
    title="Jina AI",
    litellm=LiteLLMNames(names=("jina_ai",), key_env=("JINA_AI_API_KEY",)),
    docs="https://jina.ai/embeddings/",
    adapter=OpenAICompatible,
    base_url="https://api.jina.ai/v1",
    # No chat.
    path="",
    paths=TEXT,
    key_env=("JINA_API_KEY", "JINAAI_API_KEY"),
    aliases=("jinaai",),
    drop=QWEN_ONLY | {"user"},
    # Its word for `encoding_format` is `embedding_type`: it sends numbers, which are encoded for the client.
    embeddings=EmbeddingRules(
        max_inputs=512,
        dimensions="dimensions",
        input_type="task",
        input_types={
            "query": "retrieval.query",
            "document": "retrieval.passage",
            "similarity": "text-matching",
            "classification": "classification",
            "clustering": "separation",
        },
    ),
)

EMBEDDING_PROVIDERS: tuple[ProviderSpec, ...] = (VOYAGE, JINA)
