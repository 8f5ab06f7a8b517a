"""The provider under test, configured as a user would, with a unique key that can be recognized anywhere it leaks."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast
from unittest import mock
from urllib.parse import urlsplit

from llms_core.candidate import Configured
from llms_core.config import llms_json
from llms_core.config.locate import nearest
from llms_core.config.model import PluginsToml
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins import registry
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import load_plugins
from llms_core.plugins.report import PluginReport
from llms_core.provider import Generates, HttpAdapter, UpstreamRequest
from llms_core.testing import wire as wires
from llms_core.testing.sample_requests import CLIENT_MODEL, QUESTION, user_message
from llms_core.testing.wire import Wire

#: What Python, pytest and the operating system need. Everything else may be a key, an address or a proxy.
_KEPT_VARIABLES = re.compile(
    "HOME|LANG|LC_.*|LD_.*|PATH|PYTEST.*|PYTHON.*|SSL_.*|SYSTEMROOT|TE?MP|TMPDIR|USERPROFILE|VIRTUAL_ENV",
    re.IGNORECASE,
)

ORIGIN = "https://provider.conformance.test"
"""The provider's origin in tests that send nothing."""


class Subject:
    """A provider, its Wire, and the adapter that a block of llms.json configures."""

    def __init__(
        self, name: str, host: PluginHost, toml: PluginsToml, wire: Wire | str | None = None
    ):
        spec = host.specs.get(name.lower())
        if spec is None:
            raise ConfigError(f"unknown provider '{name}'", hint=_missing_provider_hint(name, host))
        self.name = name.lower()
        self.spec = spec
        self.host = host
        self.toml = toml
        # Random, so that nothing can contain it by accident.
        self.key = f"sk-conformance-{secrets.token_hex(12)}"
        self.token = f"token-conformance-{secrets.token_hex(12)}"
        self.wire = self._find_wire(wire or spec.wire)

    @property
    def report(self) -> PluginReport | None:
        """The plugin that the provider comes from; None if plugins.toml declares the provider."""
        origin = self.host.origin(self.spec)
        for report in self.host.reports:
            if report.origin == origin:
                return report
        return None

    @property
    def distribution(self) -> tuple[str, str]:
        """The distribution that the provider comes from, and its version."""
        report = self.report
        if report is None:
            return self.host.origin(self.spec), ""
        return report.distribution, report.version

    @property
    def base_url(self) -> str:
        """The configured base URL in tests that send nothing."""
        return self.base_at(ORIGIN)

    @cached_property
    def generates(self) -> bool:
        """Whether the adapter answers by itself, so that it has none of the methods of an HttpAdapter."""
        return isinstance(self.adapter, Generates)

    @cached_property
    def adapter(self) -> HttpAdapter:
        """The adapter. Raises AssertionError if it cannot be created."""
        return self.configured(self.block(ORIGIN))

    def base_at(self, origin: str) -> str:
        """Return the base URL of a server at `origin` that stands in for the provider."""
        return origin + self._base_path().rstrip("/")

    def _base_path(self) -> str:
        if self.wire.base is not None:
            return self.wire.base
        if self.spec.base_url:
            return urlsplit(self.spec.base_url).path
        return "/v1"

    def block(self, origin: str, **more: Any) -> dict[str, Any]:
        """Return the provider's block in llms.json. A member with the value None is left out."""
        block: dict[str, Any] = {
            "base_url": self.base_at(origin),
            "api_key": self.key,
            "models": {CLIENT_MODEL: self.wire.model},
            **with_key(self.wire.settings, self.key),
            **self._token_endpoint(origin),
            **more,
        }
        return {name: value for name, value in block.items() if value is not None}

    def token_body(self) -> bytes:
        """Return the response with the suite's token, by Wire.token."""
        token = self.wire.token
        assert token is not None
        return json.dumps(token.whole).replace("$TOKEN", self.token).encode()

    def _token_endpoint(self, origin: str) -> dict[str, str]:
        token = self.wire.token
        if token is None or not token.setting:
            return {}
        return {token.setting: self.base_at(origin) + token.path}

    def configured(self, block: Mapping[str, Any]) -> HttpAdapter:
        """Return the adapter that a block configures. Raises AssertionError, with the reason, if it is disabled."""
        configured = self.built(block)
        assert configured.adapter is not None, (
            f"the provider '{self.name}' cannot be configured by the block that the suite makes of its Wire: "
            f"{configured.disabled}. Set what is missing in Wire.settings."
        )
        return cast("HttpAdapter", configured.adapter)

    def built(self, block: Mapping[str, Any]) -> Configured:
        """Return what the configuration makes of a block: an adapter, or the reason why it is disabled."""
        # Read as from a file, so that the block is validated like a user's.
        text = json.dumps({"providers": {self.name: block}}).encode()
        document = llms_json.read(text, "the suite's llms.json", self.host.specs, env={})
        with plain_environment():
            return registry.build(self.host, document).configured[0]

    def call(self, **members: Any) -> ChatCall:
        """Return a request as the router passes it to an adapter; `members` are added to its body."""
        body = {
            "model": CLIENT_MODEL,
            "messages": [user_message(QUESTION)],
            **members,
        }
        return ChatCall(
            body=decode(json.dumps(body, ensure_ascii=False).encode()),
            upstream_model=self.wire.model,
            client_model=CLIENT_MODEL,
            id="chatcmpl-0123456789abcdef01234567",
            created=1_700_000_000,
        )

    def request(self, **members: Any) -> UpstreamRequest:
        """Return the upstream request that the adapter makes of a request with these members."""
        return self.adapter.request(self.call(**members))

    def _find_wire(self, given: Wire | str) -> Wire:
        if isinstance(given, Wire):
            return given
        if given:
            return wires.load(given)
        openai_wire = wires.load("llms_core.testing.openai_wire:OPENAI")
        if isinstance(self.spec.adapter, type) and issubclass(self.spec.adapter, OpenAICompatible):
            return openai_wire
        # `adapter` may also be a factory: create an adapter to see its class. Its block needs the Wire's base URL.
        self.wire = openai_wire
        adapter = self.built(self.block(ORIGIN)).adapter
        if isinstance(adapter, OpenAICompatible):
            return openai_wire
        if isinstance(adapter, Generates):
            # A model in the gateway's own process: there is nothing to play.
            return Wire()
        hint = "name its Wire in ProviderSpec.wire or with --wire; see llms_core.testing.wire"
        raise ConfigError(
            f"the provider '{self.name}' has a protocol of its own and no Wire", hint=hint
        )


def find(name: str, plugins: Path | None, wire: Wire | str | None = None) -> Subject:
    """Return the provider `name`, installed or declared in plugins.toml.

    `plugins` is the path of a plugins.toml, by default the one that the gateway would find. Raises ConfigError if there
    is no such provider, or no Wire for it.
    """
    toml, host = _load_plugins_once(plugins)
    return Subject(name, host, toml, wire)


@cache
def _load_plugins_once(plugins: Path | None) -> tuple[PluginsToml, PluginHost]:
    """Load plugins once per process, as the gateway does."""
    return load_plugins(plugins)


@contextmanager
def plain_environment() -> Iterator[None]:
    """Hide this machine's keys, addresses and proxies from the adapter under test, and from the gateway around it."""
    kept = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}
    with mock.patch.dict(os.environ, kept, clear=True):
        yield


def _missing_provider_hint(name: str, host: PluginHost) -> str:
    """Say why a provider may be missing: a plugin failed to load, or the name is misspelt."""
    hints = [report.reason for report in host.reports if report.state == "quarantined"]
    similar = nearest(name.lower(), tuple(host.specs))
    if similar:
        hints.append(f"did you mean '{similar}'?")
    return "; ".join(hints) or "`llms plugins` lists what is installed"


def with_key(value: Any, key: str) -> Any:
    """Replace "$KEY" by a key, anywhere in a Wire's settings."""
    if isinstance(value, Mapping):
        return {name: with_key(inner, key) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_key(inner, key) for inner in value]
    if isinstance(value, str):
        return value.replace("$KEY", key)
    return value
