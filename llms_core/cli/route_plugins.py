"""What plugins do to a request, as far as that can be told without one: for `llms route`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from llms_core.candidate import Candidate
from llms_core.contracts.request import decode
from llms_core.errors import RequestError
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller


class Chosen(NamedTuple):
    """The candidates that plugins leave, and what they did."""

    candidates: Sequence[Candidate]
    #: In words, in the order of plugins.
    effects: Sequence[str]
    #: Why a plugin refuses the request; None if none does.
    refusal: RequestError | None = None


def chosen(
    host: PluginHost, model: str, candidates: Sequence[Candidate], caller: str | None
) -> Chosen:
    """Let `llms_candidates` choose for a short chat, whose text is that of this command."""
    question = {"role": "user", "content": "What would happen to this request?"}
    body = decode(msgspec.json.encode({"model": model, "messages": [question]}))
    effects: list[str] = []
    for chooser in host.choosers:
        try:
            left = chooser.choose(
                body, candidates, "chat", None if caller is None else Caller(caller)
            )
        except RequestError as error:
            return Chosen((), [*effects, f"{chooser.origin} refuses it"], error)
        effects += _effects(chooser.origin, candidates, left)
        candidates = left
    return Chosen(candidates, effects)


def around(host: PluginHost) -> list[str]:
    """Return the plugins whose middleware is around every request, the outermost first."""
    return list(dict.fromkeys(layer.origin for layer in host.middleware))


def _effects(origin: str, before: Sequence[Candidate], after: Sequence[Candidate]) -> list[str]:
    kept = {id(candidate) for candidate in after}
    effects = [f"{origin} removed {each.provider_id}" for each in before if id(each) not in kept]
    if [id(each) for each in before if id(each) in kept] != [id(each) for each in after]:
        effects.append(f"{origin} changed the order")
    return effects
