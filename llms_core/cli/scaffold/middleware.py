"""Templates of a plugin with middleware."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind

_MODULE = '''"""$title: middleware around every request.

The example refuses long prompts, and tells the client how many characters the prompt had. Replace both.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from llms_core import RequestError, hookimpl
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatRequest
from llms_core.middleware import Answered, Call, Forward, Middleware
from llms_core.plugins.settings import PluginSettings


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.$name]` of plugins.toml."""

    #: The longest prompt, in characters.
    max_characters: int = 100_000


class $class_name:
    """The middleware. One object serves all requests, also at the same time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Answer a call: refuse it, change it, or forward it. Runs once for each request."""
        if call.operation.name != "chat":
            # The requests of other operations, such as embeddings, have other members.
            return await forward(call)
        characters = _length(call.request)
        if characters > self._settings.max_characters:
            message = f"The prompt has {characters} characters; the limit is {self._settings.max_characters}"
            raise RequestError(message, status=413, code="prompt_too_long", param="messages")
        answered = await forward(call)
        return answered.with_headers({"x-prompt-characters": str(characters)})


def _length(request: ChatRequest) -> int:
    return sum(len(text_of(message.content)) for message in request.messages)


_middleware: list[Middleware] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read the settings. Raises ConfigError, with the file and the key, if they are invalid."""
    _middleware[:] = [$class_name(settings.decode(Settings))]


@hookimpl
def llms_middleware() -> Iterable[Middleware]:
    """Return what is put around requests."""
    return _middleware
'''

_TEST = '''"""$title in a running gateway, in front of a scripted provider."""

from collections.abc import Iterator

import httpx
import pytest
from llms_core.testing import ScriptedUpstream, completion
from llms_core.testing.serve import Served, serve

# Other plugins of this environment do not take part.
ONLY = "[plugins]\\nallow = ['$distribution']\\n"
SETTINGS = ONLY + "[plugin.$name]\\nmax_characters = 10"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Served]:
    with ScriptedUpstream() as upstream:
        upstream.default = completion("Hi!")
        block = {"type": "openai-compatible", "base_url": upstream.base_url, "models": ["m"]}
        with serve({"providers": {"scripted": block}}, SETTINGS) as served:
            yield served


def ask(gateway: Served, prompt: str, *, stream: bool = False) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    return httpx.post(f"{gateway.base_url}/chat/completions", json=body)


@pytest.mark.parametrize("stream", [False, True])
def test_a_short_prompt_is_answered(gateway: Served, stream: bool) -> None:
    response = ask(gateway, "Hello!", stream=stream)
    assert response.status_code == 200
    assert response.headers["x-prompt-characters"] == "6"


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_prompt_is_refused(gateway: Served, stream: bool) -> None:
    response = ask(gateway, "Hello, world!", stream=stream)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "prompt_too_long"
'''

_USE = """\
It is in use as soon as it is installed. Its settings are a table of `plugins.toml`:

```toml
[plugin.$name]
max_characters = 20000
```
"""

MIDDLEWARE = Kind(
    files={"$module.py": _MODULE, "tests/test_$module.py": _TEST},
    use=_USE,
    next_step="Replace the example in `$module.py` by what $title does: see llms-core's docs/middleware.md.",
    description="$title as middleware for llms-core",
    imports_msgspec=True,
)
