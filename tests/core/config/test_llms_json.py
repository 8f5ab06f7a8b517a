"""llms.json as a whole: versions of the format, order, top-level members."""

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
from llms_core.config.model import ImageLimits, LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

Read = Callable[..., LlmsJson]
Specs = Mapping[str, ProviderSpec]

SERVER: dict[str, Any] = {
    "type": "OpenAiProvider",
    "base_url": "http://localhost:8001",
    "models": {"m": "m"},
}


def test_a_v2_file_gives_no_errors_and_no_warnings(
    samples: Path, specs: Specs, all_keys: Mapping[str, str], tmp_path: Path
) -> None:
    """K-01 … K-20: even in strict mode."""
    config = load(
        samples / "v2.json", specs, env={**all_keys, "LLMS_HOME": str(tmp_path)}, strict=True
    )
    assert config.warnings == ()
    assert [
        (item.id, item.spec.name, item.settings.base_url, item.disabled)
        for item in config.providers
    ] == [
        ("groq", "groq", "https://api.groq.com/openai/v1", None),
        ("google_free", "google", "https://generativelanguage.googleapis.com/v1beta", None),
        ("ollama", "ollama", "http://localhost:11434", "disabled in llms.json"),
        ("z.ai", "zai", "https://api.z.ai/api/paas/v4", None),
        ("qwen", "qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", None),
    ]


def test_a_v3_file_gives_no_errors_and_no_warnings(
    samples: Path, specs: Specs, all_keys: Mapping[str, str]
) -> None:
    """L-01 … L-20: even in strict mode."""
    config = load(samples / "v3" / "llms.json", specs, env=all_keys, strict=True)
    assert config.warnings == ()
    assert [
        (item.id, item.spec.name, item.settings.base_url, item.disabled)
        for item in config.providers
    ] == [
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


@pytest.mark.parametrize(
    ("version", "lenient"), [(None, False), (1, False), (2, False), (3, True), (4, True)]
)
def test_names_are_lenient_from_version_3_on(
    reader: Read, version: int | None, lenient: bool
) -> None:
    """L-01, L-20: in v2, names are compared exactly."""
    config = reader({"version": version, "providers": {"a": SERVER}})
    assert config.providers[0].fold_case is lenient


def test_version_has_to_be_an_integer(reader: Read) -> None:
    """L-01."""
    with pytest.raises(
        ConfigError, match=r"llms\.json:2: version: Expected `int \| null`, got `str`"
    ):
        reader({"version": "3", "providers": {"a": SERVER}})


def test_files_are_not_written(samples: Path, specs: Specs) -> None:
    """J, rule of reading."""
    files = [path for path in samples.rglob("*") if path.is_file()]
    before = [hashlib.sha256(path.read_bytes()).digest() for path in files]
    for path in (samples / "v2.json", samples / "v3" / "llms.json"):
        load(path, specs, env={})
    assert [hashlib.sha256(path.read_bytes()).digest() for path in files] == before
    assert sorted(path for path in samples.rglob("*") if path.is_file()) == sorted(files)


def test_chat_templates_are_accepted_under_any_name(reader: Read) -> None:
    """K-17, K-18, L-03: without a warning, although nothing uses them."""
    defaults = {
        "headers": {"User-Agent": "x"},
        "text": {"model": "kimi-k2", "messages": []},
        "out:image": {"messages": []},
        "check": {"max_completion_tokens": 16, "temperature": 0.70},
        "my-own": {"messages": []},
        "events": {"transport": "auto"},
        "voice": {"model": "v"},
    }
    assert reader({"defaults": defaults, "providers": {"a": SERVER}}, strict=True).warnings == ()


@pytest.mark.parametrize("defaults", [{"tex": {"messages": []}}, {"prompt": "text"}])
def test_unknown_members_of_defaults_are_reported(reader: Read, defaults: dict[str, Any]) -> None:
    """K-24: a name that is nearly right, and what cannot be a template."""
    assert any(
        "unknown member" in item
        for item in reader({"defaults": defaults, "providers": {"a": SERVER}}).warnings
    )


@pytest.mark.parametrize(
    "config",
    [
        {"limits": {"client_max_size": 1000}},
        {"defaults": {"limits": {"client_max_size": 1000}}},
        {
            "limits": {"client_max_size": 1000},
            "defaults": {"limits": {"client_max_size": 1000}, "convert": {}},
        },
    ],
)
def test_limits_are_read_from_both_places(reader: Read, config: dict[str, Any]) -> None:
    """K-19: the top level, where llms.py reads them, and `defaults`, where its documentation has them."""
    read = reader({**config, "providers": {"a": SERVER}}, strict=True)
    assert (read.max_body, read.warnings) == (1000, ())


def test_top_level_limits_take_precedence(reader: Read) -> None:
    """K-19."""
    limits = {
        "limits": {"client_max_size": 1000},
        "defaults": {"limits": {"client_max_size": 9, "retries": 1}},
    }
    config = reader({**limits, "providers": {"a": SERVER}})
    assert (config.max_body, config.retries) == (1000, 1)
    assert "defaults.limits.client_max_size" in config.warnings[0]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"client_timeout": 0},
            r"llms\.json:4: defaults\.limits\.client_timeout: Expected `float` > 0",
        ),
        ({"client_time": 1}, r"llms\.json:4: defaults\.limits\.client_time: unknown member"),
    ],
)
def test_errors_in_the_limits_of_defaults_name_what_was_written(
    reader: Read, limits: dict[str, Any], message: str
) -> None:
    """K-19, K-24: although the upgrade moves them to the top level."""
    with pytest.raises(ConfigError, match=message):
        reader({"defaults": {"limits": limits}, "providers": {"a": SERVER}}, strict=True)


def test_the_default_limit_of_a_body_is_20_mib(reader: Read) -> None:
    """K-19, SR-029."""
    assert reader({"providers": {"a": SERVER}}).max_body == 20_971_520


def test_v3_limits(reader: Read) -> None:
    """L-04: the total timeout in seconds, and the number of attempts."""
    limits = {
        "client_timeout": 240,
        "retries": 3,
        "stream_checkpoint_interval": 1,
        "max_iterations": 10,
    }
    config = reader({"version": 3, "limits": limits, "providers": {"groq": {}}}, strict=True)
    assert (config.client_timeout, config.retries) == (240.0, 3)


@pytest.mark.parametrize(
    ("limits", "member"),
    [({"client_max_size": 0}, "client_max_size"), ({"client_timeout": -1}, "client_timeout")],
)
def test_an_invalid_limit_is_rejected(reader: Read, limits: dict[str, Any], member: str) -> None:
    """K-19, L-04."""
    with pytest.raises(ConfigError, match=rf"llms\.json:3: limits\.{member}: Expected `\w+` >=? "):
        reader({"limits": limits, "providers": {"a": SERVER}})


@pytest.mark.parametrize(
    ("image", "limits"),
    [
        ({"max_size": "1536x1024", "max_length": 1572864}, ImageLimits()),
        ({"max_size": " 800 x 600 "}, ImageLimits(width=800, height=600)),
        ({"max_length": 1000}, ImageLimits(size=1000)),
        ({}, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["at the top", "in defaults"])
def test_limits_of_images(
    reader: Read, image: object, limits: ImageLimits | None, nested: bool
) -> None:
    """K-19, K-20, L-05."""
    convert = {"convert": {"image": image}}
    members = {"defaults": convert} if nested else convert
    config = reader({**members, "providers": {"a": SERVER}}, strict=True)
    assert (config.images, config.warnings) == (limits, ())


def test_the_top_level_s_limits_of_images_take_precedence(reader: Read) -> None:
    """K-19."""
    outer, inner = ({"image": {"max_size": size}} for size in ("10x20", "30x40"))
    config = reader({"convert": outer, "defaults": {"convert": inner}, "providers": {"a": SERVER}})
    assert config.images == ImageLimits(width=10, height=20)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            {"max_size": "large"},
            r"llms\.json:4: convert\.image\.max_size: Expected `str` matching regex",
        ),
        (
            {"max_size": "0x10"},
            r"llms\.json:4: convert\.image\.max_size: Expected `str` matching regex",
        ),
        ({"max_length": 0}, r"llms\.json:4: convert\.image\.max_length: Expected `int` >= 1"),
        (
            {"max_lenght": 5},
            r"llms\.json:4: convert\.image\.max_lenght: unknown member.*did you mean 'max_length'",
        ),
        (True, r"llms\.json:3: convert\.image: Expected `object.*got `bool`"),
    ],
)
def test_invalid_limits_of_images(reader: Read, image: object, message: str) -> None:
    """K-20, K-24."""
    with pytest.raises(ConfigError, match=message):
        reader({"convert": {"image": image}, "providers": {"a": SERVER}}, strict=True)


def test_enabled_sign_in_requires_keys(reader: Read) -> None:
    """K-21: otherwise the gateway would be open to everybody without notice."""
    auth = {"enabled": True, "github": {"client_secret": "gh-secret"}}
    config = reader({"auth": auth, "providers": {"a": SERVER}}, strict=True)
    assert config.requires_key
    [note] = config.notes
    assert "auth.enabled: signing in with GitHub is not supported" in note
    assert "[server.keys]" in note
    assert "gh-secret" not in note


@pytest.mark.parametrize(
    "auth", [None, {}, {"enabled": False, "github": {"client_id": "$GITHUB_CLIENT_ID"}}]
)
def test_disabled_sign_in_is_accepted(reader: Read, auth: object) -> None:
    """K-21."""
    config = reader({"auth": auth, "providers": {"a": SERVER}}, strict=True)
    assert (config.requires_key, config.warnings, config.notes) == (False, (), ())


def test_other_references_at_the_top_level_are_accepted(reader: Read) -> None:
    """K-22."""
    config = reader({"site": "$SITE", "providers": {"a": SERVER}}, strict=True)
    assert config.warnings == ()
    assert "site" in config.notes[0]


def test_members_that_only_llms_py_uses_are_noted(
    samples: Path, specs: Specs, all_keys: Mapping[str, str]
) -> None:
    """L-02, L-05, L-16, L-17, L-18."""
    config = load(samples / "v3" / "llms.json", specs, env=all_keys)
    for member in (
        "disable_extensions",
        "loading",
        "zai.modalities",
        "google.speech_config",
        "anthropic.server_tools",
    ):
        assert any(f"{member}: not used here" in note for note in config.notes)


def test_a_file_may_name_its_schema(reader: Read) -> None:
    """K-24."""
    assert (
        reader({"$schema": "./llms.schema.json", "providers": {"a": SERVER}}, strict=True).warnings
        == ()
    )


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


def test_a_broken_edit_changes_nothing_that_was_read(
    reader: Read, specs: Specs, tmp_path: Path
) -> None:
    """K-25, SR-092: reading gives a complete new configuration, or raises an error."""
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
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
VALID: dict[str, st.SearchStrategy[Any]] = {
    "enabled": st.booleans(),
    "api_key": st.sampled_from(
        [MARK, "$MARKED", "${MARKED}", "$UNSET", "", f"$-{MARK}", f"{MARK}\n\u20ac"]
    ),
    "env": st.lists(st.sampled_from(["MARKED", "UNSET"])),
    "headers": st.dictionaries(
        st.sampled_from(["Authorization", "X-Api-Key", "api-key"]), st.just(f"Bearer {MARK}")
    ),
    "models": st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")),
    "default_pricing": st.just({"input": "1", "output": 0.00000001}),
    "temperature": st.floats(0, 2),
    "secret_key": st.sampled_from([MARK, "$MARKED", "$UNSET"]),
    "zones": st.just({"a": 1}),
    "curl": st.booleans(),
    "unheard-of": JSON,
}
UNUSUAL: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["OpenAiProvider", "GoogleProvider", "OllamaProvider", "Nobody"]),
    "npm": st.sampled_from(["@ai-sdk/openai-compatible", "ollama", "nobody"]),
    "api": st.sampled_from(
        ["http://localhost:1/v1", f"http://u:{MARK}@[::1", "ftp://x", f"http://x/{MARK}?"]
    ),
    "base_url": st.sampled_from(
        ["http://localhost:1", f"http://u:{MARK}@localhost:2", "http://x:99999", "x"]
    ),
    "api_key": st.lists(st.just(MARK)) | st.dictionaries(st.just(MARK), JSON, min_size=1),
    "headers": st.dictionaries(st.sampled_from(["a b", "X-Y"]), JSON | st.just(f"{MARK}\n")),
    "models": st.dictionaries(
        st.text(max_size=3), st.text(max_size=3) | st.fixed_dictionaries({"id": JSON})
    ),
    "map_models": st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
    "include_models": st.text("a(*[{9}", max_size=6),
    "pricing": st.dictionaries(
        st.text(max_size=3), st.fixed_dictionaries({"input": JSON, "output": JSON})
    ),
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
VALID_BLOCK = st.builds(
    dict.__or__, st.fixed_dictionaries({}, optional=VALID), st.sampled_from(KINDS)
)
UNUSUAL_BLOCK = st.builds(dict.__or__, VALID_BLOCK, st.fixed_dictionaries({}, optional=UNUSUAL))
VALID_FILE = st.fixed_dictionaries(
    {"providers": st.dictionaries(st.sampled_from(["groq", "z.ai", "mine"]), VALID_BLOCK)},
    optional={
        "version": st.sampled_from([2, 3]),
        "defaults": st.fixed_dictionaries(
            {}, optional={"headers": VALID["headers"], "text": st.just({})}
        ),
    },
)
UNUSUAL_FILE = st.fixed_dictionaries(
    {},
    optional={
        "version": JSON,
        "providers": st.dictionaries(st.text(max_size=4), UNUSUAL_BLOCK) | JSON,
        "defaults": st.fixed_dictionaries(
            {}, optional={"headers": JSON, "text": JSON, "limits": JSON}
        )
        | JSON,
        "limits": JSON,
        "auth": st.just({"enabled": True, "github": {"client_secret": MARK}}) | JSON,
        "other": JSON,
    },
)
UNUSUAL_BLOCKS = st.fixed_dictionaries(
    {"providers": st.dictionaries(st.sampled_from(["groq", "mine"]), UNUSUAL_BLOCK)}
)
FILES = st.one_of(
    VALID_FILE, UNUSUAL_BLOCKS, st.builds(dict.__or__, VALID_FILE, UNUSUAL_FILE), UNUSUAL_FILE
)


@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(config=FILES, strict=st.booleans())
def test_any_object_is_read_or_rejected_without_showing_a_key(
    reader: Read, config: dict[str, Any], strict: bool
) -> None:
    """K-05, K-24: neither the configuration nor the ConfigError contains a key."""
    try:
        read = reader(config, env={"MARKED": MARK}, strict=strict)
    except ConfigError as error:
        shown = f"{error} {error!r} {error.message} {error.hint}"
    else:
        shown = repr(read)
    assert MARK not in shown


@given(data=st.binary(max_size=60) | st.text('{}[]",:/\\u0019 \n', max_size=30).map(str.encode))
@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_read_or_rejected(reader: Read, data: bytes) -> None:
    """K-23."""
    with suppress(ConfigError):
        assert reader(data).path == "llms.json"
