"""LlamaIndex's clients of OpenAI's embeddings; prints what they return as JSON."""

import asyncio
import json
import os
import sys

from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding

base = os.environ["GATEWAY"]
openai = OpenAIEmbedding(api_base=base, api_key="not-needed", model="text-embedding-3-small")
like = OpenAILikeEmbedding(
    api_base=base, api_key="not-needed", model_name="embed-v4", embed_batch_size=150
)
texts = [f"text {number}" for number in range(150)]
found = {
    "query": openai.get_query_embedding("text 0"),
    "async": asyncio.run(openai.aget_text_embedding("text 0")),
    "batch": like.get_text_embedding_batch(texts),
}
sys.stdout.write(json.dumps(found))
