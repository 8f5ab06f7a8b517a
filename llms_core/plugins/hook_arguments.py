"""The types of hooks with many arguments: one protocol for each combination that an implementation may declare.

The arguments are keyword-only, so that an implementation may declare them in any order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from llms_core.candidate import Candidate
from llms_core.contracts.request import ChatRequest
from llms_core.records import Caller

Identified: TypeAlias = Caller | Awaitable[Caller | None] | None
Chosen: TypeAlias = Sequence[Candidate] | None


class _ByHeadersMethodPathPeer(Protocol):
    def __call__(
        self, *, headers: Mapping[str, str], method: str, path: str, peer: str
    ) -> Identified: ...


class _ByHeadersMethodPath(Protocol):
    def __call__(self, *, headers: Mapping[str, str], method: str, path: str) -> Identified: ...


class _ByHeadersMethodPeer(Protocol):
    def __call__(self, *, headers: Mapping[str, str], method: str, peer: str) -> Identified: ...


class _ByHeadersPathPeer(Protocol):
    def __call__(self, *, headers: Mapping[str, str], path: str, peer: str) -> Identified: ...


class _ByMethodPathPeer(Protocol):
    def __call__(self, *, method: str, path: str, peer: str) -> Identified: ...


class _ByHeadersMethod(Protocol):
    def __call__(self, *, headers: Mapping[str, str], method: str) -> Identified: ...


class _ByHeadersPath(Protocol):
    def __call__(self, *, headers: Mapping[str, str], path: str) -> Identified: ...


class _ByHeadersPeer(Protocol):
    def __call__(self, *, headers: Mapping[str, str], peer: str) -> Identified: ...


class _ByMethodPath(Protocol):
    def __call__(self, *, method: str, path: str) -> Identified: ...


class _ByMethodPeer(Protocol):
    def __call__(self, *, method: str, peer: str) -> Identified: ...


class _ByPathPeer(Protocol):
    def __call__(self, *, path: str, peer: str) -> Identified: ...


class _ByHeaders(Protocol):
    def __call__(self, *, headers: Mapping[str, str]) -> Identified: ...


class _ByMethod(Protocol):
    def __call__(self, *, method: str) -> Identified: ...


class _ByPath(Protocol):
    def __call__(self, *, path: str) -> Identified: ...


class _ByPeer(Protocol):
    def __call__(self, *, peer: str) -> Identified: ...


class _FromRequestCandidatesOperationCaller(Protocol):
    def __call__(
        self,
        *,
        request: ChatRequest,
        candidates: Sequence[Candidate],
        operation: str,
        caller: Caller | None,
    ) -> Chosen: ...


class _FromRequestCandidatesOperation(Protocol):
    def __call__(
        self, *, request: ChatRequest, candidates: Sequence[Candidate], operation: str
    ) -> Chosen: ...


class _FromRequestCandidatesCaller(Protocol):
    def __call__(
        self, *, request: ChatRequest, candidates: Sequence[Candidate], caller: Caller | None
    ) -> Chosen: ...


class _FromRequestOperationCaller(Protocol):
    def __call__(
        self, *, request: ChatRequest, operation: str, caller: Caller | None
    ) -> Chosen: ...


class _FromCandidatesOperationCaller(Protocol):
    def __call__(
        self, *, candidates: Sequence[Candidate], operation: str, caller: Caller | None
    ) -> Chosen: ...


class _FromRequestCandidates(Protocol):
    def __call__(self, *, request: ChatRequest, candidates: Sequence[Candidate]) -> Chosen: ...


class _FromRequestOperation(Protocol):
    def __call__(self, *, request: ChatRequest, operation: str) -> Chosen: ...


class _FromRequestCaller(Protocol):
    def __call__(self, *, request: ChatRequest, caller: Caller | None) -> Chosen: ...


class _FromCandidatesOperation(Protocol):
    def __call__(self, *, candidates: Sequence[Candidate], operation: str) -> Chosen: ...


class _FromCandidatesCaller(Protocol):
    def __call__(self, *, candidates: Sequence[Candidate], caller: Caller | None) -> Chosen: ...


class _FromOperationCaller(Protocol):
    def __call__(self, *, operation: str, caller: Caller | None) -> Chosen: ...


class _FromRequest(Protocol):
    def __call__(self, *, request: ChatRequest) -> Chosen: ...


class _FromCandidates(Protocol):
    def __call__(self, *, candidates: Sequence[Candidate]) -> Chosen: ...


class _FromOperation(Protocol):
    def __call__(self, *, operation: str) -> Chosen: ...


class _FromCaller(Protocol):
    def __call__(self, *, caller: Caller | None) -> Chosen: ...


AuthenticateHook: TypeAlias = (
    _ByHeadersMethodPathPeer
    | _ByHeadersMethodPath
    | _ByHeadersMethodPeer
    | _ByHeadersPathPeer
    | _ByMethodPathPeer
    | _ByHeadersMethod
    | _ByHeadersPath
    | _ByHeadersPeer
    | _ByMethodPath
    | _ByMethodPeer
    | _ByPathPeer
    | _ByHeaders
    | _ByMethod
    | _ByPath
    | _ByPeer
    | Callable[[], Identified]
)
CandidatesHook: TypeAlias = (
    _FromRequestCandidatesOperationCaller
    | _FromRequestCandidatesOperation
    | _FromRequestCandidatesCaller
    | _FromRequestOperationCaller
    | _FromCandidatesOperationCaller
    | _FromRequestCandidates
    | _FromRequestOperation
    | _FromRequestCaller
    | _FromCandidatesOperation
    | _FromCandidatesCaller
    | _FromOperationCaller
    | _FromRequest
    | _FromCandidates
    | _FromOperation
    | _FromCaller
    | Callable[[], Chosen]
)
