"""Where a deployment's requests go, and with which credentials: the members of a provider's block."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from llms_core.cli.importing.document import Document, members_of
from llms_core.cli.importing.names import KEY_VARIABLES
from llms_core.config.adapters import own_member_names
from llms_core.config.locate import JsonPath
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.provider import ProviderSpec

#: Members that only some types have, by LiteLLM's names.
_SETTINGS = {
    "api_version": "api_version",
    "aws_region_name": "region",
    "vertex_project": "project",
    "vertex_ai_project": "project",
    "vertex_location": "location",
    "vertex_ai_location": "location",
}
_SECRET_SETTINGS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}


def connection(document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath) -> dict[str, Any] | None:
    """Take the members of `params` that say where the provider is. None, with a report, without its address."""
    block: dict[str, Any] = {"type": spec.name}
    block.update(_address(document, spec, params, path))
    if block["type"] == OPENAI_COMPATIBLE.name and "api" not in block:
        document.leave_out_deployment((*path, "api_base"), "an OpenAI-compatible server needs one")
        return None
    key = params.pop("api_key", None)
    if key is not None and str(key).strip():
        block["api_key"] = document.secret(key)
    elif block["type"] in KEY_VARIABLES:
        block["env"] = [KEY_VARIABLES[block["type"]], *spec.key_env]
    block.update(_own_settings(document, spec, params, path))
    headers = _headers(document, params, path)
    if headers:
        block["headers"] = headers
    return block


def _address(document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath) -> dict[str, Any]:
    """The URL, and the type that goes with it."""
    written = params.pop("api_base", None) or params.pop("base_url", None)
    written = written or params.pop("aws_bedrock_runtime_endpoint", None)
    if written is None or not str(written).strip():
        return {}
    url = document.reference(str(written)) or str(written).strip()
    if not _speaks_openai(spec):
        return {"base_url": url}
    if spec.name == "openai" and _host(url) != _host(spec.base_url):
        # Another server, which must not get OpenAI's key.
        if params.get("api_key") is None:
            document.note((*path, "api_key"), "no key is sent to this server, where LiteLLM sends that of OpenAI")
        return {"type": OPENAI_COMPATIBLE.name, "api": url}
    # As with LiteLLM, /chat/completions is appended to the URL as it is.
    return {"api": url}


def _speaks_openai(spec: ProviderSpec) -> bool:
    """Whether the adapter appends OpenAI's paths to any URL; Azure's, for one, has addresses of its own."""
    if spec.name == OPENAI_COMPATIBLE.name:
        return True
    return isinstance(spec.adapter, type) and issubclass(spec.adapter, OpenAICompatible) and bool(spec.base_url)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _own_settings(document: Document, spec: ProviderSpec, params: dict[str, Any], path: JsonPath) -> dict[str, Any]:
    """The members that only this type has; those of other types are left, and reported."""
    own = own_member_names(spec.settings)
    block = {}
    for name, ours in _SETTINGS.items():
        if ours in own and params.get(name) is not None:
            value = document.text(params.pop(name), (*path, name))
            if value is not None:
                block[ours] = value
    for name, ours in _SECRET_SETTINGS.items():
        if ours in own and params.get(name) is not None:
            block[ours] = document.secret(params.pop(name))
    return block


def _headers(document: Document, params: dict[str, Any], path: JsonPath) -> dict[str, str]:
    headers = members_of(params.pop("extra_headers", None) or params.pop("headers", None), (*path, "extra_headers"))
    organization = params.pop("organization", None)
    if organization is not None:
        headers["OpenAI-Organization"] = organization
    token = params.pop("azure_ad_token", None)
    if token is not None:
        headers["Authorization"] = f"Bearer {document.secret(token)}"
    return {name: document.reference(str(value)) or str(value) for name, value in headers.items()}
