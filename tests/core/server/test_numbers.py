"""Numbers that JSON allows and no decoder takes: the client's mistake, and no failure of a provider or its adapter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llms_core.testing import ScriptedUpstream
from tests.conftest import Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, error_of


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
@pytest.mark.parametrize("type_", ["anthropic", "google"])
def test_a_number_that_an_adapter_cannot_read_is_an_invalid_request(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    upstream: ScriptedUpstream,
    type_: str,
    number: bytes,
) -> None:
    block = {
        "type": type_,
        "base_url": upstream.origin,
        "api_key": "k",
        "models": {"m": "some-model"},
    }
    client = asking(served({"providers": {"first": block}}, NO_RETRIES))
    tool = (
        b'{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "maxLength": %b}}}'
        % number
    )
    members = b'"tools": [%b], "metadata": %b' % (tool, number)
    refused = client.post(
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], %b}' % members
    )
    assert refused.status_code == 400, refused.text
    assert "cannot read" in error_of(refused)["message"]
    assert "Traceback" not in client.gateway.log()
    assert not upstream.requests
