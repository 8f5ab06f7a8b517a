"""`POST /v1/completions`: the legacy way to ask, a shim over chat (SR-069e)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms_core.testing import Close, Reply, ScriptedUpstream, completion, error, events
from tests.core.server.conftest import TEXT, UPSTREAM_ID, Asking, chunk, data_of, error_of, whole


def prompted(ask: Asking, **members: object) -> Any:
    """The answer to a prompt."""
    response = ask.post({"model": "m", "prompt": "Say hello", **members}, TEXT)
    assert response.status_code == 200, response.text
    return response.json()


def streamed(ask: Asking, **members: object) -> list[str]:
    """The data of every event."""
    response = ask.post({"model": "m", "prompt": "Say hello", "stream": True, **members}, TEXT)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    return data_of(response.text)


def test_sr_069e_a_prompt_becomes_a_users_message(ask: Asking, first: ScriptedUpstream) -> None:
    prompted(ask)
    assert first.requests[0].path == "/v1/chat/completions"
    assert first.requests[0].json == {
        "model": UPSTREAM_ID,
        "messages": [{"role": "user", "content": "Say hello"}],
    }


def test_sr_069e_a_list_of_one_prompt(ask: Asking, first: ScriptedUpstream) -> None:
    prompted(ask, prompt=["Say hello"])
    assert first.requests[0].json["messages"] == [{"role": "user", "content": "Say hello"}]


def test_sr_069e_the_answer_is_a_text_completion(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-069e, SR-045: the model's local name; usage as the provider counts it."""
    first.default = whole(
        {"role": "assistant", "content": "Hello there"}, "length", system_fingerprint="fp_1"
    )
    assert prompted(ask) == {
        "id": "chatcmpl-up",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [
            {"index": 0, "text": "Hello there", "logprobs": None, "finish_reason": "length"}
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        "system_fingerprint": "fp_1",
    }


def test_sr_069e_every_choice_is_kept(ask: Asking, first: ScriptedUpstream) -> None:
    choices = [
        {
            "index": number,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        for number, text in enumerate(["a", "b"])
    ]
    first.default = whole(choices=choices)
    assert [(one["index"], one["text"]) for one in prompted(ask, n=2)["choices"]] == [
        (0, "a"),
        (1, "b"),
    ]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant"}, ""),
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
    ],
)
def test_sr_069e_an_answer_without_content_is_its_refusal_or_an_empty_text(
    ask: Asking, first: ScriptedUpstream, message: dict[str, object], text: str
) -> None:
    first.default = whole(message)
    assert prompted(ask)["choices"][0]["text"] == text


def test_sr_069e_parameters_of_a_chat_pass(ask: Asking, first: ScriptedUpstream) -> None:
    members = {
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["\n"],
        "seed": 1,
        "user": "u",
        "of_a_vendor": [1],
    }
    prompted(ask, **members)
    sent = first.requests[0].json
    assert {name: sent[name] for name in members} == members


def test_sr_069e_what_only_the_legacy_endpoint_knows_goes_no_further(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """Values that ask for nothing are no reason to refuse, and no provider's chat knows the names."""
    prompted(ask, suffix=None, echo=False, best_of=1, logprobs=None)
    assert first.requests[0].json.keys() == {"model", "messages"}


def test_sr_069e_a_message_of_the_clients_is_not_the_prompt(
    ask: Asking, first: ScriptedUpstream
) -> None:
    prompted(ask, messages=[{"role": "system", "content": "x"}])
    assert first.requests[0].json["messages"] == [{"role": "user", "content": "Say hello"}]


def test_sr_069e_a_stream(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-069e, SR-053, SR-054: text where a chat has deltas; ends with one `[DONE]`."""
    first.default = completion("Hello there")
    *data, last = streamed(ask)
    chunks = [json.loads(one) for one in data]
    assert last == "[DONE]"
    assert "".join(one["choices"][0]["text"] for one in chunks) == "Hello there"
    assert {(one["object"], one["model"]) for one in chunks} == {("text_completion", "m")}
    assert len({(one["id"], one["created"]) for one in chunks}) == 1
    assert [one["choices"][0]["finish_reason"] for one in chunks][-1] == "stop"
    assert all("delta" not in one["choices"][0] for one in chunks)


def test_sr_055_a_stream_with_usage(ask: Asking) -> None:
    *_, usage, _ = streamed(ask, stream_options={"include_usage": True})
    assert json.loads(usage)["choices"] == []
    assert json.loads(usage)["usage"]["total_tokens"] == 10


def test_sr_058_a_stream_that_breaks_off(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = Reply(events(chunk({"role": "assistant", "content": "Half"})), Close())
    begun, last = (json.loads(one) for one in streamed(ask))
    assert begun["choices"][0]["text"] == "Half"
    assert last.keys() == {"error"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 1}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"model": 1}, "model"),
        ({"model": ""}, "model"),
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"echo": "yes"}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 1}, "logprobs"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_sr_069e_what_no_chat_can_do_is_refused(
    ask: Asking, first: ScriptedUpstream, members: dict[str, object], param: str
) -> None:
    """Rather than answered as if it had not been asked for."""
    response = ask.post({"model": "m", "prompt": "Say hello", **members}, TEXT)
    assert response.status_code == 400
    fault = error_of(response)
    assert (fault["type"], fault["param"]) == ("invalid_request_error", param)
    assert first.requests == []


@pytest.mark.parametrize(
    ("body", "param"), [({"prompt": "x"}, "model"), ({"model": "m"}, "prompt")]
)
def test_sr_069e_a_member_that_is_missing(ask: Asking, body: dict[str, object], param: str) -> None:
    response = ask.post(body, TEXT)
    assert response.status_code == 400
    assert error_of(response)["param"] == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{bad",
        b'{"model":"m","prompt":"\xff"}',
        b"[" * 20_000,
        b'{"model":"m","prompt":"x","y":"\xff"}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_sr_030_a_body_that_is_no_json_object(ask: Asking, body: bytes) -> None:
    response = ask.post(body, TEXT)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


def test_sr_061_a_model_that_nobody_has(ask: Asking) -> None:
    response = ask.post({"model": "unknown-model", "prompt": "x"}, TEXT)
    assert response.status_code == 404
    assert (
        response.json()["error"]["message"]
        == "Model 'unknown-model' not found in any enabled provider"
    )


def test_sr_063_every_provider_failed(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = error(500)
    response = ask.post({"model": "m", "prompt": "x"}, TEXT)
    assert response.status_code == 502
    assert error_of(response)["code"] == "provider_error"
    [attempt] = response.json()["attempts"]
    assert (attempt["provider"], attempt["kind"], attempt["status"]) == ("first", "overloaded", 500)
