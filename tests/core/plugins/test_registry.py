"""Creating adapters: a failure disables only its own provider, and a reload reuses unchanged adapters."""

from __future__ import annotations

from typing import Any, cast

from msgspec import Raw

from llms_core.config.model import LlmsJson, Provider
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.host import PluginHost
from llms_core.plugins.registry import build
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec
from llms_core.secret import Secret

ACME = ProviderSpec(
    name="acme", adapter=OpenAICompatible, title="Acme", base_url="https://api.acme.example"
)


class Closing(OpenAICompatible):
    """An adapter that has to be closed, and that may be unavailable."""

    missing: str | None = None

    async def aclose(self) -> None: ...

    def available(self) -> str | None:
        return self.missing


CLOSING = ProviderSpec(name="closing", adapter=Closing, title="Closing")


def block(spec: ProviderSpec = ACME, key: str = "secret-key", **members: Any) -> Provider:
    settings = ProviderSettings(
        id=spec.name, api_key=Secret(key), defaults={"temperature": Raw(b"1")}
    )
    return Provider(id=spec.name, spec=spec, settings=settings, **members)


def document(*providers: Provider) -> LlmsJson:
    return LlmsJson(path="llms.json", providers=providers)


def test_adapters_are_created_in_the_order_of_the_file() -> None:
    """SR-071."""
    built = build(PluginHost(), document(block(CLOSING), block(ACME)))
    assert [item.id for item in built.configured] == ["closing", "acme"]
    assert all(
        isinstance(item.adapter, OpenAICompatible) and item.disabled is None
        for item in built.configured
    )
    assert built.retired == ()


def test_a_disabled_provider_has_no_adapter() -> None:
    """SR-079."""
    (item,) = build(PluginHost(), document(block(disabled="$ACME_KEY is not set"))).configured
    assert (item.adapter, item.disabled) == (None, "$ACME_KEY is not set")


def test_a_factory_that_raises_disables_only_its_own_provider() -> None:
    """The reason names the plugin and its distribution, and does not contain the key (SR-066)."""

    def factory(spec: ProviderSpec, settings: ProviderSettings) -> OpenAICompatible:
        assert settings.api_key is not None
        raise ValueError(f"bad key {settings.api_key.reveal()}")

    bad = ProviderSpec(name="bad", adapter=factory, title="Bad")
    host = PluginHost(specs={"bad": bad}, origins={"bad": "plugin 'bad' of bad-llms 1.0"})
    first, second = build(host, document(block(bad), block())).configured
    assert (first.adapter, first.fault) == (None, True)
    assert first.disabled is not None
    assert first.disabled.startswith(
        f"plugin 'bad' of bad-llms 1.0: ValueError: bad key *** ({__file__}:"
    )
    assert second.disabled is None


def test_the_reason_of_a_deliberate_error_is_its_message() -> None:
    def factory(spec: ProviderSpec, settings: ProviderSettings) -> OpenAICompatible:
        raise ConfigError("a region is needed", field="region")

    bad = ProviderSpec(name="bad", adapter=factory, title="Bad")
    (item,) = build(PluginHost(), document(block(bad))).configured
    assert item.disabled == "the provider 'bad': region: a region is needed"


def test_an_object_without_the_adapter_methods_is_rejected() -> None:
    bad = ProviderSpec(
        name="bad", adapter=cast("Any", lambda spec, settings: object()), title="Bad"
    )
    (item,) = build(PluginHost(), document(block(bad))).configured
    assert item.disabled is not None
    assert (
        "the adapter is a object without the methods request, completion, chunks, error, or `generate`"
        in item.disabled
    )


class Answering:
    """Answers by itself, so that it needs none of the four methods."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        pass

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        raise NotImplementedError


def test_an_adapter_that_answers_by_itself_needs_no_other_method() -> None:
    spec = ProviderSpec(name="answering", adapter=Answering, title="Answering")
    (item,) = build(PluginHost(), document(block(spec))).configured
    assert isinstance(item.adapter, Answering)
    assert item.disabled is None


def test_an_unavailable_adapter_is_disabled_with_its_reason() -> None:
    """Available: called at each build, also for an adapter that is reused."""
    first = build(PluginHost(), document(block(CLOSING)))
    adapter = first.configured[0].adapter
    assert isinstance(adapter, Closing)
    adapter.missing = "llama.cpp is not installed: pip install llms-providers[local]"
    second = build(PluginHost(), document(block(CLOSING)), first.configured)
    assert second.configured[0].adapter is adapter
    assert second.configured[0].disabled == adapter.missing


def test_a_reload_reuses_an_adapter_with_unchanged_settings() -> None:
    """SR-092: the rest of the block may change, because the adapter does not depend on it."""
    first = build(PluginHost(), document(block()))
    second = build(PluginHost(), document(block(retries=3)), first.configured)
    assert second.configured[0].adapter is first.configured[0].adapter
    assert second.configured[0].provider.retries == 3
    assert second.retired == ()


def test_a_reload_replaces_an_adapter_whose_key_changed() -> None:
    """Only adapters with `aclose` are retired."""
    first = build(PluginHost(), document(block(CLOSING), block()))
    after = document(block(CLOSING, key="another-key"), block(key="another-key"))
    second = build(PluginHost(), after, first.configured)
    assert [
        a.adapter is b.adapter for a, b in zip(first.configured, second.configured, strict=True)
    ] == [False, False]
    assert [id(adapter) for adapter in second.retired] == [id(first.configured[0].adapter)]


def test_removing_or_disabling_a_provider_retires_its_adapter() -> None:
    first = build(PluginHost(), document(block(CLOSING)))
    for after in (document(), document(block(CLOSING, disabled="by enabled: false"))):
        retired = build(PluginHost(), after, first.configured).retired
        assert [id(adapter) for adapter in retired] == [id(first.configured[0].adapter)]
