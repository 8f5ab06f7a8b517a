"""OpenAI-compatible providers that need only a key in the environment: one row each, in the order of preference.

What belongs in a row:

- `drop`: parameters that the provider answers with an error, if the answer is of the same kind without them: hints,
  bookkeeping, tuning.
- `capabilities`: what a client asks for (`n`, `tools`, `logprobs`, a JSON schema, images, …). A provider without it is
  passed over, because leaving it out would give another kind of answer.
- `rules`: what the provider accepts in messages and tools. `members` lists what its documentation has beside the common
  members; with ANY_MEMBER for servers that ignore what they do not know. Whatever else a conversation has collected at
  other providers (reasoning, signatures, annotations) is not sent.
- `paths`: the operations that the provider has beside chat, and where. `embeddings`: what it accepts there.
- `native`: where the provider speaks the protocol of another dialect, with the header that it documents for the key.
- What only some models refuse is left in the request, unless a comment gives the reason. `litellm`: its names there.

A provider that needs more than a row has a module of its own. Rows follow the documentation named in `docs`.
"""

from __future__ import annotations

from collections.abc import Iterable

from llms_core import hookimpl
from llms_core.contracts.native import MESSAGES, RESPONSES
from llms_core.openai_compatible import OPENAI_RULES, OpenAICompatible
from llms_core.provider import Capabilities, NativeEndpoint, ProviderSpec, RequestRules
from llms_providers.presets import embeddings, litellm, operations
from llms_providers.presets.accepted import (
    GOOGLE_DROP,
    LOGPROBS,
    MAX_TOKENS,
    MISTRAL_CAPABILITIES,
    MISTRAL_DROP,
    MISTRAL_RENAME,
    MISTRAL_RULES,
    NAME,
    NAME_RULES,
    OPEN_RULES,
    OPENAI_ONLY,
    QWEN_ONLY,
    REASONING,
    RESPONSES_TOO,
    ZAI_CAPABILITIES,
    ZAI_DROP,
    ZAI_KEYS,
    ZAI_RULES,
    messages_with_key,
)
from llms_providers.presets.codestral import CODESTRAL
from llms_providers.presets.counting import CountingOpenAICompatible
from llms_providers.presets.local_servers import LOCAL_SERVERS
from llms_providers.presets.operations import EMBEDDINGS

PRESETS: tuple[ProviderSpec, ...] = (
    ProviderSpec(
        name="groq",
        title="Groq",
        docs="https://console.groq.com/docs/openai",
        adapter=OpenAICompatible,
        base_url="https://api.groq.com/openai/v1",
        paths=operations.paths("audio_speech", "audio_transcriptions", "audio_translations"),
        native=RESPONSES_TOO,
        key_env=("GROQ_API_KEY",),
        aliases=("@ai-sdk/groq",),
        # Log probabilities, `logit_bias` and `n` above 1 are listed as unsupported, and answered with a 400.
        capabilities=Capabilities(logprobs=False, n=False, audio=False, files=False),
        drop=QWEN_ONLY | OPENAI_ONLY | LOGPROBS | {"logit_bias"},
        # "property 'reasoning_content' is unsupported"; `reasoning` is refused by models that do not reason.
        rules=NAME_RULES,
    ),
    ProviderSpec(
        name="cerebras",
        title="Cerebras",
        docs="https://inference-docs.cerebras.ai/resources/openai",
        adapter=OpenAICompatible,
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        aliases=("@ai-sdk/cerebras",),
        capabilities=Capabilities(audio=False, files=False),
        # `logit_bias` is accepted but never applied, and more than 100 entries give an error.
        drop=QWEN_ONLY | (OPENAI_ONLY - {"prompt_cache_key"}) | {"logit_bias"},
        # Its own answers have `reasoning`, which it reads; "property …reasoning_content' is unsupported".
        rules=RequestRules(members=frozenset({NAME, "assistant.reasoning"})),
    ),
    CODESTRAL,
    ProviderSpec(
        name="github-models",
        title="GitHub Models",
        litellm=litellm.GITHUB,
        docs="https://docs.github.com/en/rest/models/inference",
        adapter=OpenAICompatible,
        base_url="https://models.github.ai/inference",
        # Any GitHub token with the permission `models:read`; this is the name that GitHub Actions uses.
        paths=EMBEDDINGS,
        key_env=("GITHUB_TOKEN",),
        drop=QWEN_ONLY,
        # The roles are documented.
        rules=RequestRules(
            members=frozenset({NAME}), developer=True, tool_call_id=OPENAI_RULES.tool_call_id
        ),
        embeddings=embeddings.GITHUB,
    ),
    ProviderSpec(
        # A subscription, billed apart from `zai` and reached at another path with the same key.
        name="zai-coding-plan",
        title="Z.AI Coding Plan",
        docs="https://docs.z.ai/devpack/overview",
        adapter=OpenAICompatible,
        base_url="https://api.z.ai/api/coding/paas/v4",
        key_env=ZAI_KEYS,
        # With `zai`, it is not documented which of the two would be billed.
        native={MESSAGES: NativeEndpoint("https://api.z.ai/api/anthropic/v1/messages")},
        capabilities=ZAI_CAPABILITIES,
        rename=MAX_TOKENS,
        drop=ZAI_DROP,
        rules=ZAI_RULES,
    ),
    ProviderSpec(
        name="minimax",
        title="MiniMax",
        docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
        adapter=OpenAICompatible,
        base_url="https://api.minimax.io/v1",
        key_env=("MINIMAX_API_KEY",),
        native=messages_with_key("https://api.minimax.io/anthropic/v1/messages"),
        # Documented limits: `n` must be 1, and there is no audio input.
        capabilities=Capabilities(n=False, audio=False),
        drop=QWEN_ONLY,
        # The reasoning of an answer is to be sent back, in either of its forms.
        rules=RequestRules(members=frozenset({NAME, REASONING, "assistant.reasoning_details"})),
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
        # The signatures of Gemini's thoughts, which it requires beside tool calls.
        rules=RequestRules(members=frozenset({"extra_content"})),
    ),
    ProviderSpec(
        name="openai",
        title="OpenAI",
        litellm=litellm.OPENAI,
        docs="https://platform.openai.com/docs/api-reference/chat",
        adapter=CountingOpenAICompatible,
        base_url="https://api.openai.com/v1",
        paths=operations.OPENAI,
        native={RESPONSES: NativeEndpoint("/responses", complete=True)},
        key_env=("OPENAI_API_KEY",),
        aliases=("@ai-sdk/openai",),
        # "Unrecognized request argument supplied", a 400.
        drop=QWEN_ONLY,
        rules=OPENAI_RULES,
        embeddings=embeddings.LIKE_OPENAI,
    ),
    ProviderSpec(
        name="xai",
        title="xAI",
        docs="https://docs.x.ai/docs/guides/reasoning",
        adapter=OpenAICompatible,
        base_url="https://api.x.ai/v1",
        paths=operations.paths("images_generations"),
        native=RESPONSES_TOO,
        key_env=("XAI_API_KEY", "GROK_API_KEY"),
        # The reasoning models answer an error to either penalty, and so does grok-3 to the second.
        drop=QWEN_ONLY | {"frequency_penalty", "presence_penalty"},
        aliases=("grok", "@ai-sdk/xai"),
        # `developer` is documented as another name of `system`.
        rules=RequestRules(
            members=frozenset({NAME, REASONING}),
            developer=True,
            # "Multi Agent requests are not allowed on chat completions"
            responses=("*multi-agent*",),
        ),
    ),
    ProviderSpec(
        # The international endpoint. `enable_thinking` is this provider's own parameter.
        name="qwen",
        title="Alibaba Qwen",
        docs="https://www.alibabacloud.com/help/en/model-studio/models",
        adapter=OpenAICompatible,
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        paths=EMBEDDINGS,
        key_env=("DASHSCOPE_API_KEY",),
        aliases=("alibaba", "dashscope"),
        rename=MAX_TOKENS,
        # `cache_control` marks what is cached, `partial` an answer to be continued.
        rules=RequestRules(
            members=frozenset({NAME, REASONING, "assistant.partial", "cache_control"})
        ),
        embeddings=embeddings.QWEN,
    ),
    ProviderSpec(
        name="zai",
        title="Z.AI",
        docs="https://docs.z.ai/api-reference/llm/chat-completion",
        adapter=OpenAICompatible,
        base_url="https://api.z.ai/api/paas/v4",
        paths=operations.paths("images_generations", "audio_transcriptions"),
        key_env=ZAI_KEYS,
        capabilities=ZAI_CAPABILITIES,
        rename=MAX_TOKENS,
        drop=ZAI_DROP,
        aliases=("z.ai",),
        rules=ZAI_RULES,
    ),
    ProviderSpec(
        name="mistral",
        title="Mistral",
        docs="https://docs.mistral.ai/api/",
        adapter=OpenAICompatible,
        base_url="https://api.mistral.ai/v1",
        paths=operations.paths("embeddings", "moderations", "audio_speech", "audio_transcriptions"),
        key_env=("MISTRAL_API_KEY",),
        aliases=("@ai-sdk/mistral",),
        capabilities=MISTRAL_CAPABILITIES,
        rename=MISTRAL_RENAME,
        drop=MISTRAL_DROP,
        rules=MISTRAL_RULES,
        embeddings=embeddings.MISTRAL,
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
        # The servers behind it are vLLM and SGLang.
        rules=OPEN_RULES,
    ),
    ProviderSpec(
        name="deepseek",
        title="DeepSeek",
        litellm=litellm.DEEPSEEK,
        docs="https://api-docs.deepseek.com/api/create-chat-completion",
        adapter=OpenAICompatible,
        # Without `/v1`, as DeepSeek documents it.
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        native=messages_with_key("https://api.deepseek.com/anthropic/v1/messages"),
        # The response formats are `text` and `json_object`, and content is text only.
        capabilities=Capabilities(json_schema=False, vision=False, audio=False, files=False),
        rename=MAX_TOKENS,
        drop=QWEN_ONLY,
        rules=RequestRules(members=frozenset({NAME, REASONING, "assistant.prefix"})),
    ),
    ProviderSpec(
        name="moonshotai",
        title="Moonshot AI (Kimi)",
        docs="https://platform.moonshot.ai/docs/api/chat",
        adapter=OpenAICompatible,
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        native={MESSAGES: NativeEndpoint("https://api.moonshot.ai/anthropic/v1/messages")},
        # The Kimi models have fixed values for these, and answer an error to any other value, `n` included.
        capabilities=Capabilities(n=False),
        drop=QWEN_ONLY | {"temperature", "top_p", "frequency_penalty", "presence_penalty"},
        aliases=("moonshot", "kimi"),
        rules=RequestRules(
            members=frozenset({NAME, REASONING, "assistant.partial"}), tool_parameters=True
        ),
    ),
    ProviderSpec(
        # A router to many providers: parameters are left to those, `enable_thinking` included.
        name="huggingface",
        title="Hugging Face",
        litellm=litellm.HUGGING_FACE,
        docs="https://huggingface.co/docs/inference-providers",
        adapter=OpenAICompatible,
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        rename=MAX_TOKENS,
        # Some of the providers have closed schemas.
        rules=NAME_RULES,
    ),
    ProviderSpec(
        name="fireworks",
        title="Fireworks AI",
        litellm=litellm.FIREWORKS,
        docs="https://fireworks.ai/docs/",
        adapter=OpenAICompatible,
        base_url="https://api.fireworks.ai/inference/v1",
        paths=operations.TEXT,
        native=RESPONSES_TOO,
        key_env=("FIREWORKS_API_KEY",),
        # Unknown parameters are errors. Those of OpenAI's platform are known but for this one.
        drop=QWEN_ONLY | {"prompt_cache_retention"},
        aliases=("fireworks-ai", "@fireworks/ai-sdk-provider"),
        # "Extra inputs are not permitted, field: 'messages[1].reasoning_details'", and the same for `reasoning`.
        rules=RequestRules(members=frozenset({NAME, REASONING})),
        embeddings=embeddings.RESIZABLE,
    ),
    ProviderSpec(
        # A router to many providers. It removes the parameters that a provider does not know.
        name="openrouter",
        title="OpenRouter",
        docs="https://openrouter.ai/docs/api-reference/overview",
        adapter=OpenAICompatible,
        base_url="https://openrouter.ai/api/v1",
        paths={**operations.TEXT, **operations.paths("audio_speech", "audio_transcriptions")},
        native={**RESPONSES_TOO, MESSAGES: NativeEndpoint("https://openrouter.ai/api/v1/messages")},
        key_env=("OPENROUTER_API_KEY",),
        # Documented as "Assistant Prefill".
        capabilities=Capabilities(prefill=True),
        # llms.py's second block for the same provider.
        aliases=("openrouter_free", "@openrouter/ai-sdk-provider"),
        # Recorded: a model describes the image in the result of a tool.
        rules=RequestRules(members=OPEN_RULES.members, developer=True, tool_media=True),
        embeddings=embeddings.OPENROUTER,
    ),
    ProviderSpec(
        name="nvidia",
        title="NVIDIA",
        litellm=litellm.NVIDIA,
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
        adapter=OpenAICompatible,
        base_url="https://integrate.api.nvidia.com/v1",
        paths=EMBEDDINGS,
        key_env=("NVIDIA_API_KEY",),
        rename=MAX_TOKENS,
        # "Extra inputs are not permitted", a 400 or 422 depending on the model.
        drop=QWEN_ONLY | OPENAI_ONLY,
        rules=NAME_RULES,
        embeddings=embeddings.NVIDIA,
    ),
    ProviderSpec(
        name="together",
        title="Together AI",
        litellm=litellm.TOGETHER,
        docs="https://docs.together.ai/docs/inference/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.together.ai/v1",
        paths={**operations.TEXT, **operations.RECORDINGS, **operations.IMAGES_AND_SPEECH},
        key_env=("TOGETHER_API_KEY",),
        rename=MAX_TOKENS,
        drop=QWEN_ONLY,
        aliases=("togetherai",),
        # `logprobs` is documented as a number from 0 to 20, without `top_logprobs`.
        rules=RequestRules(members=frozenset({NAME, "assistant.reasoning"}), logprobs_number=True),
        embeddings=embeddings.PLAIN,
    ),
    ProviderSpec(
        name="perplexity",
        title="Perplexity",
        litellm=litellm.PERPLEXITY,
        docs="https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        # The Sonar models search the web themselves and take no tools.
        capabilities=Capabilities(tools=False, audio=False),
        rename=MAX_TOKENS,
        # "Frequency penalty must satisfy p > 0": clients that send OpenAI's default of 0 would get a 400.
        drop=QWEN_ONLY | {"frequency_penalty"},
        # "After the (optional) system message(s), user and assistant roles should be alternating."
        rules=RequestRules(members=frozenset(), alternate=True),
    ),
    ProviderSpec(
        name="sambanova",
        title="SambaNova",
        docs="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        adapter=OpenAICompatible,
        base_url="https://api.sambanova.ai/v1",
        paths={**EMBEDDINGS, **operations.RECORDINGS},
        key_env=("SAMBANOVA_API_KEY",),
        drop=QWEN_ONLY,
        rename=MAX_TOKENS,
        rules=RequestRules(members=frozenset()),
        embeddings=embeddings.PLAIN,
    ),
    ProviderSpec(
        name="deepinfra",
        title="DeepInfra",
        docs="https://deepinfra.com/docs/openai_api",
        adapter=OpenAICompatible,
        base_url="https://api.deepinfra.com/v1/openai",
        paths={**EMBEDDINGS, **operations.RECORDINGS, **operations.IMAGES_AND_SPEECH},
        key_env=("DEEPINFRA_API_KEY",),
        drop=QWEN_ONLY,
        rename=MAX_TOKENS,
        rules=NAME_RULES,
        embeddings=embeddings.DEEPINFRA,
    ),
    *embeddings.EMBEDDING_PROVIDERS,
    *LOCAL_SERVERS,
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register the rows of the table."""
    return PRESETS
