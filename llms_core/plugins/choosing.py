"""Lets plugins choose among the candidates of a request (`llms_candidates`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from llms_core.candidate import Candidate
from llms_core.errors import PluginError, RequestError
from llms_core.plugins.report import summary
from llms_core.plugins.specs import reject_awaitable

if TYPE_CHECKING:
    from llms_core.contracts.body import RequestBody
    from llms_core.records import Caller

log = logging.getLogger("llms_core.plugins")


class Chooser(msgspec.Struct, frozen=True):
    """One plugin's `llms_candidates`."""

    name: str
    #: The plugin and its distribution, for messages.
    origin: str
    hook: Callable[..., Any]
    #: Whether the implementation declares the argument `request`.
    reads_request: bool
    #: Whether a request continues with all candidates if the plugin fails, instead of being refused.
    fails_open: bool = False

    def choose(
        self,
        body: RequestBody[Any],
        candidates: Sequence[Candidate],
        operation: str,
        caller: Caller | None,
    ) -> Sequence[Candidate]:
        """Return the candidates that the plugin leaves, in its order; at least one.

        Raises RequestError if the plugin refuses the request, leaves no candidate, or fails.
        """
        try:
            # A copy, because a view has lists, which the plugin could change: providers get what the client sent.
            request = body.copy_view() if self.reads_request else None
            chosen = self.hook(request, tuple(candidates), operation, caller)
            reject_awaitable(chosen)
            if chosen is None:
                return candidates
            chosen = _only_offered(candidates, chosen)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
            log.error("%s: llms_candidates failed: %s", self.origin, summary(error), exc_info=error)
            if self.fails_open:
                return candidates
            raise RequestError.plugin_failed(f"plugin '{self.name}'") from None
        if not chosen:
            message = f"Plugin '{self.name}' removed every provider of model '{body.model}'"
            raise RequestError(
                message, status=403, type="permission_error", code="refused_by_plugin"
            )
        return chosen


def _only_offered(offered: Sequence[Candidate], chosen: Iterable[Any]) -> Sequence[Candidate]:
    """Return the chosen candidates. Raises PluginError for anything that is not an offered one, or is there twice.

    Compared by identity: a changed copy is not the candidate, and a plugin must not replace one by its own.
    """
    if not isinstance(chosen, Iterable):
        raise PluginError(
            f"it returned a {type(chosen).__name__} instead of a list of candidates, or None"
        )
    remaining = {id(candidate) for candidate in offered}
    kept: list[Candidate] = []
    for candidate in chosen:
        if not isinstance(candidate, Candidate):
            raise PluginError(
                f"it returned a {type(candidate).__name__} among the candidates; return those of the argument "
                "`candidates`, such as [each for each in candidates if each.provider_id == 'groq']"
            )
        if id(candidate) not in remaining:
            how = "twice" if any(candidate is each for each in kept) else "which it was not offered"
            raise PluginError(
                f"it returned a candidate of '{candidate.provider_id}' {how}; it can only reorder and remove candidates"
            )
        remaining.remove(id(candidate))
        kept.append(candidate)
    return kept
