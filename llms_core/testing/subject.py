"""The provider under test, configured as a user would, with a key that can be found wherever it turns up."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any
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
from llms_core.provider import HttpAdapter, UpstreamRequest
from llms_core.testing import wire as wires
from llms_core.testing.asked import LOCAL, QUESTION, user
from llms_core.testing.wire import Wire

_KEPT = re.compile(
    "HOME|LANG|LC_.*|LD_.*|PATH|PYTEST.*|PYTHON.*|SSL_.*|SYSTEMROOT|TE?MP|TMPDIR|USERPROFILE|VIRTUAL_ENV", re.IGNORECASE
)

ORIGIN = "https://provider.conformance.test"
"""Where the provider seems to be while nothing is sent."""


class Subject:
    """A provider, its Wire, and its adapter as a block of llms.json configures it."""

    def __init__(self, name: str, host: PluginHost, toml: PluginsToml, wire: Wire | str | None = None):
        spec = host.specs.get(name.lower())
        if spec is None:
            raise ConfigError(f"there is no provider '{name}'", hint=_why_not(name, host))
        self.name, self.spec, self.host, self.toml = name.lower(), spec, host, toml
        self.key = f"sk-conformance-{secrets.token_hex(12)}"
        self.wire = self._wire(wire or spec.wire)

    @property
    def report(self) -> PluginReport | None:
        """The plugin that the provider comes from; None for one that plugins.toml declares."""
        origin = self.host.origin(self.spec)
        return next((report for report in self.host.reports if report.origin == origin), None)

    @property
    def distribution(self) -> tuple[str, str]:
        """What the provider comes from, and its version."""
        report = self.report
        return (report.distribution, report.version) if report else (self.host.origin(self.spec), "")

    @property
    def base_url(self) -> str:
        """The base URL that the suite configures while nothing is sent."""
        return self.base_at(ORIGIN)

    @cached_property
    def adapter(self) -> HttpAdapter:
        """The adapter. Raises AssertionError where it cannot be made."""
        return self.configured(self.block(ORIGIN))

    def base_at(self, origin: str) -> str:
        """The base URL of a server that stands in for the provider."""
        path = self.wire.base
        if path is None:
            path = urlsplit(self.spec.base_url).path if self.spec.base_url else "/v1"
        return origin + path.rstrip("/")

    def block(self, origin: str, **more: Any) -> dict[str, Any]:
        """The provider's block in llms.json; a member that is None is left out."""
        block: dict[str, Any] = {
            "base_url": self.base_at(origin),
            "api_key": self.key,
            "models": {LOCAL: self.wire.model},
            **_with_key(self.wire.settings, self.key),
            **more,
        }
        return {name: value for name, value in block.items() if value is not None}

    def configured(self, block: Mapping[str, Any]) -> HttpAdapter:
        """The adapter that a block makes. Raises AssertionError with the reason where it makes none."""
        made = self.built(block)
        assert made.adapter is not None, f"the provider cannot be configured: {made.disabled}"
        return made.adapter

    def built(self, block: Mapping[str, Any]) -> Configured:
        """What the configuration makes of a block."""
        text = json.dumps({"providers": {self.name: block}}).encode()
        document = llms_json.read(text, "the suite's llms.json", self.host.specs, env={})
        with plain_environment():
            return registry.build(self.host, document).configured[0]

    def call(self, **members: Any) -> ChatCall:
        """A request as the router hands it to the adapter; new for each use."""
        body = {"model": LOCAL, "messages": [user(QUESTION)], **members}
        return ChatCall(
            body=decode(json.dumps(body, ensure_ascii=False).encode()),
            upstream_model=self.wire.model,
            client_model=LOCAL,
            id="chatcmpl-0123456789abcdef01234567",
            created=1_700_000_000,
        )

    def request(self, **members: Any) -> UpstreamRequest:
        """What the adapter sends for a request."""
        return self.adapter.request(self.call(**members))

    def _wire(self, given: Wire | str) -> Wire:
        if isinstance(given, Wire):
            return given
        if given:
            return wires.load(given)
        if isinstance(self.spec.adapter, type) and issubclass(self.spec.adapter, OpenAICompatible):
            return self._openai()
        self.wire = self._openai()  # a factory: what it makes tells; its block needs a base URL
        if isinstance(self.built(self.block(ORIGIN)).adapter, OpenAICompatible):
            return self.wire
        hint = "name its Wire in ProviderSpec.wire or with --wire; see llms_core.testing.wire"
        raise ConfigError(f"the provider '{self.name}' has a protocol of its own", hint=hint)

    @staticmethod
    def _openai() -> Wire:
        from llms_core.testing.openai_wire import OPENAI

        return OPENAI


def find(name: str, plugins: Path | None, wire: Wire | str | None = None) -> Subject:
    """The installed provider of that name, or the one that plugins.toml declares. Raises ConfigError."""
    toml, host = _loaded(plugins)
    return Subject(name, host, toml, wire)


@cache
def _loaded(plugins: Path | None) -> tuple[PluginsToml, PluginHost]:
    """Plugins are loaded once a process, as in the gateway."""
    return load_plugins(plugins)


@contextmanager
def plain_environment() -> Iterator[None]:
    """No key, address or proxy of the machine's reaches an adapter under test, nor the gateway that runs it."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    with mock.patch.dict(os.environ, kept, clear=True):
        yield


def _why_not(name: str, host: PluginHost) -> str:
    """Why a provider may be missing: its plugin could not be loaded, or the name is a slip."""
    aside = [report.reason for report in host.reports if report.state == "quarantined"]
    near = nearest(name.lower(), tuple(host.specs))
    hints = [*aside, *([f"did you mean '{near}'?"] if near else [])]
    return "; ".join(hints) or "`llms plugins` lists what is installed"


def _with_key(value: Any, key: str) -> Any:
    """A Wire's settings with the key where they say "$KEY"."""
    if isinstance(value, Mapping):
        return {name: _with_key(inner, key) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_key(inner, key) for inner in value]
    return value.replace("$KEY", key) if isinstance(value, str) else value
