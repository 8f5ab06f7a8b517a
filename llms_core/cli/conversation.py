"""A conversation: what has been said so far, which is sent with each prompt, and its place in the log."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import click

from llms_core.cli.answering import Reply
from llms_core.cli.ask.request import SYSTEM_ROLES, with_system
from llms_core.cli.log.store import Log, Turn
from llms_core.errors import ConfigError

Json = dict[str, Any]


class Conversation:
    """One conversation. It is in the log from its first answer on, if it has a log."""

    def __init__(self, log: Log | None = None, turns: Sequence[Turn] = (), id: str | None = None):
        self._log = log
        self._id = id
        self.messages: list[Json] = []
        #: The model of the last turn; None if there is none yet.
        self.model: str | None = None
        for turn in turns:
            self._add(turn)

    @property
    def is_logged(self) -> bool:
        """Whether its turns are logged."""
        return self._log is not None

    def answered(self, request: Json, added: list[Json], reply: Reply) -> None:
        """Add a prompt and its answer. `added` are the messages of the request that are new."""
        record = reply.record
        parameters = {
            name: value for name, value in request.items() if name not in ("model", "messages")
        }
        turn = Turn(
            id=record.request_id,
            created=time.time(),
            model=record.model,
            provider=record.provider,
            upstream_model=record.upstream_model,
            messages=added,
            answer=reply.message,
            prompt=_text(added[-1]),
            reply=reply.text,
            finish_reason=reply.finish_reason,
            parameters=parameters,
            usage=record.usage,
            cost=record.cost,
            seconds=record.duration,
        )
        self._add(turn)
        if self._log is None:
            return
        # The first digits of ids of requests, which are the time, would not tell conversations apart.
        self._id = self._id or os.urandom(12).hex()
        try:
            self._log.add(self._id, turn)
        except (OSError, ConfigError) as error:
            # The user has the answer, which matters more.
            click.echo(f"llms: not logged: {error}", err=True)

    def _add(self, turn: Turn) -> None:
        messages = turn.messages
        if messages and messages[0].get("role") in SYSTEM_ROLES:
            # It replaces an earlier one.
            self.messages = with_system(self.messages, messages[0])
            messages = messages[1:]
        self.messages += [*messages, turn.answer]
        self.model = turn.model


def _text(message: Json) -> str:
    """The text of a message, for lists and searches."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if isinstance(part.get("text"), str))
