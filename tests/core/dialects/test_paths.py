"""Paths with parameters."""

from __future__ import annotations

import pytest

from llms_core.dialects.paths import PathTable, fixed_part, parameters

GENERATE = "/v1beta/models/{model}:generate"


@pytest.fixture
def table() -> PathTable[str]:
    return PathTable(
        {"/v1/chat": "chat", GENERATE: "generate", "/v1beta/models/{model}:generate:all": "all"}
    )


@pytest.mark.parametrize(
    "model", ["gemini", "vendor/model", "vendor/model:free", "a b", "zwölf", "a:generate"]
)
def test_a_parameter_stands_for_any_text(table: PathTable[str], model: str) -> None:
    assert table.find(f"/v1beta/models/{model}:generate") == ("generate", {"model": model})


def test_the_longer_template_counts(table: PathTable[str]) -> None:
    assert table.find("/v1beta/models/m:generate:all") == ("all", {"model": "m"})


def test_fixed_paths_have_no_parameters(table: PathTable[str]) -> None:
    assert table.find("/v1/chat") == ("chat", {})


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/chat/", "/v1beta/models/:generate", "/v1beta/models/m:other", "/x" + "/v1/chat"],
)
def test_other_paths_are_not_found(table: PathTable[str], path: str) -> None:
    assert table.find(path) is None


def test_the_parts_of_a_template() -> None:
    assert parameters(GENERATE) == ["model"]
    assert fixed_part(GENERATE) == "/v1beta/models/"
    assert parameters("/v1/chat") == []
