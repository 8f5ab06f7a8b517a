"""A provider block's adapter and the address of its API (K-03, K-04, L-08, L-09, SR-114, SR-115)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from llms_core.config.llms_json_shape import TYPES, ProviderBlock
from llms_core.config.llms_py.catalogue import Entry
from llms_core.config.locate import At, nearest
from llms_core.config.reading import Reading
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec

GENERIC = "openai-compatible"
GOOGLE_OPENAI = "https://generativelanguage.googleapis.com/v1beta"

_OPENAI_TYPES = ("openaiprovider", "openaicompatible", "openai_compatible", GENERIC)
_OTHER_TYPES = {
    "ollamaprovider": ("ollama",),
    "googleprovider": ("google",),
    "googleopenaiprovider": ("google-openai", "google"),
}
# What llms.py v3 calls its adapters. The second group speaks OpenAI's JSON, wherever `api` says.
_NPM = {
    "@ai-sdk/openai": "openai",
    "@ai-sdk/anthropic": "anthropic",
    "@ai-sdk/anthropic-cli": "anthropic",
    "@ai-sdk/google": "google",
    "@ai-sdk/google-vertex": "vertex",
    "@ai-sdk/amazon-bedrock": "bedrock",
    "@ai-sdk/azure": "azure",
    "@ai-sdk/cohere": "cohere",
    "@ai-sdk/groq": "groq",
    "@ai-sdk/xai": "xai",
    "@ai-sdk/mistral": "mistral",
    "@ai-sdk/cerebras": "cerebras",
    "@openrouter/ai-sdk-provider": "openrouter",
    "@fireworks/ai-sdk-provider": "fireworks",
    "codestral": "codestral",
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "openai-local": "openai-local",
    "@ai-sdk/openai-compatible": GENERIC,
    "llms-sdk-provider": GENERIC,
}
_VERSION = re.compile(r"v\d+")
_generic = ProviderSpec(name=GENERIC, title="Any OpenAI-compatible API", adapter=OpenAICompatible, needs_key=False)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A block's spec and base URL.

    `itself` is whether the block is the provider that the spec describes, so that the spec's key is its key; else
    the spec only lends its adapter. `missing` is why the block cannot be used.
    """

    spec: ProviderSpec
    base_url: str = ""
    itself: bool = True
    missing: str | None = None


def choose(reading: Reading, at: At, block: ProviderBlock, entry: Entry | None, *, v3: bool) -> Choice:
    """The adapter that a block means. Raises ConfigError where it names none that is known."""
    name = (block.id or str(at[-1])).lower()
    if block.type is not None:
        choice = _by_type(reading, at, block, name)
    elif block.npm is not None:
        choice = _by_npm(reading, (*at, "npm"), block.npm, block.api, name)
    elif (spec := reading.specs.get(name)) is not None:
        choice = Choice(spec=spec)
    elif v3 and entry is not None and (entry.npm or entry.api):
        choice = _by_npm(reading, at, entry.npm or "@ai-sdk/openai-compatible", block.api or entry.api, name)
    elif v3 and block.api:
        choice = Choice(spec=_compatible(reading, name), itself=False)
    elif v3:
        missing = f"'{at[-1]}' is not known: give `npm` and `api`, or install a plugin that has it"
        reading.odd(at, f"{missing}; left out", _meant(name, tuple(reading.specs)))
        choice = Choice(spec=generic(reading), missing=missing)
    else:
        choice = _unknown(reading, at, block, "`type` is missing, and the provider is not known by its name", name)
    return _addressed(reading, at, block, entry, choice)


def generic(reading: Reading) -> ProviderSpec:
    """The spec of whatever speaks OpenAI's JSON."""
    return reading.specs.get(GENERIC, _generic)


def _by_type(reading: Reading, at: At, block: ProviderBlock, name: str) -> Choice:
    given = (block.type or "").strip()
    kind = given.lower()
    # llms.py's own tests say "openai" for OpenAiProvider; alone it is the provider of that name.
    if kind in _OPENAI_TYPES or (kind == "openai" and block.base_url):
        compatible = _compatible(reading, name)
        itself = compatible.name != GENERIC and same_host(block.base_url, compatible.base_url)
        return Choice(spec=compatible, itself=itself)
    for wanted in _OTHER_TYPES.get(kind, (kind,)):
        if (spec := reading.specs.get(wanted)) is not None:
            moved = kind == "googleopenaiprovider" and wanted == "google"
            return Choice(spec=spec, base_url=GOOGLE_OPENAI if moved else "")
    return _unknown(reading, (*at, "type"), block, f"unknown type '{given}' of provider '{at[-1]}'", given)


def _unknown(reading: Reading, at: At, block: ProviderBlock, why: str, name: str) -> Choice:
    """A type that nobody has. Raises ConfigError, unless the block is disabled, or a plugin is not in use whose type it
    may be: a plugin at fault takes its own provider along, and not the gateway.
    """
    if not block.enabled:
        return Choice(spec=generic(reading), missing=why)
    if not reading.absent:
        raise reading.error(at, why, _types(reading, name))
    reading.odd(at, f"{why}; {reading.absent}")
    return Choice(spec=generic(reading), missing=f"{why}; {reading.absent}")


def _by_npm(reading: Reading, at: At, npm: str, api: str | None, name: str) -> Choice:
    wanted = _NPM.get(npm)
    spec = _compatible(reading, name) if wanted == GENERIC else reading.specs.get(wanted or "")
    if spec is not None and (api or spec.name != GENERIC):
        return Choice(spec=spec, itself=spec.name != GENERIC and same_host(api, spec.base_url))
    why = f"unknown npm '{npm}'" if wanted is None else f"npm '{npm}' needs `api`, or a plugin with '{wanted}'"
    if api:
        reading.odd(at, f"{why}; taken for an OpenAI-compatible provider", _meant(npm, _NPM))
        return Choice(spec=_compatible(reading, name), itself=False)
    reading.odd(at, f"{why}; left out", _meant(npm, _NPM))
    return Choice(spec=generic(reading), missing=why)


def _compatible(reading: Reading, name: str) -> ProviderSpec:
    """The spec of the provider of that name, for what it is known to rename and refuse, if it speaks OpenAI's JSON.

    Ollama has an adapter of its own; a block of that name that wants another means Ollama's OpenAI endpoint.
    """
    spec = reading.specs.get(name)
    speaks = spec is not None and isinstance(spec.adapter, type) and issubclass(spec.adapter, OpenAICompatible)
    return spec if spec is not None and speaks and spec.name != "ollama" else generic(reading)


def _addressed(reading: Reading, at: At, block: ProviderBlock, entry: Entry | None, choice: Choice) -> Choice:
    """The choice with its base URL: what `/chat/completions` and the like are appended to."""
    spec = choice.spec
    if block.base_url is not None:
        url = _checked(reading, (*at, "base_url"), block.base_url)
        numbered = choice.spec.name == GENERIC or (block.type or "").strip().lower() in (*_OPENAI_TYPES, "openai")
        url = _with_version(url, spec, numbered=numbered)
    elif block.api is not None:
        url = _checked(reading, (*at, "api"), block.api)
        # v3 adds /v1 for Ollama alone
        url = _with_version(url, spec, numbered=False) if spec.name == "ollama" else url
    else:
        url = choice.base_url or spec.base_url.rstrip("/")
        if not url and entry is not None and entry.api:
            url = _checked(reading, at, entry.api)
        if not url and spec.name == GENERIC and choice.missing is None:
            if block.enabled:
                raise reading.error(at, "`base_url` is missing", "the URL that /v1/chat/completions follows")
            return msgspec.structs.replace(choice, missing="`base_url` is missing")
    return msgspec.structs.replace(choice, base_url=url)


def _with_version(url: str, spec: ProviderSpec, *, numbered: bool) -> str:
    """SR-114: `/v1` follows, unless the URL ends in a version, or is the provider's own.

    Providers that have no version at the end of their own URL (`numbered` says otherwise) need none here either.
    """
    if url == spec.base_url.rstrip("/") or _ends_in_version(url):
        return url
    return f"{url}/v1" if numbered or _ends_in_version(spec.base_url) else url


def _ends_in_version(url: str) -> bool:
    return bool(_VERSION.fullmatch(url.rstrip("/").rpartition("/")[2]))


def _checked(reading: Reading, at: At, url: str) -> str:
    """The URL without spaces and slashes at its end."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", url):
        raise reading.error(at, "not an http(s) URL")
    if "?" in url or "#" in url:
        raise reading.error(at, "a base URL has no `?` and no `#`, since a path is appended to it")
    if parts.username or parts.password:
        raise reading.error(at, "a URL is shown in logs: no user and password in it", "use `api_key` or `headers`")
    if url.endswith("/chat/completions"):
        raise reading.error(at, "the URL goes too far", "leave out /chat/completions: it is appended")
    return url


def same_host(url: str | None, own: str) -> bool:
    """Whether a block's URL, if it has one, leads to the provider itself: nobody else is sent its key."""
    try:
        return not url or urlsplit(url.strip()).hostname == urlsplit(own).hostname
    except ValueError:
        return False


def _meant(name: str, known: dict[str, str] | tuple[str, ...]) -> str:
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else ""


def _types(reading: Reading, name: str) -> str:
    """The known types, the nearest of them first."""
    known = (*TYPES, *sorted({spec.name for spec in reading.specs.values()}))
    near = nearest(name, (*known, *reading.specs))
    return (f"did you mean '{near}'? " if near else "") + f"known types: {', '.join(known)}"
