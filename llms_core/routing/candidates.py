"""Model name -> candidates in configured order, each refusal with its reason (SR-070, SR-071, SR-086)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from llms_core.config.model import Model
from llms_core.contracts.request import ChatRequest
from llms_core.errors import RequestError
from llms_core.plugins.registry import Configured
from llms_core.provider import Capabilities, HttpAdapter, Inlines, Prepares


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """One model of one enabled provider. `name` is what the client sees as `model`, `position` its place in order."""

    provider: Configured
    adapter: HttpAdapter
    model: Model
    name: str
    position: int
    can: frozenset[str]
    prepare: Callable[[], Awaitable[None]] | None = None
    inlines: frozenset[str] = frozenset()


class Refusal(msgspec.Struct, frozen=True):
    """Why a provider is no candidate."""

    provider: str
    reason: str


class Catalogue:
    """Every model of every enabled provider, by name. Built anew at each change of the configuration."""

    def __init__(self, configured: Sequence[Configured], discovered: Mapping[str, Sequence[Model]] = {}):
        self.configured = tuple(configured)
        self._exact: dict[str, list[Candidate]] = {}
        self._folded: dict[str, list[Candidate]] = {}
        self._listed: dict[str, Candidate] = {}
        for position, item in enumerate(self.configured):
            if item.adapter is None or item.disabled is not None:
                continue
            found = discovered.get(item.id, ()) if item.provider.discover else ()
            self._add(item, item.adapter, _merged(item.provider.models, found), position)

    def _add(self, item: Configured, adapter: HttpAdapter, models: Iterable[Model], position: int) -> None:
        """One provider's models. A model's first name comes before any other model's second (L-20)."""
        can = _abilities(item.provider.spec.capabilities)
        prepare = adapter.prepare if isinstance(adapter, Prepares) else None
        inlines = adapter.inlines if isinstance(adapter, Inlines) else frozenset()
        names = [(rank, name, model) for model in models for rank, name in enumerate(model.names)]
        for rank, name, model in sorted(names, key=lambda each: each[0]):
            candidate = Candidate(item, adapter, model, name, position, can, prepare, inlines)
            if rank == 0:
                self._listed.setdefault(name, candidate)
            table, key = (self._folded, name.lower()) if item.provider.fold_case else (self._exact, name)
            row = table.setdefault(key, [])
            if all(other.provider is not item for other in row):
                row.append(candidate)

    def find(self, name: str) -> list[Candidate]:
        """The candidates for a name, in the order of the file; [] where no enabled provider has it."""
        exact = self._exact.get(name, ())
        folded = self._folded.get(name.lower(), ()) if self._folded else ()
        if not folded:
            return list(exact)
        found = [msgspec.structs.replace(candidate, name=name) for candidate in folded]
        return sorted([*exact, *found], key=lambda candidate: candidate.position)

    def listed(self) -> Iterable[Candidate]:
        """The first candidate of every model, in order, for `GET /v1/models`."""
        return self._listed.values()

    def explain(self, name: str, request: ChatRequest | None = None) -> tuple[list[Candidate], list[Refusal]]:
        """Who could serve a name, in order, and why each other provider cannot."""
        found = self.find(name)
        able, unable = split(found, needs(request)) if request is not None else (found, [])
        having = {candidate.provider.id for candidate in found}
        refusals = [
            Refusal(item.id, item.disabled or f"does not have the model '{name}'")
            for item in self.configured
            if item.id not in having
        ]
        return able, refusals + unable


def split(candidates: Iterable[Candidate], needed: frozenset[str]) -> tuple[list[Candidate], list[Refusal]]:
    """Candidates that can do what is needed, and why the others cannot."""
    able, unable = [], []
    for candidate in candidates:
        if needed <= candidate.can:
            able.append(candidate)
        else:
            lacking = ", ".join(sorted(needed - candidate.can))
            unable.append(Refusal(candidate.provider.id, f"cannot do what the request asks: {lacking}"))
    return able, unable


def needs(request: ChatRequest) -> frozenset[str]:
    """What a request asks of a provider, as names of `Capabilities`."""
    needed = []
    if request.stream:
        needed.append("streaming")
    if request.tools:
        needed.append("tools")
    if request.logprobs:
        needed.append("logprobs")
    if request.n is not None and request.n > 1:
        needed.append("n")
    if request.response_format is not None and request.response_format.type in ("json_schema", "json_object"):
        needed.append(request.response_format.type)
    for message in request.messages:
        if isinstance(message.content, list):
            needed += [_PARTS[part.type] for part in message.content if part.type in _PARTS]
    return frozenset(needed) if needed else _NOTHING


def unable_error(model: str, refusals: Sequence[Refusal]) -> RequestError:
    """The answer to a request that no provider of its model can serve."""
    reasons = "; ".join(f"{refusal.provider} {refusal.reason}" for refusal in refusals)
    return RequestError(f"No enabled provider of model '{model}' can serve this request: {reasons}", code="unsupported")


_NOTHING: frozenset[str] = frozenset()
_PARTS = {"image_url": "vision", "input_audio": "audio", "audio_url": "audio", "file": "files"}


def _abilities(capabilities: Capabilities) -> frozenset[str]:
    return frozenset(name for name in Capabilities.__struct_fields__ if getattr(capabilities, name))


def _merged(configured: Sequence[Model], discovered: Sequence[Model]) -> Iterable[Model]:
    """What was discovered wins on an equal name (SR-118)."""
    names = {model.names[0] for model in discovered}
    return [*(model for model in configured if model.names[0] not in names), *discovered]
