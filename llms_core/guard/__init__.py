"""A plugin that refuses or masks texts in requests and answers: secrets, addresses, card numbers, words of your own.

It does nothing until plugins.toml has the table `[plugin.guard]`:

    [plugin.guard]
    deny = ["secret"]
    mask = ["email", "card", "word"]
    words = ["Project Bluebird"]

A request or an answer with something that is denied gets OpenAI's error `content_policy_violation`. What is masked is
replaced by the name of its rule, such as `[email]`, also in streams: a client never sees a part of it. Forms are
refused, because they are sent on while they arrive; `forms = true` lets them through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llms_core.plugins.hookspecs import hookimpl
from llms_core.plugins.settings import PluginSettings

if TYPE_CHECKING:
    from llms_core.guard.middleware import Guard
    from llms_core.middleware import Middleware

_guards: list[Guard] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read `[plugin.guard]`. Raises ConfigError for a table that cannot be used, or that has no effect."""
    _guards.clear()
    if not settings.is_given:
        return
    # Imported here, because every command of the command line loads this module.
    from llms_core.guard.middleware import Guard
    from llms_core.guard.rules import GuardSettings, rules_of

    read = settings.decode(GuardSettings)
    rules = rules_of(read, settings)
    _guards.append(Guard(rules, requests=read.requests, answers=read.answers, forms=read.forms))


@hookimpl(tryfirst=True)
def llms_middleware() -> Iterable[Middleware]:
    """Return the guard, if it is configured. It comes first, so that no cache stores what it removes."""
    return tuple(_guards)
