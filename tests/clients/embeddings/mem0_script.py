"""mem0 with its OpenAI client and a vector store; prints what a search finds as JSON."""

import json
import os
import sys
from pathlib import Path

from mem0 import Memory

store = Path(os.environ["STORE"])
gateway = os.environ["GATEWAY"]
config = {
    "embedder": {
        "provider": "openai",
        "config": {
            "model": "text-embedding-3-small",
            "openai_base_url": gateway,
            "api_key": "not-needed",
        },
    },
    "llm": {
        "provider": "openai",
        "config": {"model": "gpt-5-mini", "openai_base_url": gateway, "api_key": "not-needed"},
    },
    "vector_store": {
        "provider": "qdrant",
        "config": {"collection_name": "m", "path": str(store), "embedding_model_dims": 1536},
    },
    "history_db_path": str(store / "history.db"),
}
memory = Memory.from_config(config)
memory.add("I like tea", user_id="me", infer=False)
memory.add("I live in Oslo", user_id="me", infer=False)
found = memory.search("I like tea", filters={"user_id": "me"}, threshold=0.0)
sys.stdout.write(json.dumps([each["memory"] for each in found["results"]]))
