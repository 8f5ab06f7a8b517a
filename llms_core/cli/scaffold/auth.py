"""Templates of a plugin that identifies callers."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind

_MODULE = '''"""$title: identifies the callers of the gateway.

The example knows a list of tokens. Replace `find` by a question to your own database or identity provider.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from llms_core import RequestError, hookimpl
from llms_core.plugins.settings import PluginSettings
from llms_core.records import Caller


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.$name]` of plugins.toml."""

    #: The name of each caller -> the SHA-256 of its token, in hexadecimal digits.
    tokens: dict[str, str]


class $class_name:
    """Finds out whose token it is."""

    def __init__(self, settings: Settings) -> None:
        self._names = {digest.lower(): name for name, digest in settings.tokens.items()}

    async def find(self, token: str) -> str | None:
        """Return the name of the caller with this token; None if there is none.

        It may ask another server, for as long as `[server] authenticate_timeout` allows. It runs for every request, so
        remember the answers for a while.
        """
        # The digest is compared instead of the token, so that the time it takes tells nothing about a token.
        return self._names.get(hashlib.sha256(token.encode()).hexdigest())


_found: list[$class_name] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read the settings. Raises ConfigError, with the file and the key, if they are invalid."""
    _found[:] = [$class_name(settings.decode(Settings))]


@hookimpl
async def llms_authenticate(headers: Mapping[str, str]) -> Caller | None:
    """Identify the caller. None means that another plugin, or the keys of plugins.toml, may know it."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    name = await _found[0].find(token)
    if name is None:
        return None
    if name == "blocked":
        raise RequestError("This account is blocked", status=403, type="permission_error", code="account_blocked")
    return Caller(name)
'''

_TEST = '''"""$title in a running gateway, in front of a scripted provider."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from llms_core.testing import ScriptedUpstream, completion
from llms_core.testing.serve import Served, serve

TOKENS = {"alice": "token-of-alice", "blocked": "token-of-somebody-else"}
DIGESTS = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
LINES = [f'{name} = "{digest}"' for name, digest in DIGESTS.items()]
# Other plugins of this environment do not take part.
ONLY = "[plugins]\\nallow = ['$distribution']"
SETTINGS = "\\n".join([ONLY, "[plugin.$name.tokens]", *LINES])


@pytest.fixture(scope="module")
def gateway() -> Iterator[Served]:
    with ScriptedUpstream() as upstream:
        upstream.default = completion("Hi!")
        block = {"type": "openai-compatible", "base_url": upstream.base_url, "models": ["m"]}
        with serve({"providers": {"scripted": block}}, SETTINGS) as served:
            yield served


def ask(gateway: Served, token: str | None) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)


def test_a_known_token_is_let_in(gateway: Served) -> None:
    assert ask(gateway, TOKENS["alice"]).status_code == 200


@pytest.mark.parametrize("token", [None, "wrong", TOKENS["alice"] + "x"])
def test_nobody_else_is_let_in(gateway: Served, token: str | None) -> None:
    assert ask(gateway, token).status_code == 401


def test_a_blocked_caller_is_told_why(gateway: Served) -> None:
    response = ask(gateway, TOKENS["blocked"])
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "account_blocked"
'''

_USE = """\
As soon as it is installed, the gateway answers nobody who is not identified. Its settings are a table of
`plugins.toml`:

```toml
[plugin.$name.tokens]
alice = "…"    # printf %s "$$TOKEN" | sha256sum
```

Callers send `Authorization: Bearer TOKEN`. The gateway does not start while the plugin cannot be loaded.
"""

AUTH = Kind(
    files={"$module.py": _MODULE, "tests/test_$module.py": _TEST},
    use=_USE,
    next_step="Replace the example in `$module.py` by what $title does: see llms-core's docs/authenticate-callers.md.",
    description="$title as a way to identify callers of llms-core",
    imports_msgspec=True,
)
