"""docs/clients.md: what it says about base URL and key works as it is written, and is what the other tests use."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import TIMEOUT

from llms_core.testing import Reply, ScriptedUpstream, completion
from tests.agents import claude_code, codex, opencode
from tests.clients.conftest import node

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
[SECTION] = re.findall(r"^## Base URL and key\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
ADDRESS = "http://localhost:8000"


def snippets(language: str) -> list[Any]:
    """The blocks of a language, by what introduces them or by the module that they import."""
    found = re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    return [pytest.param(text, id=text.splitlines()[0]) for text in found]


@pytest.fixture
def kimi(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> Gateway:
    """A gateway whose model answers in one way."""
    upstream.default = Reply(completion("It works."))
    return served(config_of(first=provider(upstream, {"kimi-k2": "up-m"})))


@pytest.mark.slow
@pytest.mark.parametrize("program", snippets("python"))
def test_python(kimi: Gateway, program: str) -> None:
    command = [sys.executable, "-c", program.replace(ADDRESS, kimi.origin)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=kimi.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "It works.\n"


@pytest.mark.slow
@pytest.mark.parametrize("program", snippets("js"))
def test_node(kimi: Gateway, project: Path, program: str) -> None:
    assert node(project, program.replace(ADDRESS, kimi.origin), kimi) == "It works."


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
@pytest.mark.parametrize("line", snippets("sh"))
def test_curl(kimi: Gateway, line: str) -> None:
    command = ["bash", "-c", line.replace(ADDRESS, kimi.origin)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert "It works." in done.stdout, done.stderr


# The agents, which tests/agents runs


def block(title: str) -> str:
    """The first block after a heading."""
    found = re.search(rf"^## {title}\n.*?^```\w*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def test_the_settings_of_claude_code_are_those_of_its_test() -> None:
    """Which are those of the example."""
    documented = dict(re.findall(r"^export (\w+)=(\S+)", block("Claude Code"), re.MULTILINE))
    assert documented == json.loads(claude_code.EXAMPLE.read_text("utf-8"))["env"]


def test_the_settings_of_codex_are_those_of_its_test() -> None:
    """Which are those of the example."""
    example = tomllib.loads(codex.EXAMPLE.read_text("utf-8"))
    documented = tomllib.loads(block("Codex"))
    assert documented["model_providers"] == example["model_providers"]
    assert (documented["model"], documented["model_provider"]) == (
        example["model"],
        example["model_provider"],
    )


def test_the_settings_of_opencode_are_those_of_its_test() -> None:
    source = Path(opencode.__file__).read_text("utf-8")
    for member in (
        '"npm": "@ai-sdk/openai-compatible"',
        '"interleaved": {"field": "reasoning_content"}',
        '"baseURL": ',
    ):
        assert member in block("opencode")
        assert member in source


def test_every_tested_client_is_on_the_page() -> None:
    """A new file of tests needs a line here, and one on the page."""
    pages = {
        "agent_framework": "agent-framework",
        "anthropic_node": "@anthropic-ai/sdk",
        "anthropic_python": "`anthropic` for Python",
        "cohere_rerank": "`cohere`",
        "curl": "curl (chat completions)",
        "embedded_model": "all-minilm-l6-v2",
        "embeddings_frameworks": "OpenAIEmbeddings",
        "langchain": "langchain_openai",
        "langchain_anthropic": "langchain_anthropic",
        "llama_index": "OpenAILike",
        "openai_agents": "openai-agents",
        "openai_media": "client.images.generate",
        "openai_node": "`openai` for Node",
        "openai_node_responses": "`openai` for Node",
        "openai_python": "`openai` for Python",
        "pydantic_ai": "pydantic-ai",
    }
    tested = {
        path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")
    } - {"page"}
    assert tested == set(pages)
    for name, text in pages.items():
        assert text in PAGE, name
