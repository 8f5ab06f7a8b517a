"""A session of an agent: a scripted model, a gateway before it, and a project to work on."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripted_model import Conversation, Protocol, ScriptedModel

from llms_core.testing import Reply, ScriptedUpstream, Seen
from tests.agents.agent import Agent
from tests.core.server.conftest import NO_RETRIES, Pair, running, until

KEY = "sk-marked-of-agents"

#: A picture of one pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

#: Seconds that an agent may take for one prompt.
TIMEOUT = 120.0

#: A plugin that writes each record of a request to a file, one a line.
_RECORDER = """
from pathlib import Path

import msgspec

from llms_core import hookimpl


@hookimpl
def llms_request_finished(record):
    with Path({path!r}).open("ab") as file:
        file.write(msgspec.json.encode(record) + b"\\n")
"""

#: Whatever an agent might try to reach besides the gateway fails at once.
_ONLY_LOOPBACK = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}

# The prompts of a session. Each begins a script of the model.

TASK = "Work on all parts of the task."
"""The agent calls tools in parallel, of which one fails; looks at a picture; patches a file; asks a sub-agent."""

SUBTASK = "Count the files, and report the number."
"""The task of the sub-agent."""

SLOW = "Take your time."
"""The turn that is interrupted while the model answers."""

QUESTION = "What was the secret word?"
"""Asked after the conversation has been compacted."""

SUMMARY = "The secret word was heron."
"""The model's summary of the conversation."""

ANSWER = "It was heron, which is crane now."
"""The model's last word on the task."""

THINKING = (
    "I read both notes at once.",
    "One note is missing; now the picture.",
    "I patch the note.",
    "Another agent counts the files.",
)
"""What the model thinks before each of its calls."""


@dataclass
class Session:
    """A session, while it runs and when it is over."""

    agent: Agent
    pair: Pair
    #: The same model at each provider, in their order.
    models: Sequence[ScriptedModel]
    folder: Path
    #: The agent's version.
    version: str = ""
    #: The last message of each prompt, as the agent printed it.
    printed: dict[str, str] = field(default_factory=dict)
    #: The request that was interrupted.
    interrupted: Seen | None = None

    @property
    def model(self) -> ScriptedModel:
        """The model at the first provider."""
        return self.models[0]

    @property
    def project(self) -> Path:
        """The agent's working directory."""
        return self.folder / "project"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def note(self) -> Path:
        """A file with the secret word, which the agent patches."""
        return self.project / "note.txt"

    @property
    def picture(self) -> Path:
        return self.project / "picture.png"

    @property
    def faults(self) -> list[str]:
        """Why providers refused requests."""
        return [fault for model in self.models for fault in model.faults]

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), **_ONLY_LOOPBACK, **variables}

    def last(self, prompt: str) -> Conversation:
        """Return the last conversation that the model received for a prompt."""
        return self.model.of(prompt)[-1]

    def records(self) -> list[dict[str, Any]]:
        """Return the gateway's records of requests, once there is one for each request to the model."""
        path = self.folder / "records.jsonl"
        sent = len(self.pair.upstream.requests)
        until(lambda: path.read_bytes().count(b"\n") >= sent)
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@contextmanager
def session_with(
    agent: Agent, protocols: Sequence[Protocol], folder: Path, overloaded: Collection[int] = ()
) -> Iterator[Session]:
    """Run a gateway with a provider for each protocol. Their model follows the agent's scripts.

    The first provider refuses the requests with the numbers in `overloaded`, from 1.
    """
    project = folder / "project"
    project.mkdir()
    (folder / "home").mkdir()
    scripts = agent.scripts(project)
    name = agent.model_name(protocols)
    models = [
        ScriptedModel(protocol, scripts, signed=agent.returns_signatures) for protocol in protocols
    ]
    models[0].overloaded = overloaded
    plugin = folder / "recorder.py"
    plugin.write_text(_RECORDER.format(path=str(folder / "records.jsonl")), "utf-8")
    (folder / "records.jsonl").touch()
    plugins = f"{NO_RETRIES}[plugins]\nload = ['{plugin}']\n"

    with ExitStack() as stack:
        others = [stack.enter_context(ScriptedUpstream()) for _ in models[1:]]

        def config(first: ScriptedUpstream) -> dict[str, Any]:
            upstreams = (first, *others)
            for upstream, model in zip(upstreams, models, strict=True):
                upstream.default = Reply(model)
            blocks = zip(protocols, upstreams, strict=True)
            return {
                "providers": {each.provider: _block(each, name, at.origin) for each, at in blocks}
            }

        pair = stack.enter_context(running(folder, plugins, config))
        session = Session(agent, pair, models, folder)
        session.note.write_text("The secret word is heron.\n", "utf-8")
        session.picture.write_bytes(PICTURE)
        yield session


def _block(protocol: Protocol, model_name: str, origin: str) -> dict[str, Any]:
    """The block of a provider in llms.json."""
    return {
        "base_url": origin + protocol.base,
        "api_key": KEY,
        "models": {model_name: protocol.model},
        **protocol.settings,
    }


_versions: dict[Path, str] = {}
"""By program, because agents take seconds to start."""


def version_of(program: Path, session: Session) -> str:
    """Return the version of an agent: the first word that begins with a digit."""
    if program not in _versions:
        printed = run([str(program), "--version"], session, {})
        _versions[program] = next(word for word in printed.split() if word[0].isdigit())
    return _versions[program]


def run(command: Sequence[str], session: Session, variables: Mapping[str, str]) -> str:
    """Let an agent answer a prompt; return what it printed. It has to end with the status 0."""
    finished = subprocess.run(
        command,
        cwd=session.project,
        env=session.environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert finished.returncode == 0, "\n".join(
        (
            session.version,
            finished.stdout,
            finished.stderr,
            *session.faults,
            session.pair.gateway.log(),
        )
    )
    return finished.stdout


def interrupt(
    command: Sequence[str], session: Session, variables: Mapping[str, str], shown: str
) -> None:
    """Interrupt an agent, as Ctrl+C does, when it shows a text; wait until it has ended."""
    sent = len(session.pair.upstream.requests)
    with subprocess.Popen(
        command,
        cwd=session.project,
        env=session.environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        # Should it never show the text, or not end, reading does.
        watchdog = threading.Timer(TIMEOUT, process.kill)
        watchdog.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if shown in line:
                break
        process.send_signal(signal.SIGINT)
        lines += process.stdout
        process.wait()
        watchdog.cancel()
    assert any(shown in line for line in lines), "".join(lines)
    # A request for the summary may come before the one that is interrupted.
    assert len(session.pair.upstream.requests) > sent
    session.interrupted = session.pair.upstream.requests[-1]
