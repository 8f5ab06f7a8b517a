"""Errors in the text of llms.json and in its members: their place, and a hint how to fix them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError

Read = Callable[..., LlmsJson]

SERVER: dict[str, Any] = {
    "type": "OpenAiProvider",
    "base_url": "http://localhost:8001",
    "models": {"m": "m"},
}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            '{\n  "providers": {\n    # Ollama\n    "a": {}\n  }\n}',
            3,
            r"column 5 \(comments begin with //\)",
        ),
        ('{\n  "limits": {}, /* bytes\n  "providers": {}}', 2, r"this comment does not end"),
        (
            '{\n  // one\n  "limits": {},,\n  "providers": {}}',
            3,
            r"not valid JSON: Expecting property name",
        ),
        ('{\n  "limits": {"retries": 1,,}\n}', 2, r"not valid JSON: Expecting property name"),
        ('{\n  "limits": {,}\n}', 2, r"not valid JSON: Expecting property name"),
        ("{\n  'providers': {}\n}", 2, r"not valid JSON: Expecting property name"),
        ('{\n  "a": NaN\n}', None, r"NaN"),
        ('{"a": "\\ud800"}', None, r"not valid JSON"),
        ("", None, r"the file is empty"),
        ("\n \n", None, r"the file is empty"),
        ("[]", None, r"has to contain a JSON object"),
        ('"x"', None, r"has to contain a JSON object"),
        ("[" * 100_000, None, r"nested too deeply"),
        (b'{\n"a": "\xff"}', 2, r"not UTF-8 \(save it as UTF-8\)"),
        ('{"providers": {}}'.encode("utf-16"), None, r"UTF-16 \(save it as UTF-8\)"),
    ],
)
def test_invalid_json_is_rejected_with_line_and_hint(
    reader: Read, text: str | bytes, line: int | None, message: str
) -> None:
    """K-23."""
    with pytest.raises(ConfigError, match=message) as caught:
        reader(text)
    assert (caught.value.path, caught.value.line) == ("llms.json", line)


def test_comments_and_trailing_commas_are_accepted(reader: Read) -> None:
    """K-23: messages keep the lines of the file."""
    text = """{
  // Where my own servers are: "http://…"
  "providers": {
    /* two
       lines */
    "mine": {"type": "openai-compatible", "base_url": "http://localhost:8001/v1", "models": ["a", "b",], "typo": 1,},
  },
}"""
    read = reader(text)
    assert [model.upstream for model in read.providers[0].models] == ["a", "b"]
    assert [warning.partition(" ")[0] for warning in read.warnings] == ["llms.json:6:"]


def test_a_byte_order_mark_is_accepted(reader: Read) -> None:
    """K-23."""
    assert reader(b'\xef\xbb\xbf{"providers": {}}').providers == ()


def test_a_duplicate_provider_is_rejected(reader: Read) -> None:
    """K-01: otherwise one of the two would be lost silently."""
    text = '{"providers": {\n  "groq": {},\n  "other": {},\n  "groq": {}\n}}'
    with pytest.raises(
        ConfigError, match=r"llms\.json:4: providers\.groq: .* twice, in lines 2 and 4"
    ):
        reader(text)


def test_a_duplicate_member_deep_inside_is_rejected(reader: Read) -> None:
    """K-06."""
    text = '{"providers": {"a": {"models": [{"x": 1},\n {"y\\"z": 1,\n "y\\"z": 2}]}}}'
    with pytest.raises(
        ConfigError, match=r'llms\.json:3: providers\.a\.models\[1\]\."y\\"z": .* lines 2 and 3'
    ):
        reader(text)


@pytest.mark.parametrize(
    ("members", "where", "message"),
    [
        ({"enabled": "false"}, "providers.mine.enabled", "Expected `bool`, got `str`"),
        ({"api_key": 5}, "providers.mine.api_key", r"Expected `str \| null`, got `int`"),
        (
            {"models": {"a": "b", "c": 5}},
            "providers.mine.models.c",
            r"Expected `str \| object`, got `int`",
        ),
        (
            {"models": {"a": {"cost": {"input": "x"}}}},
            "providers.mine.models.a.cost.input",
            "matching regex",
        ),
        (
            {"pricing": {"a/b.c": {"input": 1}}},
            'providers.mine.pricing."a/b.c"',
            "`output` is missing",
        ),
        ({"headers": {"a": 1}}, "providers.mine.headers.a", "Expected `str`, got `int`"),
        ({"env": ["A", 1]}, "providers.mine.env[1]", "Expected `str`, got `int`"),
    ],
)
def test_a_value_of_the_wrong_type_is_rejected_with_its_path(
    reader: Read, members: dict[str, Any], where: str, message: str
) -> None:
    """K-24: the wrong member is named, even inside of dictionaries with arbitrary keys."""
    with pytest.raises(ConfigError, match=message) as caught:
        reader({"providers": {"before": SERVER, "mine": {**SERVER, **members}}})
    assert caught.value.field == where
    assert caught.value.line is not None
    assert caught.value.line > 9


@pytest.mark.parametrize("providers", [[], "groq", {"groq": True}, {"groq": None}])
def test_providers_have_to_be_objects(reader: Read, providers: object) -> None:
    """K-01."""
    with pytest.raises(ConfigError, match=r"providers.*: Expected `object`, got"):
        reader({"providers": providers})


@pytest.mark.parametrize(
    ("config", "where", "hint"),
    [
        (
            {"provider": {}, "providers": {"a": SERVER}},
            "2: provider",
            " (did you mean 'providers'?)",
        ),
        (
            {"providers": {"a": {**SERVER, "apikey": "x"}}},
            "9: providers.a.apikey",
            " (did you mean 'api_key'?)",
        ),
        ({"providers": {"a": {**SERVER, "zzz": "x"}}}, "9: providers.a.zzz", ""),
        (
            {"limits": {"client_max": 1}, "providers": {"a": SERVER}},
            "3: limits.client_max",
            " (did you mean 'client_max_size'?)",
        ),
        (
            {
                "providers": {
                    "a": {**SERVER, "pricing": {"m": {"input": 1, "output": 1, "colour": 2}}}
                }
            },
            "13: providers.a.pricing.m.colour",
            "",
        ),
    ],
)
def test_an_unknown_member_is_a_warning_with_the_most_similar_name(
    reader: Read, config: dict[str, Any], where: str, hint: str
) -> None:
    """K-24: in strict mode it is an error."""
    warning = f"llms.json:{where}: unknown member, ignored{hint}"
    assert reader(config).warnings == (warning,)
    with pytest.raises(ConfigError, match="unknown member") as caught:
        reader(config, strict=True)
    assert str(caught.value) == warning
