"""Servers on this machine. A key is sent if one is set, but none is needed."""

from __future__ import annotations

from llms_core.openai_compatible import OPENAI_PATHS, OpenAICompatible
from llms_core.provider import Capabilities, LiteLLMNames, ProviderSpec
from llms_providers.presets.accepted import MAX_TOKENS, OPEN_RULES
from llms_providers.presets.embeddings import LIKE_OPENAI, LLAMACPP, PLAIN
from llms_providers.presets.operations import EMBEDDINGS, RECORDINGS, TEXT

LOCAL_SERVERS: tuple[ProviderSpec, ...] = (
    ProviderSpec(
        name="lmstudio",
        title="LM Studio",
        litellm=LiteLLMNames(names=("lm_studio",)),
        docs="https://lmstudio.ai/docs/developer/openai-compat",
        adapter=OpenAICompatible,
        base_url="http://localhost:1234/v1",
        key_env=("LMSTUDIO_API_KEY",),
        paths=EMBEDDINGS,
        needs_key=False,
        # It answers 400 to any response format but `text` and `json_schema`.
        capabilities=Capabilities(json_object=False),
        rename=MAX_TOKENS,
        rules=OPEN_RULES,
        embeddings=PLAIN,
    ),
    ProviderSpec(
        name="llamacpp",
        title="llama.cpp",
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        adapter=OpenAICompatible,
        base_url="http://localhost:8080/v1",
        paths=TEXT,
        needs_key=False,
        # It continues a last message of the assistant by default.
        capabilities=Capabilities(prefill=True),
        aliases=("llama.cpp",),
        rules=OPEN_RULES,
        embeddings=LLAMACPP,
    ),
    ProviderSpec(
        # Port 8000 is both vLLM's default and this gateway's: change one of the two before using both.
        name="vllm",
        title="vLLM",
        litellm=LiteLLMNames(names=("hosted_vllm",)),
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        adapter=OpenAICompatible,
        base_url="http://localhost:8000/v1",
        key_env=("VLLM_API_KEY",),
        paths={**TEXT, **RECORDINGS},
        needs_key=False,
        rules=OPEN_RULES,
        embeddings=LIKE_OPENAI,
    ),
    ProviderSpec(
        # llms.py's name, from its third version on, for any local server. The port conflicts as vLLM's does.
        name="openai-local",
        title="A local server that speaks OpenAI's JSON",
        adapter=OpenAICompatible,
        base_url="http://localhost:8000/v1",
        key_env=("OPENAI_LOCAL_API_KEY",),
        paths=OPENAI_PATHS,
        needs_key=False,
        rules=OPEN_RULES,
        embeddings=LIKE_OPENAI,
    ),
)
