"""Templates of a plugin that observes requests."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind

_MODULE = '''"""$title: observes every request.

The example writes one line of JSON for each request to a file. Replace `_write` by what you do with the records.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from llms_core import hookimpl
from llms_core.plugins.settings import PluginSettings
from llms_core.records import RequestRecord

# More are not kept if the disk is slower than the requests: a gateway must not run out of memory.
_MAX_WAITING = 10_000


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.$name]` of plugins.toml."""

    #: Where the lines are appended.
    file: str


class $class_name:
    """Writes records in a thread, because hooks run in the event loop, where nothing may wait for a disk."""

    def __init__(self, settings: Settings) -> None:
        self._path = Path(settings.file).expanduser()
        self._waiting: queue.Queue[RequestRecord | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name="$name")
        self.lost = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def add(self, record: RequestRecord) -> None:
        """Take a record, without waiting."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.lost += 1

    def _write(self) -> None:
        with self._path.open("ab") as file:
            while (record := self._waiting.get()) is not None:
                file.write(msgspec.json.encode(record) + b"\\n")
                file.flush()


_observers: list[$class_name] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read the settings. Raises ConfigError, with the file and the key, if they are invalid."""
    _observers.clear()
    if settings.is_given:
        _observers.append($class_name(settings.decode(Settings)))


@hookimpl
@asynccontextmanager
async def llms_lifespan() -> AsyncIterator[None]:
    """Run as long as a server process does."""
    for observer in _observers:
        observer.start()
    yield
    for observer in _observers:
        observer.stop()


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    """Observe one finished request. Called once for each, also for those that failed or were cancelled."""
    for observer in _observers:
        observer.add(record)
'''

_TEST = '''"""$title in a running gateway, in front of a scripted provider."""

import json
from pathlib import Path

import httpx
from llms_core.testing import ScriptedUpstream, completion, error
from llms_core.testing.serve import serve

# Other plugins of this environment do not take part.
ONLY = "[plugins]\\nallow = ['$distribution']\\n"


def test_each_request_is_a_line(tmp_path: Path) -> None:
    """Answered or not; what is waiting is written before the gateway ends."""
    file = tmp_path / "requests.jsonl"
    settings = f"{ONLY}[plugin.$name]\\nfile = {json.dumps(str(file))}"
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
    with ScriptedUpstream() as upstream:
        block = {"type": "openai-compatible", "base_url": upstream.base_url, "models": ["m"]}
        with serve({"providers": {"scripted": block}}, settings) as gateway:
            for reply in (completion("Hi!"), error(400)):
                upstream.default = reply
                httpx.post(f"{gateway.base_url}/chat/completions", json=body)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["status"] for record in records] == [200, 400]
    assert records[0]["provider"] == "scripted"
    assert records[0]["usage"]["completion_tokens"] > 0
    assert records[1]["attempts"][0]["kind"] == "invalid_request"


def test_it_does_nothing_without_settings() -> None:
    with serve({"providers": {}}, ONLY) as gateway:
        assert httpx.get(f"{gateway.origin}/health").status_code == 200
'''

_USE = """\
It does nothing until `plugins.toml` has its table:

```toml
[plugin.$name]
file = "~/requests.jsonl"
```
"""

OBSERVER = Kind(
    files={"$module.py": _MODULE, "tests/test_$module.py": _TEST},
    use=_USE,
    next_step="Replace the example in `$module.py` by what $title does: see llms-core's docs/observe-requests.md.",
    description="$title as an observer of llms-core",
    imports_msgspec=True,
)
