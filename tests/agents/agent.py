"""What the tests have to know of an agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripted_model import Protocol, Script
from scripted_model.protocols import PROTOCOLS

if TYPE_CHECKING:
    from tests.agents.session import Session


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A program of npm that works on a project with a model's help."""

    #: As in docs/clients.md.
    title: str
    package: str
    program: str
    #: What the model does in a session on the project in a folder.
    scripts: Callable[[Path], Sequence[Script]]
    #: By which name the agent calls a model behind these protocols.
    model_name: Callable[[Sequence[Protocol]], str]
    #: Works on the task, with the installed program.
    begin: Callable[[Session, Path], None]
    #: Continues until the end of the session.
    go_on: Callable[[Session, Path], None]
    #: Behind which protocols it is tested.
    protocols: Sequence[Protocol] = PROTOCOLS
    #: Whether it returns what providers have signed.
    returns_signatures: bool = True

    @property
    def version(self) -> str:
        """The version to install: the newest, unless the environment names another, as in CODEX_VERSION."""
        return os.environ.get(f"{self.program.upper()}_VERSION", "latest")
