"""The conversation that a prompt belongs to: a new one, or one of the log."""

from __future__ import annotations

from llms_core.cli.conversation import Conversation
from llms_core.cli.log import store, switch
from llms_core.cli.user_error import Failure


def conversation(
    *, continues: bool = False, id: str | None = None, is_logged: bool = True
) -> Conversation:
    """Return the conversation that began with `id`, or the last one if it `continues`, or else a new one.

    Raises Failure if it is not in the log.
    """
    log = store.default()
    found = None
    if id is not None:
        found = log.find(id)
        if found is None:
            raise Failure(f"no conversation '{id}' (`llms log` lists them)")
    elif continues:
        found = log.latest()
        if found is None:
            raise Failure("there is no conversation to continue: none has been logged yet")
    writes = log if is_logged and switch.is_on() else None
    return Conversation(writes, log.turns(found) if found is not None else (), found)
