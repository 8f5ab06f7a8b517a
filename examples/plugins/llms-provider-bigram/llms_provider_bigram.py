"""A language model in the gateway's own process. It has read one text, and knows which word follows which."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

from llms_core import hookimpl
from llms_core.contracts.building import Chunks
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatCall
from llms_core.provider import AdapterHttp, Capabilities, ProviderSettings, ProviderSpec

_TEXT = """A gateway passes requests on. A request asks a model. A model answers with words. Words follow words.
A provider runs a model. If a provider fails, the gateway asks another provider. The client gets words either way."""

_MOST_WORDS = 200


class Bigram:
    """The adapter. Its model is read once, and serves all requests."""

    def __init__(self, spec: ProviderSpec[Any], settings: ProviderSettings) -> None:
        self._following: defaultdict[str, list[str]] = defaultdict(list)
        for word, following in pairwise(re.findall(r"[\w,]+|\.", _TEXT)):
            self._following[word].append(following)

    async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
        """Yield one word at a time. The gateway joins them for clients that want a whole answer."""
        prompt = " ".join(text_of(message.content) for message in call.request.messages)
        limit = min(call.request.token_limit or _MOST_WORDS, _MOST_WORDS)
        chunks = Chunks(call)
        chance = random.Random(call.get("seed"))
        word = "."
        written = 0
        while written < limit:
            # A real model computes for long: in a thread, so that the gateway serves others meanwhile.
            word = await asyncio.to_thread(chance.choice, self._following[word])
            written += 1
            yield chunks.text(word if word == "." or written == 1 else f" {word}")
            if word == ".":
                break
        yield chunks.finish("stop" if word == "." else "length")
        yield chunks.usage(Usage(prompt_tokens=len(prompt.split()), completion_tokens=written))


_CANNOT = dict.fromkeys(
    ("tools", "json_schema", "json_object", "vision", "audio", "files", "logprobs", "n"), False
)


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="bigram",
        title="Bigram",
        adapter=Bigram,
        needs_key=False,
        capabilities=Capabilities(**_CANNOT),
        models={"bigram": "bigram"},
    )
