"""Templates of a provider whose API speaks OpenAI's JSON, and takes tokens for which a key is exchanged."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind
from llms_core.cli.scaffold.provider import CONFORMANCE_TEST, DESCRIPTION, USE

_MODULE = '''"""$title, whose API speaks OpenAI's JSON, but takes tokens for which a key is exchanged.

The exchange below is invented: replace it by the real one.

    POST {token_url}
    {"key": "..."}
    -> {"access_token": "...", "expires_in": 3600}
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret


class ${class_name}Settings(ProviderSettings, kw_only=True):
    """The provider's block in llms.json: the usual members, and one of its own."""

    #: Where keys are exchanged.
    token_url: str = "https://login.$name.example/token"


class _Token(msgspec.Struct):
    access_token: str
    #: In seconds.
    expires_in: float


class $class_name(OpenAICompatible):
    """The adapter. It inherits everything but the token."""

    def __init__(self, spec: ProviderSpec, settings: ${class_name}Settings) -> None:
        super().__init__(spec, settings)
        self._token_url = settings.token_url
        self._token: Secret | None = None

    async def prepare(self, http: AdapterHttp) -> float:
        """Exchange the key for a token. Returns for how many seconds it is good.

        The gateway calls this once for all requests that wait for it, again before the time is over, and again if the
        provider refuses the token.
        """
        if self.api_key is None:
            raise ProviderError(ErrorKind.AUTH, "A key is needed: set $key_env")
        request = UpstreamRequest(
            url=self._token_url,
            headers={"content-type": "application/json"},
            content=msgspec.json.encode({"key": self.api_key.reveal()}),
        )
        # `json` raises ProviderError for an error, and for anything that is no token.
        token = (await http.send(request)).json(_Token)
        # Masked in the log and in errors from now on.
        self._token = http.secret(token.access_token)
        return token.expires_in

    def headers(self) -> dict[str, str]:
        """Return the headers of every request, with the token in place of the key."""
        headers = super().headers()
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.reveal()}"
        return headers


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    """Register the provider."""
    yield ProviderSpec(
        name="$name",
        title="$title",
        adapter=$class_name,
        settings=${class_name}Settings,
        base_url="https://api.$name.example/v1",
        key_env=("$key_env",),
        wire="${module}_wire:WIRE",
    )
'''

_WIRE = '''"""What $title answers, for the conformance suite: OpenAI's answers, and a token."""

from dataclasses import replace

from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.wire import TokenExample

WIRE = replace(
    OPENAI,
    token=TokenExample(
        whole={"access_token": "$$TOKEN", "expires_in": 3600},
        path="/token",
        setting="token_url",
        lasts=3600,
    ),
)
'''

TOKEN = Kind(
    files={
        "$module.py": _MODULE,
        "${module}_wire.py": _WIRE,
        "tests/test_$module.py": CONFORMANCE_TEST,
    },
    use=USE,
    next_step="""\
`prepare` in `$module.py` makes an invented exchange. Replace it by that of $title, and the token in
`${module}_wire.py` by what $title answers; the tests use it.""",
    description=DESCRIPTION,
    imports_msgspec=True,
    is_provider=True,
)
