"""Forms with files: sent on while they arrive, repeated while they fit the replay buffer, never taken for complete."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from llms_core.testing import Reply, ScriptedUpstream, Status, Wait, error, json_body

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

PATH = "/v1/audio/transcriptions"
TEXT = {"text": "Hello"}
SMALL_BUFFER = "[server]\nreplay_buffer = 4096\n[routing.retry]\nbase = 0.01\n"
LARGE = b"sound" * 50_000
BOUNDARY = b"a-boundary"
TYPE = "multipart/form-data; boundary=a-boundary"


def part(name: str, content: bytes, filename: str = "") -> bytes:
    file = f'; filename="{filename}"' if filename else ""
    head = f'--a-boundary\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--a-boundary--\r\n"


MODEL = part("model", b"m")
FILE = part("file", LARGE, "a.wav")


@pytest.fixture
def two(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
) -> tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]]:
    """Two providers of one model, and their configuration."""
    first = upstreams()
    second = upstreams()
    second.default = json_body(TEXT)
    return first, second, config_of(first=provider(first), second=provider(second))


def post(
    gateway: Gateway, content: bytes | Iterator[bytes], content_type: str = TYPE
) -> httpx.Response:
    headers = {"content-type": content_type}
    return httpx.post(f"{gateway.origin}{PATH}", content=content, headers=headers, timeout=20)


def error_of(response: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = response.json()["error"]
    return found


# Sent on


@pytest.mark.parametrize("engine", ["native", "httpx"])
@pytest.mark.parametrize("order", ["model first", "file first"])
def test_a_large_form_arrives_completely(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
    order: str,
    engine: str,
) -> None:
    upstream.default = json_body(TEXT)
    gateway = served(
        config_of(first=provider(upstream)), f'{SMALL_BUFFER}[upstream]\nengine = "{engine}"\n'
    )
    parts = (MODEL, FILE) if order == "model first" else (FILE, MODEL)
    assert post(gateway, form(*parts)).json() == TEXT
    assert upstream.requests[0].body == form(*parts).replace(b"\r\nm\r\n", b"\r\nup-m\r\n")
    assert upstream.requests[0].headers["content-type"] == TYPE


def test_a_form_is_sent_on_while_it_arrives(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> None:
    """The client sends the end of its form only when the provider has the beginning."""
    seen = threading.Event()
    pieces: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while not pieces or b"--a-boundary--" not in b"".join(pieces):
                    pieces.append(connection.recv(65536))
                    if b"sound" in b"".join(pieces):
                        seen.set()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nHi"
                )
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        gateway = served(config_of(first=provider(url)), SMALL_BUFFER)

        def content() -> Iterator[bytes]:
            yield MODEL + FILE[:100_000]
            assert seen.wait(10)
            yield FILE[100_000:] + b"--a-boundary--\r\n"

        response = post(gateway, content())
        assert response.text == "Hi"
        assert response.headers["content-type"] == "text/plain"


def test_a_late_field_that_changes_nothing_is_accepted(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, _, config = two
    first.default = json_body(TEXT)
    assert (
        post(served(config, SMALL_BUFFER), form(MODEL, FILE, part("stream", b"False"))).json()
        == TEXT
    )


def test_a_form_whose_model_is_empty_is_for_the_default_model(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> None:
    upstream.default = json_body(TEXT)
    gateway = served(config_of(first=provider(upstream, {"whisper-1": "up-whisper"})))
    assert post(gateway, form(part("model", b""), FILE)).json() == TEXT
    assert b"\r\nup-whisper\r\n" in upstream.requests[0].body


# Failover


@pytest.mark.parametrize(
    "fault", [error(503), Reply(Status(401)), json_body({"error": {"message": "busy"}})]
)
def test_a_form_that_fits_the_buffer_is_sent_to_the_next_provider(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve, fault: Reply
) -> None:
    first, second, config = two
    first.default = fault
    response = post(served(config), form(MODEL, FILE))
    assert response.json() == TEXT
    assert response.headers["x-llms-provider"] == "second"
    assert second.requests[0].body == first.requests[0].body


def test_a_form_in_a_temporary_file_is_sent_to_the_next_provider(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, second, config = two
    first.default = error(503)
    assert post(served(config, SMALL_BUFFER), form(FILE, MODEL)).json() == TEXT
    assert second.requests[0].body == first.requests[0].body


def test_a_form_that_does_not_fit_the_buffer_is_not_and_the_error_says_so(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, second, config = two
    first.default = error(503, "Overloaded")
    response = post(served(config, SMALL_BUFFER), form(MODEL, FILE))
    assert response.status_code == 502
    assert "Overloaded" in error_of(response)["message"]
    assert "replay_buffer" in error_of(response)["message"]
    assert len(first.requests) == 1
    assert second.requests == []


def test_a_provider_that_cannot_be_reached_costs_nothing(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    """Nothing of the form has been sent, so however large it is, the next provider gets it."""
    _, second, config = two
    config["providers"]["first"]["base_url"] = "http://127.0.0.1:1/v1"
    assert post(served(config, SMALL_BUFFER), form(MODEL, FILE)).json() == TEXT
    assert len(second.requests) == 1


# Refused


@pytest.mark.parametrize(
    ("content", "content_type", "status", "message"),
    [
        (b"{}", "application/json", 415, "must be a form"),
        (b"{}", TYPE, 400, "The form"),
        (form(MODEL, MODEL), TYPE, 400, "'model' once"),
        (form(part("model", b"unknown"), FILE), TYPE, 404, "'unknown' not found"),
        (form(FILE), TYPE, 404, "'whisper-1' not found"),
        (form(MODEL, FILE)[:-30], TYPE, 400, "last boundary"),
        (
            form(MODEL, FILE, part("stream", b"true")),
            TYPE,
            400,
            "'stream' must come before the file",
        ),
    ],
)
def test_an_invalid_form_is_refused(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]],
    served: Serve,
    content: bytes,
    content_type: str,
    status: int,
    message: str,
) -> None:
    first, second, config = two
    response = post(served(config, SMALL_BUFFER), content, content_type)
    assert response.status_code == status
    assert message in error_of(response)["message"]
    assert first.requests == second.requests == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_form_over_the_limit_is_refused(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve, announced: bool
) -> None:
    first, _, config = two
    gateway = served(config, "[server]\nmax_upload = 10000\n")
    data = form(MODEL, FILE)
    response = post(gateway, data if announced else iter([data[:5000], data[5000:]]))
    assert response.status_code == 413
    assert "exceeds 10000 bytes" in error_of(response)["message"]
    assert first.requests == []


def test_a_form_that_stalls_is_refused(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, _, config = two
    gateway = served(config, "[server]\nbody_timeout = 0.2\nreplay_buffer = 4096\n")
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(_head(len(form(MODEL, FILE))) + MODEL + FILE[:50_000])
        connection.settimeout(10)
        answer = connection.recv(65536)
    assert b"HTTP/1.1 408" in answer
    assert b"Nothing of the form arrived for 0.2 s" in answer
    assert first.requests == []


def test_a_provider_is_not_blamed_for_a_client_that_is_slow(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, second, config = two
    gateway = served(config, "[server]\nreplay_buffer = 4096\n[timeouts]\ntotal = 0.4\n")
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(_head(len(form(MODEL, FILE))) + MODEL + FILE[:50_000])
        connection.settimeout(10)
        answer = connection.recv(65536)
    assert b"HTTP/1.1 408" in answer
    assert b"took too long to send its form" in answer
    assert first.requests == second.requests == []
    circuits = httpx.get(f"{gateway.origin}/ready").json()["circuits"]
    assert [circuit["failures"] for circuit in circuits] == [0]


def test_without_room_for_a_file_the_model_has_to_come_first(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]],
    served: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, _, config = two

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_space)
    response = post(served(config, SMALL_BUFFER), form(FILE, MODEL))
    assert response.status_code == 400
    assert error_of(response)["param"] == "model"
    assert "must come before the file" in error_of(response)["message"]


# Cut off


def _head(length: int) -> bytes:
    lines = [
        f"POST {PATH} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-type: {TYPE}",
        f"content-length: {length}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("cut", [1, 60, 1000, 50_000, 200_000, len(form(MODEL, FILE)) - 1])
def test_a_client_that_leaves_cuts_the_request_to_the_provider(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve, cut: int
) -> None:
    first, second, config = two
    gateway = served(config, SMALL_BUFFER)
    data = form(MODEL, FILE)
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(_head(len(data)) + data[:cut])
    # The next request is served, and is the first one that a provider has read completely.
    second.default = first.default = json_body(TEXT)
    assert post(gateway, data).json() == TEXT
    assert [seen.body.endswith(b"--a-boundary--\r\n") for seen in first.requests] == [True]
    assert second.requests == []


def test_what_was_kept_of_a_form_is_released(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    """Sixteen times the buffer is for all forms together: more of them than that, one after the other, are kept."""
    first, _, config = two
    first.default = error(503)
    gateway = served(
        config, "[server]\nreplay_buffer = 300000\n[routing.breaker]\nfailures = 100\n"
    )
    for _ in range(20):
        assert post(gateway, form(MODEL, FILE)).headers["x-llms-provider"] == "second"


def test_forms_beyond_the_shared_memory_are_sent_on_without_being_kept(
    two: tuple[ScriptedUpstream, ScriptedUpstream, dict[str, Any]], served: Serve
) -> None:
    first, second, config = two
    release = threading.Event()
    first.default = Reply(Wait(release), json_body(TEXT))
    gateway = served(config, "[server]\nreplay_buffer = 4096\n")
    content = form(MODEL, part("file", b"s" * 3000, "a.wav"))
    threads = [threading.Thread(target=post, args=(gateway, content)) for _ in range(30)]
    for thread in threads:
        thread.start()
    first.wait_for_request(30)
    release.set()
    for thread in threads:
        thread.join()
    assert {seen.body for seen in first.requests} == {
        content.replace(b"\r\nm\r\n", b"\r\nup-m\r\n")
    }
    assert second.requests == []
