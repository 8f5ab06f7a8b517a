"""Where a deployment's requests go, and with which credentials: the members of a provider's block."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlsplit

from llms_core.cli.importing.document import Document
from llms_core.config.adapters import own_member_names, own_settings
from llms_core.config.locate import JsonPath
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.provider import ProviderSpec
from llms_core.secret import Secret

_BASE_URL = "base_url"


def connection(
    document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath
) -> dict[str, Any] | None:
    """Take the members of `params` that say where the provider is. None, with a report, without its address."""
    block: dict[str, Any] = {"type": spec.name}
    block.update(_address(document, spec, params, path))
    if block["type"] == OPENAI_COMPATIBLE.name and "api" not in block:
        document.leave_out_deployment((*path, "api_base"), "an OpenAI-compatible server needs one")
        return None
    key = params.pop("api_key", None)
    if key is not None and str(key).strip():
        block["api_key"] = document.secret(key)
    elif block["type"] == spec.name and spec.litellm.key_env:
        block["env"] = [*spec.litellm.key_env, *spec.key_env]
    block.update(_own_settings(document, spec, params, path))
    headers = _headers(document, params, path)
    if headers:
        block["headers"] = headers
    return block


def _address(
    document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath
) -> dict[str, Any]:
    """The URL, and the type that goes with it."""
    names = [name for name, ours in spec.litellm.members.items() if ours == _BASE_URL]
    given = [params.pop(name, None) for name in ("api_base", "base_url", *names)]
    written = next(filter(None, given), None)
    if written is None or not str(written).strip():
        return {}
    url = document.reference(str(written)) or str(written).strip()
    if not _speaks_openai(spec):
        return {_BASE_URL: url}
    if spec.litellm.any_server and _host(url) != _host(spec.base_url):
        # Another server, which must not get this provider's key.
        if params.get("api_key") is None:
            reason = f"no key is sent to this server, where LiteLLM sends that of {spec.title}"
            document.note((*path, "api_key"), reason)
        return {"type": OPENAI_COMPATIBLE.name, "api": url}
    # As with LiteLLM, /chat/completions is appended to the URL as it is.
    return {"api": url}


def _speaks_openai(spec: ProviderSpec) -> bool:
    """Whether the adapter appends OpenAI's paths to any URL; Azure's, for one, has addresses of its own."""
    if spec.name == OPENAI_COMPATIBLE.name:
        return True
    return (
        isinstance(spec.adapter, type)
        and issubclass(spec.adapter, OpenAICompatible)
        and bool(spec.base_url)
    )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _own_settings(
    document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath
) -> dict[str, Any]:
    """The members that only this type has; those of other types are left, and reported."""
    secrets = {field.name for field in own_settings(spec.settings) if _is_secret(field.type)}
    own = own_member_names(spec.settings)
    block = {}
    for name, ours in spec.litellm.members.items():
        if ours not in own or params.get(name) is None:
            continue
        if ours in secrets:
            block[ours] = document.secret(params.pop(name))
        elif (value := document.text(params.pop(name), (*path, name))) is not None:
            block[ours] = value
    return block


def _is_secret(type_: Any) -> bool:
    return type_ is Secret or any(map(_is_secret, get_args(type_)))


def _headers(document: Document, params: dict[str, Any], path: JsonPath) -> dict[str, str]:
    headers = document.members(
        params.pop("extra_headers", None) or params.pop("headers", None), (*path, "extra_headers")
    )
    organization = params.pop("organization", None)
    if organization is not None:
        headers["OpenAI-Organization"] = organization
    token = params.pop("azure_ad_token", None)
    if token is not None:
        headers["Authorization"] = f"Bearer {document.secret(token)}"
    return {name: document.reference(str(value)) or str(value) for name, value in headers.items()}
