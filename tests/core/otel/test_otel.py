"""Spans and metrics of a running gateway, as a collector receives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llms_core import __version__
from llms_core.otel import conventions
from llms_core.testing import ScriptedUpstream, completion, error, events
from tests.core.otel.conftest import Collector
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, first_alone, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

Ask = Callable[["Gateway"], Asking]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
OTEL = f"{NO_RETRIES}[otel]\n"
PROMPT = "a very private question"
PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def client(collector: Collector, served: Serve, upstream: ScriptedUpstream, asking: Ask) -> Asking:
    """A client of a gateway that the collector outlives."""
    return asking(served(first_alone(upstream), OTEL))


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def spans(collector: Collector, number: int) -> list[Span]:
    """The spans once there are so many, those of requests first."""
    until(lambda: len(collector.spans) >= number)
    assert len(collector.spans) == number
    return sorted(collector.spans, key=lambda span: span.kind != Span.SPAN_KIND_SERVER)


def test_a_request_and_its_attempt_are_spans(
    client: Asking, upstream: ScriptedUpstream, collector: Collector
) -> None:
    upstream.script(completion())
    response = client.chat()
    request, attempt = spans(collector, 2)
    assert (request.kind, attempt.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert (request.name, attempt.name) == ("chat m", "chat vendor/up-m")
    assert attempt.parent_span_id == request.span_id
    assert attempt.trace_id == request.trace_id
    assert request.start_time_unix_nano <= attempt.start_time_unix_nano
    assert attempt.end_time_unix_nano <= request.end_time_unix_nano
    of_request = attributes(request)
    assert of_request["llms.request.id"] == response.headers["x-request-id"]
    assert of_request["http.response.status_code"] == 200
    assert of_request["gen_ai.request.model"] == "m"
    assert of_request["gen_ai.response.model"] == "vendor/up-m"
    of_attempt = attributes(attempt)
    assert of_attempt["gen_ai.operation.name"] == "chat"
    assert of_attempt["gen_ai.usage.input_tokens"] == response.json()["usage"]["prompt_tokens"]
    assert of_attempt["server.address"] == "127.0.0.1"
    assert collector.resource["service.name"] == "llms"


def test_each_attempt_of_a_request_is_a_span(
    client: Asking, upstream: ScriptedUpstream, collector: Collector
) -> None:
    upstream.script(error(503))
    assert client.chat().status_code == 502
    request, attempt = spans(collector, 2)
    assert attributes(attempt)["error.type"] == "overloaded"
    assert attempt.status.code == request.status.code == Status.STATUS_CODE_ERROR


def test_a_request_without_an_attempt_is_a_span(client: Asking, collector: Collector) -> None:
    """The span of a request that is the client's fault is not an error."""
    client.chat({"traceparent": TRACEPARENT}, model="no such model")
    (request,) = spans(collector, 1)
    assert request.name == "chat unknown"
    assert attributes(request)["error.type"] == "404"
    assert request.status.code == Status.STATUS_CODE_UNSET
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)


def test_a_stream_has_the_time_to_its_first_chunk(
    client: Asking, upstream: ScriptedUpstream, collector: Collector
) -> None:
    upstream.script(events(chunk({"content": "a"}), chunk({"content": "b"}, "stop"), "[DONE]"))
    client.chunks()
    _, attempt = spans(collector, 2)
    assert attributes(attempt)["gen_ai.response.time_to_first_chunk"] > 0
    assert attributes(attempt)["gen_ai.request.stream"]


def test_the_trace_of_the_client_goes_on_at_the_provider(
    client: Asking, upstream: ScriptedUpstream, collector: Collector
) -> None:
    """With the attempt's own span as the parent. Baggage is not for providers."""
    upstream.script(completion())
    client.chat({"traceparent": TRACEPARENT, "tracestate": "vendor=1", "baggage": "user=ada"})
    request, attempt = spans(collector, 2)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    sent = upstream.requests[0].headers
    assert sent["traceparent"] == f"00-{TRACE}-{attempt.span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=1"
    assert "baggage" not in sent


def test_without_propagation_providers_learn_nothing(
    collector: Collector, served: Serve, upstream: ScriptedUpstream, asking: Ask
) -> None:
    upstream.script(completion())
    client = asking(served(first_alone(upstream), f"{OTEL}propagate = false\n"))
    client.chat({"traceparent": TRACEPARENT})
    assert spans(collector, 2)[0].trace_id.hex() == TRACE
    assert "traceparent" not in upstream.requests[0].headers


def test_an_unsampled_trace_is_not_sent(
    client: Asking, upstream: ScriptedUpstream, collector: Collector
) -> None:
    """The client decides, as OpenTelemetry's default sampler has it. The next request shows that none came before."""
    upstream.script(completion(), completion())
    client.chat({"traceparent": f"00-{TRACE}-{PARENT}-00"})
    client.chat()
    assert TRACE not in {span.trace_id.hex() for span in spans(collector, 2)}
    assert upstream.requests[0].headers["traceparent"].endswith("-00")


@pytest.mark.parametrize("header", ["no trace", f"00-{'0' * 32}-{PARENT}-01", "\xff", ""])
def test_an_invalid_traceparent_begins_a_new_trace(
    client: Asking, upstream: ScriptedUpstream, collector: Collector, header: str
) -> None:
    upstream.script(completion())
    assert client.http.post(
        "/v1/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        headers=[(b"traceparent", header.encode("latin-1"))],
    ).is_success
    request, _ = spans(collector, 2)
    assert request.parent_span_id == b""


def test_no_text_is_sent(client: Asking, upstream: ScriptedUpstream, collector: Collector) -> None:
    """Neither of prompts and answers, nor of a provider's errors, which quote them."""
    upstream.script(completion("a very private answer"), error(400, f"I refuse {PROMPT}"))
    for _ in range(2):
        client.chat(messages=[{"role": "user", "content": PROMPT}], user=PROMPT)
    sent = "".join(str(span) for span in spans(collector, 4))
    assert "private" not in sent


CALL = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CONVERSATION = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": PROMPT},
            {"type": "image_url", "image_url": {"url": PNG}},
        ],
    },
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call-1", "content": "rain"},
]


@pytest.mark.parametrize("stream", [False, True])
def test_texts_are_sent_on_request_alone(
    collector: Collector, served: Serve, upstream: ScriptedUpstream, asking: Ask, stream: bool
) -> None:
    """In the form of the conventions; of an image, only that there was one."""
    answer = events(
        chunk({"role": "assistant", "content": "It "}),
        chunk({"content": "rains."}, "stop"),
        "[DONE]",
    )
    upstream.script(answer if stream else completion("It rains."))
    client = asking(served(first_alone(upstream), f"{OTEL}content = true\n"))
    assert client.chat(messages=CONVERSATION, stream=stream).status_code == 200
    found = attributes(spans(collector, 2)[0])
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": PROMPT}, {"type": "image_url"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call-1", "name": "weather", "arguments": "{}"}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call-1", "response": "rain"}],
        },
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "It rains."}],
            "finish_reason": "stop",
        }
    ]


def test_the_metrics_of_requests_and_attempts(
    collector: Collector, served: Serve, upstream: ScriptedUpstream, asking: Ask
) -> None:
    usage = chunk({}, usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
    upstream.script(
        events(chunk({"content": "a"}), chunk({"content": "b"}, "stop"), usage, "[DONE]")
    )
    gateway = served(first_alone(upstream), OTEL)
    client = asking(gateway)
    client.chunks()
    for number in range(20):
        client.chat(model=f"hostile-{number}")
    gateway.stop()
    found = {metric.name: metric for metric in collector.metrics}
    assert found.keys() == {
        conventions.CLIENT_DURATION,
        conventions.CLIENT_TOKENS,
        conventions.CLIENT_FIRST_CHUNK,
        conventions.SERVER_DURATION,
        conventions.SERVER_FIRST_TOKEN,
        conventions.SERVER_PER_TOKEN,
    }
    tokens = {
        next(
            each.value.string_value for each in point.attributes if each.key == "gen_ai.token.type"
        ): point.sum
        for point in found[conventions.CLIENT_TOKENS].histogram.data_points
    }
    assert tokens == {"input": 7, "output": 3}
    models = {
        each.value.string_value
        for point in found[conventions.SERVER_DURATION].histogram.data_points
        for each in point.attributes
        if each.key == "gen_ai.request.model"
    }
    assert models == {"m", "unknown"}


def test_a_collector_that_is_gone_fails_no_request(
    served: Serve, upstream: ScriptedUpstream, asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    upstream.default = completion()
    client = asking(served(first_alone(upstream), OTEL))
    assert {client.chat().status_code for _ in range(20)} == {200}


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")]
)
def test_the_environment_switches_traces_off(
    collector: Collector,
    served: Serve,
    upstream: ScriptedUpstream,
    asking: Ask,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    upstream.script(completion())
    gateway = served(first_alone(upstream), OTEL)
    assert asking(gateway).chat().status_code == 200
    gateway.stop()
    assert collector.spans == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_SERVICE_NAME", "mine"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=a")],
)
def test_the_environment_names_the_service(
    collector: Collector,
    served: Serve,
    upstream: ScriptedUpstream,
    asking: Ask,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    upstream.script(completion())
    asking(served(first_alone(upstream), OTEL)).chat()
    spans(collector, 2)
    assert collector.resource["service.name"] == "mine"
    assert collector.resource["service.version"] == __version__


def test_an_exporter_that_is_not_installed_is_logged(
    collector: Collector,
    served: Serve,
    upstream: ScriptedUpstream,
    asking: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke-signals")
    upstream.script(completion())
    gateway = served(first_alone(upstream), OTEL)
    assert asking(gateway).chat().status_code == 200
    assert "the OpenTelemetry exporter 'smoke-signals' for traces is not installed" in gateway.log()


@pytest.mark.parametrize("settings", ["", "[otel]\nenabled = false\n"])
def test_it_is_off_unless_it_is_configured(
    collector: Collector, served: Serve, upstream: ScriptedUpstream, asking: Ask, settings: str
) -> None:
    upstream.script(completion())
    gateway = served(first_alone(upstream), NO_RETRIES + settings)
    asking(gateway).chat({"traceparent": TRACEPARENT})
    gateway.stop()
    assert collector.spans == []
    assert "traceparent" not in upstream.requests[0].headers
