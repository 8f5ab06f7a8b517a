"""Discovery of models: the list of one adapter that is wrong affects no other provider."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from llms_core.candidate import Configured
from llms_core.config.model import Provider, Upstream
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.routing.discovery import discover_models
from llms_core.testing import ScriptedUpstream, error, json_body
from llms_core.upstream.engine import create_transport


class Numbering(OpenAICompatible):
    """Names its models by numbers."""

    def models(self, body: bytes) -> dict[str, str]:
        return cast("dict[str, str]", {1: "a"})


class Answering:
    """Answers by itself, and has no `error`."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        self.base_url = settings.base_url

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        raise NotImplementedError

    def models_request(self) -> UpstreamRequest:
        return UpstreamRequest(url=f"{self.base_url}/models", headers={}, method="GET")

    def models(self, body: bytes) -> dict[str, str]:
        return {"m": "m"}


def configured(upstream: ScriptedUpstream, adapter: type[Any], id: str) -> Configured:
    spec = ProviderSpec(name=id, adapter=adapter, title=id)
    settings = ProviderSettings(id=id, base_url=upstream.base_url)
    return Configured(
        id,
        Provider(id=id, spec=spec, settings=settings, discover=True),
        adapter(spec, settings),
        None,
    )


def test_sr_118_a_list_of_the_wrong_type_is_refused(
    upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """SR-118: with its reason in the log; the other provider is discovered."""
    upstream.default = json_body({"data": [{"id": "m"}]})

    async def discover() -> dict[str, Any]:
        transport = create_transport(Upstream())
        try:
            providers = [
                configured(upstream, Numbering, "wrong"),
                configured(upstream, OpenAICompatible, "right"),
            ]
            return await discover_models(transport, providers)
        finally:
            await transport.aclose()

    found = asyncio.run(discover())
    assert found["wrong"] == "the adapter failed: PluginError"
    assert [model.upstream for model in found["right"]] == ["m"]
    assert "`models` returned a int as the name of a model" in caplog.text


@pytest.mark.parametrize(
    ("status", "expected"), [(200, ["m"]), (429, "The scripted fault")], ids=["a list", "a refusal"]
)
def test_an_adapter_that_answers_by_itself_may_have_a_list_of_models(
    upstream: ScriptedUpstream, status: int, expected: object
) -> None:
    """Without an `error` of its own, a refusal is classified as any other."""
    upstream.routes["/models"] = json_body({}) if status == 200 else error(status)

    async def discover() -> object:
        transport = create_transport(Upstream())
        try:
            found = (await discover_models(transport, [configured(upstream, Answering, "a")]))["a"]
        finally:
            await transport.aclose()
        return found if isinstance(found, str) else [model.upstream for model in found]

    assert asyncio.run(discover()) == expected
