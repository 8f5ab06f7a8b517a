"""Finds the candidates for a model, with a reason for every other provider (SR-070, SR-071, SR-086)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any

import msgspec

from llms_core.candidate import Candidate, Configured, Refusal
from llms_core.config.model import Model
from llms_core.errors import RequestError
from llms_core.operations import Operation
from llms_core.preparation import Preparations
from llms_core.provider import Adapter, Capabilities, Generates, Inlines, PassesThrough
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.similar import SimilarNames


class ModelIndex:
    """Every model of every enabled provider, by name. A new one is built at each change of the configuration."""

    def __init__(
        self,
        configured: Sequence[Configured],
        operations: Iterable[Operation[Any, Any]],
        breaker: CircuitBreaker,
        discovered: Mapping[str, Sequence[Model]] = {},
        preparations: Preparations | None = None,
    ):
        self.configured = tuple(configured)
        self._operations = tuple(operations)
        #: The operation whose circuits the candidates have.
        self._default_operation = self._operations[0]
        self._breaker = breaker
        self._preparations = preparations or Preparations()
        self._exact: dict[str, list[Candidate]] = {}
        #: By lower-case name, for providers whose names are matched without case.
        self._folded: dict[str, list[Candidate]] = {}
        self._listed: dict[str, Candidate] = {}
        self._patterns: list[tuple[str, re.Pattern[str]]] = []
        for operation in self._operations:
            if operation.model_patterns:
                self._patterns.append((operation.name, _any_of(operation.model_patterns)))
        #: The results of `_special_operations`, because clients ask for the list again and again.
        self._special: dict[str, Sequence[str]] = {}
        #: Made for the first name that does not exist.
        self._similar: SimilarNames | None = None
        for position, item in enumerate(self.configured):
            if item.adapter is None or item.disabled is not None:
                continue
            found = discovered.get(item.id, ()) if item.provider.discover else ()
            self._add(item, item.adapter, merged(item.provider.models, found), position)

    def _add(
        self, item: Configured, adapter: Adapter, models: Sequence[Model], position: int
    ) -> None:
        """Add one provider's models. A model's first name precedes any other model's second name (L-20)."""
        if not models:
            return
        # Candidates are copies of a template: building thousands from all their members would block the event loop.
        template = self._template(item, adapter, models[0], position)
        names: list[tuple[int, str, Model]] = []
        for model in models:
            names += [(rank, name, model) for rank, name in enumerate(model.names)]
        # A stable sort: models of equal rank stay in configured order.
        names.sort(key=lambda each: each[0])
        for rank, name, model in names:
            candidate = msgspec.structs.replace(
                template,
                client_model=name,
                upstream_model=model.upstream,
                names=model.names,
                price=model.price,
                context=model.context,
                circuit=self._breaker.circuit(
                    item.id, model.upstream, self._default_operation.name
                ),
            )
            if rank == 0:
                self._listed.setdefault(name, candidate)
            if item.provider.fold_case:
                row = self._folded.setdefault(name.lower(), [])
            else:
                row = self._exact.setdefault(name, [])
            # A provider is a candidate once, even if two of its models share a name.
            if all(other.position != position for other in row):
                row.append(candidate)

    def _template(
        self, item: Configured, adapter: Adapter, model: Model, position: int
    ) -> Candidate:
        """A candidate with what all candidates of one provider share."""
        provider = item.provider
        operations = [each.name for each in self._operations if each.is_offered_by(adapter)]
        generate = adapter.generate if isinstance(adapter, Generates) else None
        # A coroutine has one result, whatever the client wants.
        replays = inspect.iscoroutinefunction(generate)
        if provider.spec.replay_streams or provider.settings.replay_streams:
            replays = True
        capabilities = _names_of(provider.spec.capabilities)
        if provider.spec.demo:
            # It drops them, and the answer's header says so: nobody could try an agent otherwise.
            capabilities |= {"tools"}
        return Candidate(
            provider_id=item.id,
            client_model=model.names[0],
            upstream_model=model.upstream,
            names=model.names,
            price=model.price,
            context=model.context,
            circuit=self._breaker.circuit(item.id, model.upstream, self._default_operation.name),
            spec=provider.spec,
            settings=provider.settings,
            adapter=adapter,
            position=position,
            operations=frozenset(operations),
            capabilities=capabilities | {"streaming"} if replays else capabilities,
            retries=provider.retries,
            preparation=self._preparations.of(item.id, adapter),
            generate=generate,
            replays=replays,
            inlines=adapter.inlines if isinstance(adapter, Inlines) else frozenset(),
            passes_through=adapter.passes_through if isinstance(adapter, PassesThrough) else None,
        )

    def find(self, name: str) -> list[Candidate]:
        """Return the candidates for a name in configured order; none if no enabled provider has it."""
        exact = self._exact.get(name, ())
        folded = self._folded.get(name.lower(), ()) if self._folded else ()
        if not folded:
            return list(exact)
        # The client sees the spelling that it used.
        found = [msgspec.structs.replace(candidate, client_model=name) for candidate in folded]
        return sorted([*exact, *found], key=lambda candidate: candidate.position)

    def for_operation(
        self, candidates: Iterable[Candidate], operation: Operation[Any, Any]
    ) -> tuple[list[Candidate], list[Refusal]]:
        """Return the candidates that offer an operation, with its circuits, and why the others do not."""
        able = []
        unable = []
        for candidate in candidates:
            if operation.name not in candidate.operations:
                unable.append(Refusal(candidate.provider_id, f"does not offer {operation.name}"))
            elif operation is self._default_operation:
                able.append(candidate)
            else:
                circuit = self._breaker.circuit(
                    candidate.provider_id, candidate.upstream_model, operation.name
                )
                able.append(msgspec.structs.replace(candidate, circuit=circuit))
        return able, unable

    @property
    def operation_names(self) -> Sequence[str]:
        """The names of all operations."""
        return [each.name for each in self._operations]

    def listed(self) -> Iterable[Candidate]:
        """The first candidate of every model in configured order."""
        return self._listed.values()

    def listed_for(self, operation: str | None) -> Sequence[Candidate]:
        """Return the models of a list for clients: those for an operation, or those that clients choose to chat with.

        The latter are all whose name does not tell that they only serve another operation.
        """
        if operation is None:
            return [each for each in self._listed.values() if not self._special_operations(each)]
        return [each for each in self._listed.values() if operation in self.operations_of(each)]

    def operations_of(self, listed: Candidate) -> Sequence[str]:
        """Return the operations of a listed model at any of its providers, as far as its name tells.

        It restricts no request: names are chosen freely, and the provider knows what its models do.
        """
        offered: set[str] = set()
        for candidate in self.find(listed.client_model):
            offered |= candidate.operations
        special = self._special_operations(listed)
        if not special:
            special = [each.name for each in self._operations if not each.model_patterns]
        return [name for name in special if name in offered]

    def _special_operations(self, candidate: Candidate) -> Sequence[str]:
        """The operations that a model serves and no others, which its name tells; empty for most models."""
        special = self._special.get(candidate.client_model)
        if special is None:
            names = (candidate.client_model.lower(), candidate.upstream_model.lower())
            special = [
                name for name, pattern in self._patterns if any(map(pattern.fullmatch, names))
            ]
            self._special[candidate.client_model] = special
        return special

    def not_found(self, name: str) -> RequestError:
        """Return the error for a name that no enabled provider has, with what the client may have meant (SR-061)."""
        if self._similar is None:
            self._similar = SimilarNames(self._listed)
        similar = self._similar.find(name)
        if not similar:
            return RequestError.model_not_found(name)
        return RequestError.model_not_found(
            name, f"Similar: {', '.join(similar)}; GET /v1/models lists all models"
        )

    def explain(
        self, name: str, needed: frozenset[str] = frozenset()
    ) -> tuple[list[Candidate], list[Refusal]]:
        """Return who could serve a model with these capabilities, and why each other provider cannot."""
        found = self.find(name)
        able, unable = split_by_capability(found, needed)
        having = {candidate.provider_id for candidate in found}
        refusals = []
        for item in self.configured:
            if item.id not in having:
                reason = item.disabled or f"does not have the model '{name}'"
                refusals.append(Refusal(item.id, reason))
        return able, refusals + unable


def split_by_capability(
    candidates: Iterable[Candidate], needed: frozenset[str]
) -> tuple[list[Candidate], list[Refusal]]:
    """Separate the candidates that have all needed capabilities from the others."""
    able = []
    unable = []
    for candidate in candidates:
        if needed <= candidate.capabilities:
            able.append(candidate)
        else:
            missing = ", ".join(sorted(needed - candidate.capabilities))
            unable.append(
                Refusal(candidate.provider_id, f"cannot do what the request asks: {missing}")
            )
    return able, unable


class CannotServe(RequestError):
    """No provider of the model can do what the request asks for."""


def cannot_serve(model: str, refusals: Sequence[Refusal]) -> CannotServe:
    """The error for a request that no provider of its model can serve."""
    reasons = "; ".join(f"{refusal.provider} {refusal.reason}" for refusal in refusals)
    message = f"No enabled provider of model '{model}' can serve this request: {reasons}"
    return CannotServe(message, code="unsupported")


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a regular expression for patterns as in file names."""
    return re.compile("|".join(map(translate, patterns)))


def _names_of(capabilities: Capabilities) -> frozenset[str]:
    return frozenset(name for name in Capabilities.__struct_fields__ if getattr(capabilities, name))


def merged(configured: Sequence[Model], discovered: Sequence[Model]) -> Sequence[Model]:
    """Return both lists; a discovered model replaces a configured one of the same name (SR-118)."""
    discovered_names = {model.names[0] for model in discovered}
    kept = [model for model in configured if model.names[0] not in discovered_names]
    return [*kept, *discovered]
