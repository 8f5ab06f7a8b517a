"""LangChain, LlamaIndex and mem0 get embeddings from the running server, in an environment of their own.

Their dependencies are many, and LangChain's tests bring plugins of pytest that replace its event loops and sockets.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fresh_environment import Environment

from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Seen,
    completion,
    embeddings,
    json_body,
    vector_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Gateway, ProviderBlock, Serve

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "embeddings"
PACKAGES = (
    "langchain-openai==1.7.4",
    "langchain-tests==1.1.9",
    "llama-index-embeddings-openai==0.6.0",
    "llama-index-embeddings-openai-like==0.4.0",
    "mem0ai==2.2.1",
)


@pytest.fixture(scope="module")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("frameworks"), *PACKAGES)


def _openai(seen: Seen) -> Reply:
    if seen.path.endswith("/embeddings"):
        return embeddings(dimensions=1536)
    return completion('{"facts": []}')


def _cohere(seen: Seen) -> Reply:
    vectors = [vector_of(text, 8) for text in seen.json["texts"]]
    return json_body(
        {"embeddings": {"float": vectors}, "meta": {"billed_units": {"input_tokens": len(vectors)}}}
    )


@pytest.fixture
def served_embeddings(
    upstreams: Callable[[], ScriptedUpstream], provider: ProviderBlock, served: Serve
) -> Gateway:
    """A gateway before a provider that takes tokens, and one that takes texts only, 96 at once."""
    openai = upstreams()
    cohere = upstreams()
    openai.default = Reply(_openai)
    cohere.default = Reply(_cohere)
    models = {"text-embedding-3-small": "text-embedding-3-small", "gpt-5-mini": "gpt-5-mini"}
    config = {
        "providers": {
            "openai": provider(openai, models, type="openai"),
            "cohere": provider(cohere.origin, {"embed-v4": "embed-v4.0"}, type="cohere"),
        }
    }
    return served(config)


def _environ(gateway: Gateway, folder: Path) -> dict[str, str]:
    return {
        "GATEWAY": gateway.base_url,
        "STORE": str(folder),
        "MEM0_TELEMETRY": "False",
        # Whatever they might try to reach besides the gateway fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def test_langchains_own_tests_pass(
    frameworks: Environment, served_embeddings: Gateway, tmp_path: Path
) -> None:
    """With the client's defaults, which send tokens, and with texts."""
    shutil.copy(SCRIPTS / "langchain_suite.py", tmp_path / "test_suite.py")
    command = (
        "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "test_suite.py",
    )
    done = frameworks.run(*command, cwd=tmp_path, env=_environ(served_embeddings, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


def test_llama_index_gets_the_vectors(
    frameworks: Environment, served_embeddings: Gateway, tmp_path: Path
) -> None:
    script = SCRIPTS / "llama_index_script.py"
    done = frameworks.run("python", script, cwd=tmp_path, env=_environ(served_embeddings, tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["query"] == found["async"] == vector_of("text 0", 1536)
    # More than one request of the provider holds.
    assert found["batch"] == [vector_of(f"text {number}", 8) for number in range(150)]


def test_mem0_stores_and_finds(
    frameworks: Environment, served_embeddings: Gateway, tmp_path: Path
) -> None:
    script = SCRIPTS / "mem0_script.py"
    done = frameworks.run("python", script, cwd=tmp_path, env=_environ(served_embeddings, tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])[0] == "I like tea"
