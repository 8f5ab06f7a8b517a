"""OpenAI-compatible providers that need only a key in the environment: one row each, in the order of preference.

What belongs in a row:

- `drop`: parameters that the provider answers with an error, if the answer is of the same kind without them: hints,
  bookkeeping, tuning.
- `capabilities`: what a client asks for (`n`, `tools`, `logprobs`, a JSON schema, images, …). A provider without it is
  passed over, because leaving it out would give another kind of answer.
- What only some models of a provider refuse is left in the request, unless a comment gives the reason.

A provider that needs more than a row has a module of its own. Rows follow the documentation named in `docs`.
"""

from __future__ import annotations

from collections.abc import Iterable

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSpec

#: Qwen's switch for reasoning. Other providers with a closed request schema refuse it.
QWEN_ONLY = frozenset({"enable_thinking"})
#: Bookkeeping and hints of OpenAI's own platform. Providers with a closed request schema refuse them.
OPENAI_ONLY = frozenset({
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "verbosity",
})  # fmt: skip
LOGPROBS = frozenset({"logprobs", "top_logprobs"})
#: For providers that document `max_tokens` only: DeepSeek and Z.AI ignore the newer name, Mistral refuses it.
MAX_TOKENS = {"max_completion_tokens": "max_tokens"}

# Mistral answers 422 to any parameter that is not in its schema; that has `metadata` and `prompt_cache_key`.
MISTRAL_DROP = QWEN_ONLY | (OPENAI_ONLY - {"metadata", "prompt_cache_key"}) | {"logit_bias", "stream_options", "user"}
MISTRAL_RENAME = {**MAX_TOKENS, "seed": "random_seed"}
MISTRAL_CAPABILITIES = Capabilities(
    files=False,
    # `stream_options` is not in the schema either, but the last chunk always has the usage.
    stream_usage=False,
)

# Google answers 400 to parameters that its schema lacks: "Unknown name …: Cannot find field".
GOOGLE_DROP = QWEN_ONLY | OPENAI_ONLY | {"frequency_penalty", "presence_penalty", "logit_bias", "seed"}

# The first name is llms.py's, the second that of models.dev.
ZAI_KEYS = ("ZAI_API_KEY", "ZHIPU_API_KEY")
# Z.AI documents only `text` and `json_object` as response formats.
ZAI_CAPABILITIES = Capabilities(json_schema=False)
# llms.py removes `metadata` from every request, because Z.AI refuses it.
ZAI_DROP = frozenset({"metadata"})

PRESETS: tuple[ProviderSpec, ...] = (
    ProviderSpec(
        name="groq",
        title="Groq",
        docs="https://console.groq.com/docs/openai",
        adapter=OpenAICompatible,
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        # Log probabilities, `logit_bias` and `n` above 1 are listed as unsupported, and answered with a 400.
        capabilities=Capabilities(logprobs=False, n=False, audio=False, files=False),
        drop=QWEN_ONLY | OPENAI_ONLY | LOGPROBS | {"logit_bias"},
    ),
    ProviderSpec(
        name="cerebras",
        title="Cerebras",
        docs="https://inference-docs.cerebras.ai/resources/openai",
        adapter=OpenAICompatible,
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        capabilities=Capabilities(audio=False, files=False),
        # `logit_bias` is accepted but never applied, and more than 100 entries give an error.
        drop=QWEN_ONLY | (OPENAI_ONLY - {"prompt_cache_key"}) | {"logit_bias"},
    ),
    ProviderSpec(
        # Mistral's models for code at a separate address, with separate keys.
        name="codestral",
        title="Codestral",
        docs="https://docs.mistral.ai/api/",
        adapter=OpenAICompatible,
        base_url="https://codestral.mistral.ai/v1",
        key_env=("CODESTRAL_API_KEY",),
        capabilities=MISTRAL_CAPABILITIES,
        rename=MISTRAL_RENAME,
        drop=MISTRAL_DROP,
    ),
    ProviderSpec(
        name="github-models",
        title="GitHub Models",
        docs="https://docs.github.com/en/rest/models/inference",
        adapter=OpenAICompatible,
        base_url="https://models.github.ai/inference",
        # Any GitHub token with the permission `models:read`; this is the name that GitHub Actions uses.
        key_env=("GITHUB_TOKEN",),
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        # A subscription, billed apart from `zai` and reached at another path with the same key.
        name="zai-coding-plan",
        title="Z.AI Coding Plan",
        docs="https://docs.z.ai/devpack/overview",
        adapter=OpenAICompatible,
        base_url="https://api.z.ai/api/coding/paas/v4",
        key_env=ZAI_KEYS,
        capabilities=ZAI_CAPABILITIES,
        rename=MAX_TOKENS,
        drop=ZAI_DROP,
    ),
    ProviderSpec(
        name="minimax",
        title="MiniMax",
        docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
        adapter=OpenAICompatible,
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        # Documented limits: `n` must be 1, and there is no audio input.
        capabilities=Capabilities(n=False, audio=False),
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        # The address that llms.py uses; the alias is its name for the type. The native provider is `google`.
        name="google-openai",
        title="Google Gemini, at llms.py's address",
        docs="https://ai.google.dev/gemini-api/docs/openai",
        adapter=OpenAICompatible,
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        drop=GOOGLE_DROP,
        aliases=("GoogleOpenAiProvider",),
    ),
    ProviderSpec(
        name="openai",
        title="OpenAI",
        docs="https://platform.openai.com/docs/api-reference/chat",
        adapter=OpenAICompatible,
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        # "Unrecognized request argument supplied", a 400.
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="xai",
        title="xAI",
        docs="https://docs.x.ai/docs/guides/reasoning",
        adapter=OpenAICompatible,
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY", "GROK_API_KEY"),
        # The reasoning models answer an error to either penalty, and so does grok-3 to the second.
        drop=QWEN_ONLY | {"frequency_penalty", "presence_penalty"},
        aliases=("grok",),
    ),
    ProviderSpec(
        # The international endpoint. `enable_thinking` is this provider's own parameter.
        name="qwen",
        title="Alibaba Qwen",
        docs="https://www.alibabacloud.com/help/en/model-studio/models",
        adapter=OpenAICompatible,
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_env=("DASHSCOPE_API_KEY",),
        aliases=("alibaba", "dashscope"),
    ),
    ProviderSpec(
        name="zai",
        title="Z.AI",
        docs="https://docs.z.ai/api-reference/llm/chat-completion",
        adapter=OpenAICompatible,
        base_url="https://api.z.ai/api/paas/v4",
        key_env=ZAI_KEYS,
        capabilities=ZAI_CAPABILITIES,
        rename=MAX_TOKENS,
        drop=ZAI_DROP,
        aliases=("z.ai",),
    ),
    ProviderSpec(
        name="mistral",
        title="Mistral",
        docs="https://docs.mistral.ai/api/",
        adapter=OpenAICompatible,
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        capabilities=MISTRAL_CAPABILITIES,
        rename=MISTRAL_RENAME,
        drop=MISTRAL_DROP,
    ),
    ProviderSpec(
        name="chutes",
        title="Chutes",
        # No reference of parameters is published: the list of models is the nearest to it.
        docs="https://llm.chutes.ai/v1/models",
        adapter=OpenAICompatible,
        base_url="https://llm.chutes.ai/v1",
        key_env=("CHUTES_API_KEY",),
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="deepseek",
        title="DeepSeek",
        docs="https://api-docs.deepseek.com/api/create-chat-completion",
        adapter=OpenAICompatible,
        # Without `/v1`, as DeepSeek documents it.
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        # The response formats are `text` and `json_object`, and content is text only.
        capabilities=Capabilities(json_schema=False, vision=False, audio=False, files=False),
        rename=MAX_TOKENS,
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="moonshotai",
        title="Moonshot AI (Kimi)",
        docs="https://platform.moonshot.ai/docs/api/chat",
        adapter=OpenAICompatible,
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        # The Kimi models have fixed values for these, and answer an error to any other value, `n` included.
        capabilities=Capabilities(n=False),
        drop=QWEN_ONLY | {"temperature", "top_p", "frequency_penalty", "presence_penalty"},
        aliases=("moonshot", "kimi"),
    ),
    ProviderSpec(
        # A router to many providers: parameters are left to those, `enable_thinking` included.
        name="huggingface",
        title="Hugging Face",
        docs="https://huggingface.co/docs/inference-providers",
        adapter=OpenAICompatible,
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
    ),
    ProviderSpec(
        name="fireworks",
        title="Fireworks AI",
        docs="https://fireworks.ai/docs/",
        adapter=OpenAICompatible,
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        # Unknown parameters are errors. Those of OpenAI's platform are known but for this one.
        drop=QWEN_ONLY | {"prompt_cache_retention"},
        aliases=("fireworks-ai",),
    ),
    ProviderSpec(
        # A router to many providers. It removes the parameters that a provider does not know.
        name="openrouter",
        title="OpenRouter",
        docs="https://openrouter.ai/docs/api-reference/overview",
        adapter=OpenAICompatible,
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        # Documented as "Assistant Prefill".
        capabilities=Capabilities(prefill=True),
        # llms.py's second block for the same provider.
        aliases=("openrouter_free",),
    ),
    ProviderSpec(
        name="nvidia",
        title="NVIDIA",
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
        adapter=OpenAICompatible,
        base_url="https://integrate.api.nvidia.com/v1",
        key_env=("NVIDIA_API_KEY",),
        rename=MAX_TOKENS,
        # "Extra inputs are not permitted", a 400 or 422 depending on the model.
        drop=QWEN_ONLY | OPENAI_ONLY,
    ),
    ProviderSpec(
        name="together",
        title="Together AI",
        docs="https://docs.together.ai/docs/inference/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.together.ai/v1",
        key_env=("TOGETHER_API_KEY",),
        rename=MAX_TOKENS,
        drop=QWEN_ONLY,
        aliases=("togetherai",),
    ),
    ProviderSpec(
        name="perplexity",
        title="Perplexity",
        docs="https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        # The Sonar models search the web themselves and take no tools.
        capabilities=Capabilities(tools=False, audio=False),
        rename=MAX_TOKENS,
        # "Frequency penalty must satisfy p > 0": clients that send OpenAI's default of 0 would get a 400.
        drop=QWEN_ONLY | {"frequency_penalty"},
    ),
    ProviderSpec(
        name="sambanova",
        title="SambaNova",
        docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.sambanova.ai/v1",
        key_env=("SAMBANOVA_API_KEY",),
        drop=QWEN_ONLY,
    ),
    ProviderSpec(
        name="deepinfra",
        title="DeepInfra",
        docs="https://deepinfra.com/docs/openai_api",
        adapter=OpenAICompatible,
        base_url="https://api.deepinfra.com/v1/openai",
        key_env=("DEEPINFRA_API_KEY",),
        drop=QWEN_ONLY,
    ),
    # Servers on this machine. A key is sent if one is set, but none is needed.
    ProviderSpec(
        name="lmstudio",
        title="LM Studio",
        docs="https://lmstudio.ai/docs/developer/openai-compat",
        adapter=OpenAICompatible,
        base_url="http://localhost:1234/v1",
        key_env=("LMSTUDIO_API_KEY",),
        needs_key=False,
        # It answers 400 to any response format but `text` and `json_schema`.
        capabilities=Capabilities(json_object=False),
    ),
    ProviderSpec(
        name="llamacpp",
        title="llama.cpp",
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        adapter=OpenAICompatible,
        base_url="http://localhost:8080/v1",
        needs_key=False,
        # It continues a last message of the assistant by default.
        capabilities=Capabilities(prefill=True),
        aliases=("llama.cpp",),
    ),
    ProviderSpec(
        # Port 8000 is both vLLM's default and this gateway's: change one of the two before using both.
        name="vllm",
        title="vLLM",
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        adapter=OpenAICompatible,
        base_url="http://localhost:8000/v1",
        key_env=("VLLM_API_KEY",),
        needs_key=False,
    ),
    ProviderSpec(
        # llms.py's name, from its third version on, for any local server. The port conflicts as vLLM's does.
        name="openai-local",
        title="A local server that speaks OpenAI's JSON",
        adapter=OpenAICompatible,
        base_url="http://localhost:8000/v1",
        key_env=("OPENAI_LOCAL_API_KEY",),
        needs_key=False,
    ),
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register the rows of the table."""
    return PRESETS
