"""Reads the lists of models of both APIs."""

from __future__ import annotations

import msgspec

from llms_providers.google.answer import decode

#: The methods of models that the adapter calls.
_METHODS = frozenset({"generateContent", "embedContent"})
# Vertex AI's list does not state what a model generates, so that its name has to tell.
_PREFIXES = ("gemini-", "text-embedding-", "text-multilingual-embedding-")


class _Model(msgspec.Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] = []


class _ModelList(msgspec.Struct, rename="camel"):
    #: the Gemini API's list
    models: list[_Model] = []
    #: Vertex AI's list
    publisher_models: list[_Model] = []


_decoder = msgspec.json.Decoder(_ModelList)


def read_gemini(body: bytes) -> dict[str, str]:
    """Return the Gemini API's models for content and embeddings. Raises ProviderError if the list is unreadable."""
    found = {}
    for model in decode(_decoder, body).models:
        if not _METHODS.isdisjoint(model.supported_generation_methods):
            name = model.name.removeprefix("models/")
            found[name] = name
    return found


def read_vertex(body: bytes) -> dict[str, str]:
    """Return Vertex AI's models for content and embeddings. Raises ProviderError if the list is unreadable."""
    found = {}
    for model in decode(_decoder, body).publisher_models:
        name = model.name.rpartition("/")[2]
        if name.startswith(_PREFIXES):
            found[name] = name
    return found
