"""llms.json as a whole: versions, order, what stands at the top level."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms_core.config.llms_json import load
from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

Read = Callable[..., LlmsJson]
Specs = Mapping[str, ProviderSpec]

SERVER: dict[str, Any] = {"type": "OpenAiProvider", "base_url": "http://localhost:8001", "models": {"m": "m"}}


def test_a_v2_file_is_read_as_it_is(samples: Path, specs: Specs, all_keys: Mapping[str, str], tmp_path: Path) -> None:
    """K-01 … K-20: nothing in a file of llms.py's version 2 is an error, or worth a warning."""
    config = load(samples / "v2.json", specs, env={**all_keys, "LLMS_HOME": str(tmp_path)}, strict=True)
    assert config.version == 2
    assert config.warnings == ()
    assert [(item.id, item.spec.name, item.settings.base_url, item.disabled) for item in config.providers] == [
        ("groq", "groq", "https://api.groq.com/openai/v1", None),
        ("google_free", "google", "https://generativelanguage.googleapis.com/v1beta", None),
        ("ollama", "ollama", "http://localhost:11434", "disabled in llms.json"),
        ("z.ai", "zai", "https://api.z.ai/api/paas/v4", None),
        ("qwen", "qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", None),
    ]


def test_a_v3_file_is_read_as_it_is(samples: Path, specs: Specs, all_keys: Mapping[str, str]) -> None:
    """L-01 … L-20: nothing in a file of llms.py's versions 3 and 4 is an error, or worth a warning."""
    config = load(samples / "v3" / "llms.json", specs, env=all_keys, strict=True)
    assert config.version == 3
    assert config.warnings == ()
    assert [(item.id, item.spec.name, item.settings.base_url, item.disabled) for item in config.providers] == [
        ("groq", "groq", "https://api.groq.com/openai/v1", None),
        ("codestral", "codestral", "https://codestral.mistral.ai/v1", None),
        ("zai", "zai", "https://api.z.ai/api/paas/v4", None),
        ("lmstudio", "lmstudio", "http://127.0.0.1:1234/v1", "disabled in llms.json"),
        ("ollama", "ollama", "http://localhost:11434", "disabled in llms.json"),
        ("openai-local", "openai-local", "http://localhost:8000/v1", "disabled in llms.json"),
        ("google", "google", "https://generativelanguage.googleapis.com/v1beta", None),
        ("anthropic", "anthropic", "https://api.anthropic.com/v1", None),
        ("alibaba", "qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", None),
        ("small-cloud", "openai-compatible", "https://api.example.net/inference", None),
        ("llmspy", "openai-compatible", "https://ai.example.org/v1", None),
    ]


def test_the_order_of_the_file_is_the_order_of_the_providers(reader: Read) -> None:
    """K-01, SR-071."""
    for order in (["b", "a", "10", "9"], ["9", "10", "a", "b"]):
        config = reader({"providers": dict.fromkeys(order, SERVER)})
        assert [item.id for item in config.providers] == order


@pytest.mark.parametrize(("version", "folds"), [(None, False), (1, False), (2, False), (3, True), (4, True)])
def test_three_and_later_are_v3(reader: Read, version: int | None, folds: bool) -> None:
    """L-01, L-20: names are looked up exactly in v2, leniently from v3 on."""
    config = reader({"version": version, "providers": {"a": SERVER}})
    assert config.version == (2 if version is None else version)
    assert config.providers[0].fold_case is folds


def test_a_version_is_an_integer(reader: Read) -> None:
    """L-01."""
    with pytest.raises(ConfigError, match=r"llms\.json:2: version: Expected `int \| null`, got `str`"):
        reader({"version": "3", "providers": {"a": SERVER}})


def test_the_file_is_not_written(samples: Path, specs: Specs) -> None:
    """J, rule of reading: never write the user's file."""
    files = [path for path in samples.rglob("*") if path.is_file()]
    before = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    for path in (samples / "v2.json", samples / "v3" / "llms.json"):
        load(path, specs, env={})
    assert [hashlib.sha256(path.read_bytes()).digest() for path in files] == before
    assert sorted(path for path in samples.rglob("*") if path.is_file()) == sorted(files)


def test_templates_are_kept_as_they_are_written(reader: Read) -> None:
    """K-17, K-18, L-03: `text` and the others, by whatever name; those that are no chats are not templates."""
    defaults = {
        "headers": {"User-Agent": "x"},
        "text": {"model": "kimi-k2", "messages": []},
        "out:image": {"messages": []},
        "check": {"max_completion_tokens": 16, "temperature": 0.70},
        "my-own": {"messages": []},
        "events": {"transport": "auto"},
        "voice": {"model": "v"},
    }
    config = reader({"defaults": defaults, "providers": {"a": SERVER}}, strict=True)
    assert list(config.templates) == ["text", "out:image", "check", "my-own"]
    assert json.loads(bytes(config.templates["text"]))["model"] == "kimi-k2"


@pytest.mark.parametrize("defaults", [{"tex": {"messages": []}}, {"prompt": "text"}])
def test_a_template_that_is_none_is_odd(reader: Read, defaults: dict[str, Any]) -> None:
    """K-24."""
    assert any("unknown member" in item for item in reader({"defaults": defaults, "providers": {"a": SERVER}}).warnings)


@pytest.mark.parametrize(
    "config",
    [
        {"limits": {"client_max_size": 1000}},
        {"defaults": {"limits": {"client_max_size": 1000}}},
        {"limits": {"client_max_size": 1000}, "defaults": {"limits": {"client_max_size": 1000}, "convert": {}}},
    ],
)
def test_limits_are_read_in_both_places(reader: Read, config: dict[str, Any]) -> None:
    """K-19: at the top level, where llms.py reads them, or in `defaults`, where its documentation has them."""
    read = reader({**config, "providers": {"a": SERVER}}, strict=True)
    assert (read.max_body, read.warnings) == (1000, ())


def test_limits_of_both_places_that_differ(reader: Read) -> None:
    """K-19."""
    limits = {"limits": {"client_max_size": 1000}, "defaults": {"limits": {"client_max_size": 9, "retries": 1}}}
    config = reader({**limits, "providers": {"a": SERVER}})
    assert (config.max_body, config.retries) == (1000, 1)
    assert "defaults.limits.client_max_size" in config.warnings[0]


def test_the_limit_of_a_body_is_20_mib_where_none_is_given(reader: Read) -> None:
    """K-19, SR-029."""
    assert reader({"providers": {"a": SERVER}}).max_body == 20_971_520


def test_limits_of_v3(reader: Read) -> None:
    """L-04: a total timeout in seconds, and attempts."""
    limits = {"client_timeout": 240, "retries": 3, "stream_checkpoint_interval": 1, "max_iterations": 10}
    config = reader({"version": 3, "limits": limits, "providers": {"groq": {}}}, strict=True)
    assert (config.client_timeout, config.retries) == (240.0, 3)


@pytest.mark.parametrize(
    ("limits", "member"), [({"client_max_size": 0}, "client_max_size"), ({"client_timeout": -1}, "client_timeout")]
)
def test_a_limit_that_makes_no_sense(reader: Read, limits: dict[str, Any], member: str) -> None:
    """K-19, L-04."""
    with pytest.raises(ConfigError, match=rf"llms\.json:3: limits\.{member}: Expected `\w+` >=? "):
        reader({"limits": limits, "providers": {"a": SERVER}})


def test_convert_is_accepted(reader: Read) -> None:
    """K-20, L-05."""
    convert = {"image": {"max_size": "1536x1024", "max_length": 1572864}}
    assert reader({"convert": convert, "providers": {"a": SERVER}}, strict=True).warnings == ()


def test_sign_in_that_is_enabled_is_refused(reader: Read) -> None:
    """K-21: never silently open."""
    with pytest.raises(ConfigError, match=r"auth\.enabled: .*open to everybody.*\[server\] in plugins\.toml") as caught:
        reader({"auth": {"enabled": True, "github": {"client_secret": "gh-secret"}}, "providers": {"a": SERVER}})
    assert "gh-secret" not in str(caught.value)


@pytest.mark.parametrize("auth", [None, {}, {"enabled": False, "github": {"client_id": "$GITHUB_CLIENT_ID"}}])
def test_sign_in_that_is_not_enabled_is_accepted(reader: Read, auth: object) -> None:
    """K-21."""
    assert reader({"auth": auth, "providers": {"a": SERVER}}, strict=True).warnings == ()


def test_other_references_at_the_top_level_do_no_harm(reader: Read) -> None:
    """K-22."""
    config = reader({"site": "$SITE", "providers": {"a": SERVER}}, strict=True)
    assert config.warnings == ()
    assert "site" in config.notes[0]


def test_what_only_llms_py_uses_is_noted(samples: Path, specs: Specs, all_keys: Mapping[str, str]) -> None:
    """L-02, L-05, L-16, L-17, L-18."""
    config = load(samples / "v3" / "llms.json", specs, env=all_keys)
    for member in ("disable_extensions", "loading", "zai.modalities", "google.speech_config", "anthropic.server_tools"):
        assert any(f"{member}: not used here" in note for note in config.notes)


def test_a_file_may_name_its_schema(reader: Read) -> None:
    """K-24: `$schema` is ours, and not unknown."""
    assert reader({"$schema": "./llms.schema.json", "providers": {"a": SERVER}}, strict=True).warnings == ()


@pytest.mark.parametrize("config", [{}, {"providers": {}}, {"providers": None}])
def test_a_file_without_providers(reader: Read, config: dict[str, Any]) -> None:
    """K-01."""
    read = reader(config)
    assert read.providers == ()
    assert "no providers" in read.warnings[0]


def test_a_file_that_cannot_be_read(specs: Specs, tmp_path: Path) -> None:
    """J, location."""
    with pytest.raises(ConfigError, match=r"gone\.json: cannot be read: No such file"):
        load(tmp_path / "gone.json", specs, env={})


def test_a_broken_edit_leaves_what_was_read(reader: Read, specs: Specs, tmp_path: Path) -> None:
    """K-25, SR-092: reading gives a whole new configuration or an error, and changes nothing that was read before."""
    path = tmp_path / "llms.json"
    path.write_text(json.dumps({"providers": {"a": SERVER}}))
    before = load(path, specs, env={})
    kept = copy.deepcopy([(item.id, item.models) for item in before.providers])
    path.write_text('{"providers": {"a": ')
    with pytest.raises(ConfigError):
        load(path, specs, env={})
    assert [(item.id, item.models) for item in before.providers] == kept


MARK = "sk-marked-0123456789"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.just("$MARKED"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "enabled": st.booleans(),
    "api_key": st.sampled_from([MARK, "$MARKED", "${MARKED}", "$UNSET", "", f"$-{MARK}", f"{MARK}\n\u20ac"]),
    "env": st.lists(st.sampled_from(["MARKED", "UNSET"])),
    "headers": st.dictionaries(st.sampled_from(["Authorization", "X-Api-Key", "api-key"]), st.just(f"Bearer {MARK}")),
    "models": st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
    "default_pricing": st.just({"input": "1", "output": 0.00000001}),
    "temperature": st.floats(0, 2),
    "secret_key": st.sampled_from([MARK, "$MARKED", "$UNSET"]),
    "zones": st.just({"a": 1}),
    "curl": st.booleans(),
    "unheard-of": JSON,
}
ODD: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["OpenAiProvider", "GoogleProvider", "OllamaProvider", "Nobody"]),
    "npm": st.sampled_from(["@ai-sdk/openai-compatible", "ollama", "nobody"]),
    "api": st.sampled_from(["http://localhost:1/v1", f"http://u:{MARK}@[::1", "ftp://x", f"http://x/{MARK}?"]),
    "base_url": st.sampled_from(["http://localhost:1", f"http://u:{MARK}@localhost:2", "http://x:99999", "x"]),
    "api_key": st.lists(st.just(MARK)) | st.dictionaries(st.just(MARK), JSON, min_size=1),
    "headers": st.dictionaries(st.sampled_from(["a b", "X-Y"]), JSON | st.just(f"{MARK}\n")),
    "models": st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.fixed_dictionaries({"id": JSON})),
    "map_models": st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
    "include_models": st.text("a(*[{9}", max_size=6),
    "pricing": st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"input": JSON, "output": JSON})),
    "force": st.dictionaries(st.sampled_from(["temperature", "model", "x", "tools"]), JSON),
    "zones": JSON,
    "secret_key": JSON,
}
KINDS = (
    {"type": "OpenAiProvider", "base_url": "http://localhost:1"},
    {"type": "groq"},
    {"type": "cloud", "region": "north"},
    {"npm": "@ai-sdk/openai-compatible", "api": "http://localhost:1"},
)
GOOD_BLOCK = st.builds(dict.__or__, st.fixed_dictionaries({}, optional=GOOD), st.sampled_from(KINDS))
ODD_BLOCK = st.builds(dict.__or__, GOOD_BLOCK, st.fixed_dictionaries({}, optional=ODD))
GOOD_FILE = st.fixed_dictionaries(
    {"providers": st.dictionaries(st.sampled_from(["groq", "z.ai", "mine"]), GOOD_BLOCK)},
    optional={
        "version": st.sampled_from([2, 3]),
        "defaults": st.fixed_dictionaries({}, optional={"headers": GOOD["headers"], "text": st.just({})}),
    },
)
ODD_FILE = st.fixed_dictionaries(
    {},
    optional={
        "version": JSON,
        "providers": st.dictionaries(st.text(max_size=4), ODD_BLOCK) | JSON,
        "defaults": st.fixed_dictionaries({}, optional={"headers": JSON, "text": JSON, "limits": JSON}) | JSON,
        "limits": JSON,
        "auth": st.just({"enabled": True, "github": {"client_secret": MARK}}) | JSON,
        "other": JSON,
    },
)
ODD_BLOCKS = st.fixed_dictionaries({"providers": st.dictionaries(st.sampled_from(["groq", "mine"]), ODD_BLOCK)})
FILES = st.one_of(GOOD_FILE, ODD_BLOCKS, st.builds(dict.__or__, GOOD_FILE, ODD_FILE), ODD_FILE)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=FILES, strict=st.booleans())
def test_any_object_is_read_or_refused_and_no_key_is_shown(reader: Read, config: dict[str, Any], strict: bool) -> None:
    """K-05, K-24: a file gives a configuration or a ConfigError; neither has a key in its text."""
    try:
        read = reader(config, env={"MARKED": MARK}, strict=strict)
    except ConfigError as error:
        shown = f"{error} {error!r} {error.message} {error.hint}"
    else:
        shown = repr(read)
    assert MARK not in shown


@given(data=st.binary(max_size=60) | st.text('{}[]",:/\\u0019 \n', max_size=30).map(str.encode))
@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(reader: Read, data: bytes) -> None:
    """K-23."""
    with suppress(ConfigError):
        assert reader(data).path == "llms.json"
