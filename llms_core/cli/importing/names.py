"""What LiteLLM calls providers, their keys and its strategies, where we call them otherwise.

https://docs.litellm.ai/docs/providers
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from llms_core.openai_compatible import OPENAI_COMPATIBLE

#: Types by LiteLLM's names of providers, which precede a model: `together_ai/…`. Other names are our own.
_TYPES = {
    "anthropic_text": "anthropic",
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "custom_openai": OPENAI_COMPATIBLE.name,
    "fireworks_ai": "fireworks",
    "github": "github-models",
    "hosted_vllm": "vllm",
    "jina_ai": "jina",
    "litellm_proxy": OPENAI_COMPATIBLE.name,
    "llamafile": OPENAI_COMPATIBLE.name,
    "lm_studio": "lmstudio",
    "nvidia_nim": "nvidia",
    "ollama_chat": "ollama",
    "openai_like": OPENAI_COMPATIBLE.name,
    "text-completion-codestral": "codestral",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "vertex_ai_beta": "vertex",
    "xinference": OPENAI_COMPATIBLE.name,
}

#: The provider that LiteLLM takes for models without one.
_PROVIDERS_OF_MODELS = {
    "gpt-*": "openai",
    "chatgpt-*": "openai",
    "o[134]*": "openai",
    "ft:*": "openai",
    "text-embedding-*": "openai",
    "omni-moderation-*": "openai",
    "text-moderation-*": "openai",
    "dall-e-*": "openai",
    "whisper-*": "openai",
    "tts-*": "openai",
    "claude-*": "anthropic",
    "gemini-*": "vertex_ai",
    "command-*": "cohere",
    "rerank-*": "cohere",
    "embed-*": "cohere",
    "deepseek-*": "deepseek",
}

#: The variables with keys that LiteLLM reads and our types do not.
KEY_VARIABLES = {
    "fireworks": "FIREWORKS_AI_API_KEY",
    "github-models": "GITHUB_API_KEY",
    "huggingface": "HUGGINGFACE_API_KEY",
    "jina": "JINA_AI_API_KEY",
    "nvidia": "NVIDIA_NIM_API_KEY",
    "perplexity": "PERPLEXITYAI_API_KEY",
    "together": "TOGETHERAI_API_KEY",
}

#: Ours by LiteLLM's names of strategies, and how they differ.
STRATEGIES = {
    "simple-shuffle": ("weighted", ""),
    "least-busy": ("least_busy", ""),
    "latency-based-routing": ("fastest", ""),
    "usage-based-routing": ("least_busy", "it counts running requests, and not the tokens of a minute"),
    "usage-based-routing-v2": ("least_busy", "it counts running requests, and not the tokens of a minute"),
    "cost-based-routing": ("ordered", "the providers are tried in the order of llms.json, and not by price"),
}


def split_model(model: str, provider: object = None) -> tuple[str, str]:
    """Return LiteLLM's provider and the provider's id of a model: `groq/llama-3` or, for some, `gpt-4o` alone.

    The provider is empty if the model does not tell it.
    """
    if provider:
        return str(provider), model.removeprefix(f"{provider}/")
    for pattern, of_model in _PROVIDERS_OF_MODELS.items():
        if fnmatchcase(model, pattern):
            return of_model, model
    name, slash, rest = model.partition("/")
    return (name, rest) if slash else ("", model)


def type_of(provider: str, model: str) -> str:
    """Return the name of our type for LiteLLM's name of a provider; the model matters for Vertex AI."""
    kind = _TYPES.get(provider, provider)
    if kind == "vertex" and model.startswith("claude"):
        return "vertex-anthropic"
    return kind
