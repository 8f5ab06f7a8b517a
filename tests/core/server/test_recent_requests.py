"""The latest requests: bounded, without texts, and for those whom they concern."""

from __future__ import annotations

from typing import Any

from llms_core.errors import ErrorKind
from llms_core.records import AttemptRecord, Caller, RequestRecord
from llms_core.server.recent_requests import RecentRequests


def attempt(**members: Any) -> AttemptRecord:
    usual = {
        "request_id": "1",
        "provider": "one",
        "model": "m",
        "upstream_model": "up",
        "kind": None,
        "status": None,
    }
    return AttemptRecord(**{**usual, "message": "", "duration": 1.0, **members})


def record(**members: Any) -> RequestRecord:
    usual = {
        "request_id": "1",
        "model": "m",
        "status": 200,
        "stream": False,
        "duration": 1.0,
        "overhead": 0.1,
    }
    return RequestRecord(**{**usual, "attempts": (attempt(),), **members})


def test_the_newest_comes_first_and_the_oldest_are_forgotten() -> None:
    recent = RecentRequests()
    for number in range(200):
        recent.add(record(request_id=str(number)))
    kept = recent.seen_by(None)
    assert len(kept) == 50
    assert [kept[0].request_id, kept[-1].request_id] == ["199", "150"]


def test_nothing_that_a_client_or_a_provider_makes_long_is_kept() -> None:
    recent = RecentRequests()
    failed = attempt(
        kind=ErrorKind.INVALID_REQUEST,
        message="your prompt was: secret " * 1000,
        model="x" * 100_000,
    )
    recent.add(
        record(model="x" * 100_000, kind=ErrorKind.INVALID_REQUEST, attempts=(failed,) * 1000)
    )
    recent.add(record(model="y" * 100_000, attempts=()))
    recent.add(record(metadata={"note": "secret"}, tags=("secret",), user="secret"))
    kept = repr(recent.seen_by(None))
    assert len(kept) < 50_000
    assert "secret" not in kept


def test_a_caller_sees_their_own_requests_and_an_administrator_all() -> None:
    recent = RecentRequests()
    for name in ("ada", "bob", None):
        recent.add(record(caller=name))
    assert [each.caller for each in recent.seen_by(Caller("ada"))] == ["ada"]
    assert len(recent.seen_by(Caller("root", is_admin=True))) == 3
