"""Which providers can serve a request, in which order, and why each other one cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.candidate import Candidate, Configured, Refusal
from llms_core.config.model import Model, Provider
from llms_core.contracts.request import ChatRequest, decode
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec
from llms_core.routing.candidates import ModelIndex, cannot_serve, split_by_capability
from llms_core.routing.circuit import CircuitBreaker

if TYPE_CHECKING:
    from tests.core.routing.conftest import MakeChain

KIMI = Model(names=("kimi-k2",), upstream="moonshotai/kimi-k2")


def configured(id: str, *models: Model, disabled: str | None = None, **more: Any) -> Configured:
    """A provider; `more` are members of Provider, and `can` its capabilities."""
    spec = ProviderSpec(
        name=id, adapter=OpenAICompatible, title=id, capabilities=more.pop("can", Capabilities())
    )
    settings = ProviderSettings(id=id)
    provider = Provider(
        id=id, spec=spec, settings=settings, models=models, disabled=disabled, **more
    )
    return Configured(
        id, provider, None if disabled else OpenAICompatible(spec, settings), disabled
    )


def asked(**members: object) -> ChatRequest:
    body = {"model": "kimi-k2", "messages": [{"role": "user", "content": "Hi"}], **members}
    return decode(json.dumps(body).encode()).view


def index(
    configured: Sequence[Configured], discovered: Mapping[str, Sequence[Model]] | None = None
) -> ModelIndex:
    return ModelIndex(configured, OPERATIONS, CircuitBreaker(), discovered or {})


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.provider_id for candidate in candidates]


# Names


def test_candidates_are_the_enabled_providers_that_have_the_model() -> None:
    """SR-070, SR-079: exactly those, in the order of the file (SR-071)."""
    other = Model(names=("other",), upstream="other")
    catalogue = index(
        [
            configured("c", KIMI),
            configured("off", KIMI, disabled="disabled in llms.json"),
            configured("elsewhere", other),
            configured("a", other, KIMI),
        ]
    )
    assert ids(catalogue.find("kimi-k2")) == ["c", "a"]


def test_an_adapter_with_a_missing_dependency_is_no_candidate() -> None:
    """SR-079: it may be installed and still not be usable."""
    item = configured("local", KIMI)
    lacking = Configured(item.id, item.provider, item.adapter, "llama-cpp is not installed")
    assert index([lacking]).find("kimi-k2") == []


def test_each_candidate_has_its_own_id_of_the_model() -> None:
    """SR-074."""
    own = Model(names=("kimi-k2",), upstream="kimi-k2-instruct-0905")
    found = index([configured("a", KIMI), configured("b", own)]).find("kimi-k2")
    assert [candidate.upstream_model for candidate in found] == [
        "moonshotai/kimi-k2",
        "kimi-k2-instruct-0905",
    ]


def test_names_are_exact() -> None:
    """L-20: except for files of llms.py 3."""
    catalogue = index([configured("a", KIMI)])
    assert [ids(catalogue.find(name)) for name in ("kimi-k2", "Kimi-K2", "moonshotai/kimi-k2")] == [
        ["a"],
        [],
        [],
    ]


V3 = Model(
    names=("kimi", "moonshotai/Kimi-K2", "Kimi K2 (Moonshot)", "Kimi-K2"),
    upstream="moonshotai/Kimi-K2",
)


@pytest.mark.parametrize(
    "name",
    ["kimi", "KIMI", "moonshotai/kimi-k2", "MoonshotAI/Kimi-K2", "kimi k2 (moonshot)", "kimi-k2"],
)
def test_names_of_version_3_are_found_in_any_case(name: str) -> None:
    """L-20: by alias, id, name or the last part of the id; the client sees the name that it requested."""
    (found,) = index([configured("a", V3, fold_case=True)]).find(name)
    assert (found.upstream_model, found.client_model) == ("moonshotai/Kimi-K2", name)


def test_a_full_name_comes_before_another_models_short_name() -> None:
    """L-20: aliases come before short names, regardless of their order."""
    long = Model(names=("vendor/kimi", "kimi"), upstream="vendor/kimi")
    own = Model(names=("kimi",), upstream="own/kimi")
    (found,) = index([configured("a", long, own, fold_case=True)]).find("kimi")
    assert found.upstream_model == "own/kimi"


def test_a_provider_is_a_candidate_only_once() -> None:
    """L-20: even if two of its models have the name."""
    models = (Model(names=("Kimi",), upstream="a"), Model(names=("kimi",), upstream="b"))
    assert len(index([configured("a", *models, fold_case=True)]).find("KIMI")) == 1


def test_exact_and_lenient_names_keep_the_order_of_the_file() -> None:
    """SR-071, L-20."""
    lenient = configured("b", Model(names=("Kimi-K2",), upstream="k"), fold_case=True)
    catalogue = index([configured("a", KIMI), lenient, configured("c", KIMI)])
    assert ids(catalogue.find("kimi-k2")) == ["a", "b", "c"]


def test_every_model_is_listed_once_under_its_first_name() -> None:
    """SR-009: in the order of the file."""
    other = Model(names=("other", "vendor/other"), upstream="other")
    catalogue = index([configured("a", other, KIMI), configured("b", KIMI)])
    assert [(each.client_model, each.provider_id) for each in catalogue.listed()] == [
        ("other", "a"),
        ("kimi-k2", "a"),
    ]


# What was discovered


def test_discovered_models_are_added_to_those_configured() -> None:
    """SR-118."""
    found = {"ollama": [Model(names=("llama3",), upstream="llama3:latest")]}
    catalogue = index([configured("ollama", KIMI, discover=True)], found)
    assert {each.client_model: each.upstream_model for each in catalogue.listed()} == {
        "kimi-k2": "moonshotai/kimi-k2",
        "llama3": "llama3:latest",
    }


def test_discovered_models_win_over_configured_ones_of_the_same_name() -> None:
    """SR-118."""
    found = {"ollama": [Model(names=("kimi-k2",), upstream="kimi-k2:1t")]}
    (candidate,) = index([configured("ollama", KIMI, discover=True)], found).find("kimi-k2")
    assert candidate.upstream_model == "kimi-k2:1t"


def test_a_provider_without_discovery_has_only_its_configured_models() -> None:
    """SR-118, SR-092: `all_models` was removed."""
    found = {"ollama": [Model(names=("llama3",), upstream="llama3:latest")]}
    assert index([configured("ollama", KIMI)], found).find("llama3") == []


# What a request needs

PICTURE = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
TOOL = {"type": "function", "function": {"name": "f"}}

NEEDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "a text part": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        set(),
    ),
    "no stream": ({"stream": False}, set()),
    "a stream": ({"stream": True}, {"streaming"}),
    "tools": ({"tools": [TOOL]}, {"tools"}),
    "no tools": ({"tools": []}, set()),
    "one answer": ({"n": 1}, set()),
    "two answers": ({"n": 2}, {"n"}),
    "logprobs": ({"logprobs": True}, {"logprobs"}),
    "no logprobs": ({"logprobs": False}, set()),
    "text": ({"response_format": {"type": "text"}}, set()),
    "JSON": ({"response_format": {"type": "json_object"}}, {"json_object"}),
    "a schema": ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"json_schema"}),
    "a picture": ({"messages": [{"role": "user", "content": [PICTURE]}]}, {"vision"}),
    "sound": ({"messages": [{"role": "user", "content": [SOUND]}]}, {"audio"}),
    "a file": ({"messages": [{"role": "user", "content": [FILE]}]}, {"files"}),
    "a part that nobody knows": (
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        set(),
    ),
    "several": ({"stream": True, "tools": [TOOL], "n": 3}, {"streaming", "tools", "n"}),
}


@pytest.mark.parametrize("case", NEEDS)
def test_the_capabilities_a_request_needs(case: str) -> None:
    members, needed = NEEDS[case]
    assert CHAT.needed_capabilities(asked(**members)) == needed


def test_a_provider_with_every_capability_can_serve_any_request() -> None:
    found = index([configured("a", KIMI)]).find("kimi-k2")
    every = frozenset().union(*(needed for _, needed in NEEDS.values()))
    assert split_by_capability(found, frozenset(every)) == (found, [])


def test_a_provider_without_the_capability_is_refused_with_the_reason() -> None:
    blind = configured("blind", KIMI, can=Capabilities(vision=False, tools=False))
    found = index([blind, configured("able", KIMI)]).find("kimi-k2")
    able, refused = split_by_capability(found, frozenset({"vision", "tools", "streaming"}))
    assert ids(able) == ["able"]
    assert refused == [Refusal("blind", "cannot do what the request asks: tools, vision")]


def test_every_refusal_has_its_reason() -> None:
    """SR-070: `llms route` shows them."""
    catalogue = index(
        [
            configured("keyless", KIMI, disabled="no key: set GROQ_API_KEY"),
            configured("elsewhere", Model(names=("other",), upstream="other")),
            configured("mute", KIMI, can=Capabilities(streaming=False)),
            configured("able", KIMI),
        ]
    )
    able, refused = catalogue.explain("kimi-k2", CHAT.needed_capabilities(asked(stream=True)))
    assert ids(able) == ["able"]
    assert {refusal.provider: refusal.reason for refusal in refused} == {
        "keyless": "no key: set GROQ_API_KEY",
        "elsewhere": "does not have the model 'kimi-k2'",
        "mute": "cannot do what the request asks: streaming",
    }


def test_without_a_request_only_names_matter() -> None:
    catalogue = index([configured("mute", KIMI, can=Capabilities(streaming=False))])
    able, refused = catalogue.explain("kimi-k2")
    assert (ids(able), refused) == (["mute"], [])


def test_the_error_names_all_reasons() -> None:
    refusals = [Refusal("a", "cannot do x"), Refusal("b", "cannot do y")]
    problem = cannot_serve("m", refusals)
    assert (problem.status, problem.type, problem.code) == (
        400,
        "invalid_request_error",
        "unsupported",
    )
    assert (
        problem.message
        == "No enabled provider of model 'm' can serve this request: a cannot do x; b cannot do y"
    )


# Through the server

PLAIN = """
[types.plain]
capabilities = { tools = false, vision = false, n = false }
"""


def test_what_no_provider_supports_is_refused_without_a_request(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-065, SR-070: 400 with the reasons, and no provider is called."""
    both = chain(plugins=PLAIN, first={"type": "plain"}, second={"type": "plain"})
    for need, lacking in (("tools", "tools"), ("a picture", "vision"), ("two answers", "n")):
        with subtests.test(need):
            answer = both.ask(**NEEDS[need][0])
            assert (answer.status_code, both.calls) == (400, [0, 0])
            fault = answer.json()["error"]
            assert (fault["type"], fault["code"]) == ("invalid_request_error", "unsupported")
            assert (
                f"first cannot do what the request asks: {lacking}; second cannot"
                in fault["message"]
            )


def test_a_provider_without_the_capability_is_skipped(chain: MakeChain) -> None:
    """SR-070: without a call, and without an attempt."""
    both = chain(plugins=PLAIN, first={"type": "plain"})
    answer = both.ask(tools=[TOOL])
    assert (answer.headers["x-llms-attempts"], both.calls) == ("second;ok", [0, 1])
