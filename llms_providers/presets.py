"""Providers that speak OpenAI's JSON and need only a key in the environment: one row each, in the order they are tried.

`drop` holds what a provider answers with an error, as far as the answer is the same kind of answer without it: hints,
book-keeping, tuning. What is asked for (`n`, `tools`, `logprobs`, a JSON schema, images, …) is a capability instead, so
that a provider without it is passed over. What only some of a provider's models refuse is mostly left in the request.
A provider that needs more than this table can say has a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSpec

#: Qwen's switch; nobody else's, and an error where unknown parameters are errors.
QWEN_ONLY = frozenset({"enable_thinking"})
#: Book-keeping and hints of OpenAI's own platform; errors at the providers whose request schema is closed.
OPENAI_ONLY = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "verbosity"}
)
LOGPROBS = frozenset({"logprobs", "top_logprobs"})
#: For providers that document `max_tokens` only; DeepSeek and Z.AI ignore the newer name, Mistral refuses it.
MAX_TOKENS = {"max_completion_tokens": "max_tokens"}

# Mistral answers 422 to whatever is not in its schema, and sends usage with the last chunk without being asked.
MISTRAL_DROP = QWEN_ONLY | (OPENAI_ONLY - {"metadata", "prompt_cache_key"}) | {"logit_bias", "stream_options", "user"}
MISTRAL_RENAME = {**MAX_TOKENS, "seed": "random_seed"}
MISTRAL_CAN = Capabilities(files=False, stream_usage=False)
# "Unknown name …: Cannot find field", a 400.
GOOGLE_DROP = QWEN_ONLY | OPENAI_ONLY | {"frequency_penalty", "presence_penalty", "logit_bias", "seed"}
# llms.py says ZAI_API_KEY, models.dev ZHIPU_API_KEY.
ZAI_KEYS = ("ZAI_API_KEY", "ZHIPU_API_KEY")
ZAI_CAN = Capabilities(json_schema=False)

PRESETS: tuple[ProviderSpec, ...] = (
    ProviderSpec(
        name="groq", title="Groq", adapter=OpenAICompatible, docs="https://console.groq.com/docs/openai",
        base_url="https://api.groq.com/openai/v1", key_env=("GROQ_API_KEY",), aliases=("@ai-sdk/groq",),
        capabilities=Capabilities(logprobs=False, n=False, audio=False, files=False),
        drop=QWEN_ONLY | OPENAI_ONLY | LOGPROBS | {"logit_bias"},
    ),
    ProviderSpec(
        name="cerebras", title="Cerebras", adapter=OpenAICompatible,
        docs="https://inference-docs.cerebras.ai/resources/openai",
        base_url="https://api.cerebras.ai/v1", key_env=("CEREBRAS_API_KEY",), aliases=("@ai-sdk/cerebras",),
        capabilities=Capabilities(audio=False, files=False),
        # logit_bias is accepted and never applied, but for an error at more than 100 entries.
        drop=QWEN_ONLY | (OPENAI_ONLY - {"prompt_cache_key"}) | {"logit_bias"},
    ),
    ProviderSpec(
        name="codestral", title="Codestral", adapter=OpenAICompatible, docs="https://docs.mistral.ai/api/",
        base_url="https://codestral.mistral.ai/v1", key_env=("CODESTRAL_API_KEY",),
        capabilities=MISTRAL_CAN, rename=MISTRAL_RENAME, drop=MISTRAL_DROP,
    ),
    ProviderSpec(
        name="github-models", title="GitHub Models", adapter=OpenAICompatible,
        docs="https://docs.github.com/en/rest/models/inference",
        base_url="https://models.github.ai/inference", key_env=("GITHUB_TOKEN",), drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="zai-coding-plan", title="Z.AI Coding Plan", adapter=OpenAICompatible,
        docs="https://docs.z.ai/devpack/overview",
        base_url="https://api.z.ai/api/coding/paas/v4", key_env=ZAI_KEYS,
        capabilities=ZAI_CAN, rename=MAX_TOKENS, drop=frozenset({"metadata"}),
    ),
    ProviderSpec(
        name="minimax", title="MiniMax", adapter=OpenAICompatible,
        docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
        base_url="https://api.minimax.io/v1", key_env=("MINIMAX_API_KEY",),
        capabilities=Capabilities(n=False, audio=False), drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="google-openai", title="Google Gemini, at llms.py's address", adapter=OpenAICompatible,
        docs="https://ai.google.dev/gemini-api/docs/openai",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        drop=GOOGLE_DROP, aliases=("GoogleOpenAiProvider",),
    ),
    ProviderSpec(
        name="openai", title="OpenAI", adapter=OpenAICompatible,
        docs="https://platform.openai.com/docs/api-reference/chat",
        base_url="https://api.openai.com/v1", key_env=("OPENAI_API_KEY",), drop=QWEN_ONLY, aliases=("@ai-sdk/openai",),
    ),
    ProviderSpec(
        # The reasoning models answer an error to either penalty, and so does grok-3 to the second.
        name="xai", title="xAI", adapter=OpenAICompatible, docs="https://docs.x.ai/docs/guides/reasoning",
        base_url="https://api.x.ai/v1", key_env=("XAI_API_KEY", "GROK_API_KEY"),
        drop=QWEN_ONLY | {"frequency_penalty", "presence_penalty"}, aliases=("grok", "@ai-sdk/xai"),
    ),
    ProviderSpec(
        name="qwen", title="Alibaba Qwen", adapter=OpenAICompatible,
        docs="https://www.alibabacloud.com/help/en/model-studio/models",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1", key_env=("DASHSCOPE_API_KEY",),
        aliases=("alibaba", "dashscope"),
    ),
    ProviderSpec(
        # llms.py leaves `metadata` out everywhere because Z.AI refuses it.
        name="zai", title="Z.AI", adapter=OpenAICompatible,
        docs="https://docs.z.ai/api-reference/llm/chat-completion",
        base_url="https://api.z.ai/api/paas/v4", key_env=ZAI_KEYS,
        capabilities=ZAI_CAN, rename=MAX_TOKENS, drop=frozenset({"metadata"}), aliases=("z.ai",),
    ),
    ProviderSpec(
        name="mistral", title="Mistral", adapter=OpenAICompatible, docs="https://docs.mistral.ai/api/",
        base_url="https://api.mistral.ai/v1", key_env=("MISTRAL_API_KEY",), aliases=("@ai-sdk/mistral",),
        capabilities=MISTRAL_CAN, rename=MISTRAL_RENAME, drop=MISTRAL_DROP,
    ),
    ProviderSpec(
        name="chutes", title="Chutes", adapter=OpenAICompatible, docs="https://llm.chutes.ai/v1/models",
        base_url="https://llm.chutes.ai/v1", key_env=("CHUTES_API_KEY",), drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="deepseek", title="DeepSeek", adapter=OpenAICompatible,
        docs="https://api-docs.deepseek.com/api/create-chat-completion",
        base_url="https://api.deepseek.com", key_env=("DEEPSEEK_API_KEY",), rename=MAX_TOKENS, drop=QWEN_ONLY,
        capabilities=Capabilities(json_schema=False, vision=False, audio=False, files=False),
    ),
    ProviderSpec(
        # The kimi models fix these, and answer an error to any value but the fixed one.
        name="moonshotai", title="Moonshot AI (Kimi)", adapter=OpenAICompatible,
        docs="https://platform.moonshot.ai/docs/api/chat",
        base_url="https://api.moonshot.ai/v1", key_env=("MOONSHOT_API_KEY",), capabilities=Capabilities(n=False),
        drop=QWEN_ONLY | {"temperature", "top_p", "frequency_penalty", "presence_penalty"},
        aliases=("moonshot", "kimi"),
    ),
    ProviderSpec(
        name="huggingface", title="Hugging Face", adapter=OpenAICompatible,
        docs="https://huggingface.co/docs/inference-providers",
        base_url="https://router.huggingface.co/v1", key_env=("HF_TOKEN",),
    ),
    ProviderSpec(
        name="fireworks", title="Fireworks AI", adapter=OpenAICompatible, docs="https://fireworks.ai/docs/",
        base_url="https://api.fireworks.ai/inference/v1", key_env=("FIREWORKS_API_KEY",),
        drop=QWEN_ONLY | {"prompt_cache_retention"}, aliases=("fireworks-ai", "@fireworks/ai-sdk-provider"),
    ),
    ProviderSpec(
        name="openrouter", title="OpenRouter", adapter=OpenAICompatible,
        docs="https://openrouter.ai/docs/api-reference/overview",
        base_url="https://openrouter.ai/api/v1", key_env=("OPENROUTER_API_KEY",),
        capabilities=Capabilities(prefill=True), aliases=("openrouter_free", "@openrouter/ai-sdk-provider"),
    ),
    ProviderSpec(
        name="nvidia", title="NVIDIA", adapter=OpenAICompatible,
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
        base_url="https://integrate.api.nvidia.com/v1", key_env=("NVIDIA_API_KEY",),
        rename=MAX_TOKENS, drop=QWEN_ONLY | OPENAI_ONLY,
    ),
    ProviderSpec(
        name="together", title="Together AI", adapter=OpenAICompatible,
        docs="https://docs.together.ai/docs/inference/openai-compatibility",
        base_url="https://api.together.ai/v1", key_env=("TOGETHER_API_KEY",),
        rename=MAX_TOKENS, drop=QWEN_ONLY, aliases=("togetherai",),
    ),
    ProviderSpec(
        # "Frequency penalty must satisfy p > 0": clients that send their default of 0 get a 400.
        name="perplexity", title="Perplexity", adapter=OpenAICompatible,
        docs="https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        base_url="https://api.perplexity.ai", key_env=("PERPLEXITY_API_KEY",),
        capabilities=Capabilities(tools=False, audio=False), rename=MAX_TOKENS, drop=QWEN_ONLY | {"frequency_penalty"},
    ),
    ProviderSpec(
        name="sambanova", title="SambaNova", adapter=OpenAICompatible,
        docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        base_url="https://api.sambanova.ai/v1", key_env=("SAMBANOVA_API_KEY",), drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="deepinfra", title="DeepInfra", adapter=OpenAICompatible, docs="https://deepinfra.com/docs/openai_api",
        base_url="https://api.deepinfra.com/v1/openai", key_env=("DEEPINFRA_API_KEY",), drop=QWEN_ONLY,
    ),
    # Servers on this machine. A key is sent where one is set, but none is needed.
    ProviderSpec(
        name="lmstudio", title="LM Studio", adapter=OpenAICompatible,
        docs="https://lmstudio.ai/docs/developer/openai-compat",
        base_url="http://localhost:1234/v1", key_env=("LMSTUDIO_API_KEY",), needs_key=False,
        capabilities=Capabilities(json_object=False),
    ),
    ProviderSpec(
        name="llamacpp", title="llama.cpp", adapter=OpenAICompatible,
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        base_url="http://localhost:8080/v1", needs_key=False, capabilities=Capabilities(prefill=True),
        aliases=("llama.cpp",),
    ),
    ProviderSpec(
        # Port 8000 is vLLM's default and this gateway's: give one of the two another before using both.
        name="vllm", title="vLLM", adapter=OpenAICompatible,
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        base_url="http://localhost:8000/v1", key_env=("VLLM_API_KEY",), needs_key=False,
    ),
    ProviderSpec(
        # llms.py v3's name for any server of this kind; the same clash of ports as vLLM's.
        name="openai-local", title="A local server that speaks OpenAI's JSON", adapter=OpenAICompatible,
        base_url="http://localhost:8000/v1", key_env=("OPENAI_LOCAL_API_KEY",), needs_key=False,
    ),
)  # fmt: skip


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """The rows above."""
    return PRESETS
