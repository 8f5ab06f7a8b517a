"""The provider under test, its Wire, and the encoding of its events."""

from __future__ import annotations

from pathlib import Path

import pytest

from llms_core.errors import ConfigError
from llms_core.testing import wire as wires
from llms_core.testing.framing import encode_events
from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.subject import Subject, find
from llms_core.upstream.aws_event_stream import EventStreamMessages

#: An adapter that does not derive from OpenAICompatible, and whose spec names no Wire.
PLUGIN_WITHOUT_WIRE = """
from llms_core import hookimpl
from llms_core.provider import ProviderSpec

class Acme:
    def __init__(self, spec, settings):
        pass
    request = completion = chunks = error = print

@hookimpl
def llms_providers():
    return [ProviderSpec(name="acme", adapter=Acme, title="Acme", base_url="https://api.acme.test/v1")]
"""


@pytest.fixture
def subject() -> Subject:
    return find("groq", None)


def test_each_subject_has_its_own_key(subject: Subject) -> None:
    assert subject.key != find("groq", None).key
    assert subject.key in subject.request().headers["authorization"]


def test_adapter_does_not_see_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    subject = find("bedrock", None)
    assert "AKIAREAL" not in subject.request().headers["authorization"]


def test_core_reads_the_encoded_aws_messages() -> None:
    events = [
        ("contentBlockDelta", {"a": "ü"}),
        ("exception:throttlingException", {"message": "x"}),
    ]
    encoded = b"".join(encode_events(events, "aws"))
    assert EventStreamMessages().feed(encoded) == [
        ("contentBlockDelta", '{"a":"ü"}'.encode()),
        ("exception:throttlingException", b'{"message":"x"}'),
    ]


def test_indented_sse_data_spans_several_lines() -> None:
    assert encode_events([("tick", {"a": 1}), "[DONE]", b": as it is\n\n"], "sse", indent=True) == [
        b'event: tick\ndata: {\ndata:  "a": 1\ndata: }\n\n',
        b"data: [DONE]\n\n",
        b": as it is\n\n",
    ]


def test_wire_is_imported_by_name() -> None:
    assert wires.load("llms_core.testing.openai_wire:OPENAI") is OPENAI


@pytest.mark.parametrize(
    "name", ["nowhere", ":WIRE", "llms_core.nowhere:WIRE", "llms_core.errors:ErrorKind"]
)
def test_name_that_is_not_a_wire_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        wires.load(name)


def test_provider_with_its_own_protocol_needs_a_wire(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(PLUGIN_WITHOUT_WIRE, "utf-8")
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["acme.py"]\n', "utf-8")
    with pytest.raises(ConfigError, match=r"ProviderSpec\.wire"):
        find("acme", tmp_path / "plugins.toml")
