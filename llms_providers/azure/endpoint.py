"""Where an Azure resource is, and which of its three APIs to use there.

The address is `base_url` or `resource` of the block in llms.json, else the environment variable
`AZURE_OPENAI_ENDPOINT` or `AZURE_RESOURCE_NAME`, as for Azure's own clients.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from msgspec import Meta

from llms_core.errors import ConfigError
from llms_core.provider import ProviderSettings

ENDPOINT_VARIABLE = "AZURE_OPENAI_ENDPOINT"
RESOURCE_VARIABLE = "AZURE_RESOURCE_NAME"

_DATED_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
#: `preview` of the v1 API, or nothing at all.
_NAMED_VERSION = re.compile(r"[a-z]*")
_RESOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")

# How the path of an address may end. Users copy anything from the resource's root to the URL of a deployment; what
# precedes it belongs to the resource, or to a gateway in front of it.
_API_PATH = re.compile(
    r"""
    (?P<prefix>.*?)
    (?:
        /openai/v1(?:/.*)?
      | /openai/deployments(?:/.*)?
      | /openai
      | /v1
      | (?P<models>/models)(?:/chat/completions)?
    )
    """,
    re.VERBOSE,
)

#: The version of the models API to use if none is given: it requires one.
_MODELS_VERSION = "2024-05-01-preview"

#: The first dated version with the Responses API.
_FIRST_VERSION_WITH_RESPONSES = "2025-03-01-preview"

Api = Literal["v1", "deployments", "models"]


class AzureSettings(ProviderSettings, kw_only=True):
    """A block of the type `azure` needs an address and a key.

    The address is `resource` or `base_url`, or in the environment `AZURE_OPENAI_ENDPOINT` or `AZURE_RESOURCE_NAME`. The
    key may be a token of Entra ID. The id of a model is the name of its deployment:
    `"models": {"gpt-4o": "our-deployment"}`.
    """

    #: The name in `https://{resource}.openai.azure.com`, or a host name.
    resource: Annotated[str, Meta(examples=["our-resource"])] = ""
    #: A date, as in `2024-10-21`, for the API with deployments in its paths; empty or `preview` for the v1 API.
    api_version: Annotated[str, Meta(examples=["2024-10-21"])] = ""


class Endpoint(NamedTuple):
    """An API of a resource."""

    api: Api
    #: The address without the path of an API; empty if none is configured.
    root: str
    #: The `api-version` of every request; empty to send none.
    version: str

    @property
    def base_url(self) -> str:
        """The URL that `/chat/completions` follows, except in the API with deployments."""
        if self.api == "models":
            return f"{self.root}/models"
        return f"{self.root}/openai/v1"

    def url(self, path: str, deployment: str) -> str:
        """Return the URL of an operation of a deployment; `path` is OpenAI's path of the operation."""
        url = f"{self.base_url}{path}"
        if self.api == "deployments":
            url = f"{self.root}/openai/deployments/{quote(deployment, safe='')}{path}"
        if self.version:
            url += f"?api-version={self.version}"
        return url

    def responses_url(self) -> str:
        """Return the URL of the Responses API, which has no deployment in its path; empty if there is none."""
        match self.api:
            case "v1":
                url = f"{self.base_url}/responses"
            case "deployments" if self.version >= _FIRST_VERSION_WITH_RESPONSES:
                url = f"{self.root}/openai/responses"
            case _:
                return ""
        return f"{url}?api-version={self.version}" if self.version else url


class _Address(NamedTuple):
    #: Without a slash at the end; empty if there is none.
    url: str
    #: The `api-version` in the query of the environment's URL.
    version: str = ""


def find_endpoint(settings: ProviderSettings) -> Endpoint:
    """Return the endpoint that the settings and the environment describe. Raises ConfigError if they are invalid."""
    resource = ""
    version = ""
    # Another plugin may register the adapter with plain settings.
    if isinstance(settings, AzureSettings):
        resource = settings.resource
        version = settings.api_version
    address = _find_address(settings.base_url, resource)
    if version:
        _check_version(version, source="api_version")
    else:
        version = address.version
        _check_version(version, source=ENDPOINT_VARIABLE)
    path = urlsplit(address.url).path
    match = _API_PATH.fullmatch(path)
    prefix = path if match is None else match["prefix"]
    root = address.url.removesuffix(path) + prefix
    if match is not None and match["models"]:
        return Endpoint("models", root, version or _MODELS_VERSION)
    # Only the version tells the other two apart: the path that the user copied may be of either.
    if _DATED_VERSION.fullmatch(version):
        return Endpoint("deployments", root, version)
    return Endpoint("v1", root, version)


def _check_version(version: str, *, source: str) -> None:
    if _DATED_VERSION.fullmatch(version) or _NAMED_VERSION.fullmatch(version):
        return
    raise ConfigError(
        f"'{version}' is not an API version",
        field=source,
        hint="use a date, as in 2024-10-21, or leave it out",
    )


def _find_address(base_url: str, resource: str) -> _Address:
    if base_url:
        return _Address(base_url.rstrip("/"))
    if resource:
        return _Address(_resource_url(resource, source="resource"))
    url = os.environ.get(ENDPOINT_VARIABLE, "").strip()
    if url:
        return _parse_endpoint_variable(url)
    resource = os.environ.get(RESOURCE_VARIABLE, "").strip()
    if resource:
        return _Address(_resource_url(resource, source=RESOURCE_VARIABLE))
    return _Address("")


def _parse_endpoint_variable(url: str) -> _Address:
    """Split the value of AZURE_OPENAI_ENDPOINT. Raises ConfigError if it is not a plain http(s) URL."""
    parts = urlsplit(url)
    is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
    if not is_http or parts.username or parts.password:
        # The message does not repeat the value, which may contain a password (SR-066).
        raise ConfigError(
            f"{ENDPOINT_VARIABLE} is not a plain http(s) URL",
            hint="use an address like https://my-resource.openai.azure.com",
        )
    versions = parse_qs(parts.query).get("api-version", [""])
    path = parts.path.rstrip("/")
    return _Address(f"{parts.scheme}://{parts.netloc}{path}", versions[0])


def _resource_url(resource: str, *, source: str) -> str:
    if not _RESOURCE_NAME.fullmatch(resource):
        raise ConfigError(
            f"'{resource}' is not the name of a resource",
            field=source,
            hint="use the name in https://NAME.openai.azure.com, or its host name",
        )
    # Resources of Microsoft Foundry are at other domains, so a host name is accepted as well.
    if "." in resource:
        return f"https://{resource}"
    return f"https://{resource}.openai.azure.com"
