"""A machine that is out of file descriptors or ports: the client gets a 503, and no provider is blamed."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING

import pytest

from llms_core.errors import RequestError
from llms_core.provider import UpstreamRequest
from llms_core.testing import ScriptedUpstream
from llms_core.upstream import local_limits
from llms_core.upstream.local_limits import local_limit, refine_connect_error
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk


@pytest.fixture(autouse=True)
def nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_limits, "_last_logged", float("-inf"))


def no_descriptor(*_: object, **__: object) -> socket.socket:
    raise OSError(errno.EMFILE, "Too many open files")


def test_no_file_descriptor_is_a_503(
    talk: Talk,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Logged once, however many requests fail."""

    async def work(transport: HttpTransport) -> None:
        request = UpstreamRequest(url=upstream.base_url, headers={}, content=b"{}")
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(socket, "socket", no_descriptor)
        monkeypatch.setattr(loop, "create_connection", no_descriptor)
        try:
            for _ in range(3):
                with pytest.raises(RequestError, match="Too many open files") as caught:
                    await transport.send(request, 5)
                assert (caught.value.status, caught.value.code) == (503, "overloaded")
        finally:
            monkeypatch.undo()

    with caplog.at_level(logging.ERROR, local_limits.__name__):
        talk(work)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_the_cause_is_found_behind_other_exceptions(code: int) -> None:
    group = ExceptionGroup(
        "all failed", [OSError(errno.ECONNREFUSED, "refused"), OSError(code, "exhausted")]
    )
    error = ConnectionError("all connection attempts failed")
    error.__cause__ = group
    found = local_limit(error)
    assert found is not None
    assert found.status == 503


@pytest.mark.parametrize(
    "code", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ETIMEDOUT]
)
def test_other_errors_are_the_providers(code: int) -> None:
    assert local_limit(OSError(code, "no")) is None


def test_a_name_that_does_not_exist_is_the_providers() -> None:
    assert local_limit(socket.gaierror(socket.EAI_NONAME, "unknown")) is None


def test_a_resolver_without_file_descriptors_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", no_descriptor)
    assert local_limit(socket.gaierror(socket.EAI_AGAIN, "try again")) is not None


class Unreachable(socket.socket):
    """A socket on a machine that has no address to connect from."""

    def connect(self, address: object, /) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")


def test_no_local_port_is_distinguished_from_no_local_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are EADDRNOTAVAIL."""
    error = OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
    assert local_limit(refine_connect_error(error, socket.AF_INET, ("127.0.0.1", 80))) is not None
    monkeypatch.setattr(socket, "socket", Unreachable)
    assert local_limit(refine_connect_error(error, socket.AF_INET, ("127.0.0.1", 80))) is None
