"""What LiteLLM calls the presets, where that differs from their own names."""

from __future__ import annotations

from llms_core.provider import LiteLLMNames

OPENAI = LiteLLMNames(
    names=("text-completion-openai",),
    models=(
        "gpt-*",
        "chatgpt-*",
        "o[134]*",
        "ft:*",
        "text-embedding-*",
        "omni-moderation-*",
        "text-moderation-*",
        "dall-e-*",
        "whisper-*",
        "tts-*",
    ),
    any_server=True,
)
CODESTRAL = LiteLLMNames(names=("text-completion-codestral",))
GITHUB = LiteLLMNames(names=("github",), key_env=("GITHUB_API_KEY",))
DEEPSEEK = LiteLLMNames(models=("deepseek-*",))
HUGGING_FACE = LiteLLMNames(key_env=("HUGGINGFACE_API_KEY",))
FIREWORKS = LiteLLMNames(names=("fireworks_ai",), key_env=("FIREWORKS_AI_API_KEY",))
NVIDIA = LiteLLMNames(names=("nvidia_nim",), key_env=("NVIDIA_NIM_API_KEY",))
TOGETHER = LiteLLMNames(names=("together_ai",), key_env=("TOGETHERAI_API_KEY",))
PERPLEXITY = LiteLLMNames(key_env=("PERPLEXITYAI_API_KEY",))
