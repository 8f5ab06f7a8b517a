"""Sends one small request to one model of one provider, on the path that a client's request takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import msgspec

from llms_core.candidate import Configured
from llms_core.cli.answering import Failed, Request
from llms_core.cli.ask import request
from llms_core.cli.ask.request import Question
from llms_core.cli.check.targets import Target
from llms_core.contracts.completion import Usage
from llms_core.errors import LlmsError, ProviderError
from llms_core.records import RequestRecord
from llms_core.secret import redact
from llms_core.server.service import Service

#: What is asked where neither the provider nor `defaults` has a request for checks.
_DEFAULT = {"max_completion_tokens": 16}
_PROMPT = "1+1="


class Problem(msgspec.Struct, frozen=True):
    """Why a model did not answer."""

    #: the provider's message, without secrets
    message: str
    #: the kind of error (`errors.ErrorKind`); None if no request was made
    kind: str | None = None
    #: the HTTP status of the provider's answer, if there was one
    status: int | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one check; the members of `llms check --json`."""

    provider: str
    #: the name for clients; None if the provider as a whole cannot be checked
    model: str | None
    #: the provider's id of the model
    upstream: str | None = None
    ok: bool
    milliseconds: int | None = None
    #: in USD; None if the price or the usage is unknown
    cost: float | None = None
    usage: Usage | None = None
    error: Problem | None = None


async def probe(service: Service, target: Target, seconds: float) -> Result:
    """Check one model; no answer within `seconds` is a failure."""
    item, model, obstacle = target
    if model is None:
        return Result(provider=item.id, model=None, ok=False, error=Problem(redact(obstacle)))
    alone = service.only(item)
    [candidate, *_] = alone.router.models.find(model)
    started = perf_counter()
    record: RequestRecord | None = None
    problem: Problem | None = None
    try:
        record = await _answered(alone, item, model, seconds)
    except TimeoutError:
        problem = Problem(f"no answer within {seconds:g} s", "timeout")
    except Failed as error:
        record = error.record
        problem = _problem(error)
    except ProviderError as error:
        problem = Problem(redact(error.message), error.kind, error.status)
    except LlmsError as error:
        problem = Problem(redact(str(error)))
    return Result(
        provider=item.id,
        model=model,
        upstream=candidate.upstream_model,
        ok=problem is None,
        milliseconds=round((perf_counter() - started) * 1000),
        cost=None if record is None else record.cost,
        usage=None if record is None else record.usage,
        error=problem,
    )


async def _answered(
    service: Service, item: Configured, model: str, seconds: float
) -> RequestRecord:
    asked = _request(item.provider.check, service.startup.llms_json.templates, model)
    body = request.body(asked, stream=False, max_bytes=service.startup.llms_json.max_body)
    async with asyncio.timeout(seconds):
        reply = await Request(service, body).answer()
    return reply.record


def _request(
    own: Mapping[str, Any] | None, templates: Mapping[str, Mapping[str, Any]], model: str
) -> dict[str, Any]:
    template = own or templates.get("check") or _DEFAULT
    asked = request.from_template({"check": template}, "check")
    # llms.py's users have templates without messages.
    prompt = "" if asked.get("messages") else _PROMPT
    return request.completed(asked, Question(prompt=prompt, model=model))


def _problem(error: Failed) -> Problem:
    """The provider's own words, if it was asked."""
    if error.record.attempts:
        last = error.record.attempts[-1]
        return Problem(redact(last.message), last.kind, last.status)
    return Problem(redact(str(error)))
