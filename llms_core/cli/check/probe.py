"""Sends one small request to one model of one provider, on the path that a client's request takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from llms_core.candidate import Configured
from llms_core.cli import answering
from llms_core.cli.answering import Failed
from llms_core.cli.ask import request
from llms_core.cli.ask.request import Question
from llms_core.contracts.completion import Usage
from llms_core.errors import LlmsError, ProviderError
from llms_core.operations.chat import CHAT
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


class Target(NamedTuple):
    """What is checked."""

    item: Configured
    #: the name for clients; None for a provider that cannot be checked
    model: str | None
    #: why it cannot be checked; None if it can
    obstacle: Problem | None = None


def chat_models(service: Service, item: Configured) -> Sequence[str]:
    """Return the names of a provider's models that chat: those in llms.json, or else those that it has listed."""
    configured = {model.names[0] for model in item.provider.models}
    listed = [each.client_model for each in service.only(item).router.models.listed_for(CHAT.name)]
    return [name for name in listed if name in configured] or listed


def all_chat_models(service: Service, item: Configured) -> Sequence[str]:
    """Return the names of a provider's models that chat, including those that it has listed."""
    return [each.client_model for each in service.only(item).router.models.listed_for(CHAT.name)]


def has_model(service: Service, item: Configured, name: str) -> bool:
    """Whether a provider is known to have a model of this name."""
    return bool(service.only(item).router.models.find(name))


async def probe(service: Service, target: Target, timeout: float) -> Result:
    """Check one model; no answer within `timeout` seconds is a failure."""
    item, model, obstacle = target
    if obstacle is not None or model is None:
        return Result(provider=item.id, model=model, ok=False, error=obstacle)
    [candidate, *_] = service.only(item).router.models.find(model)
    started = perf_counter()
    record: RequestRecord | None = None
    problem: Problem | None = None
    try:
        record = await _answered(service.only(item), item, model, timeout)
    except TimeoutError:
        problem = Problem(f"no answer within {timeout:g} s", "timeout")
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


async def _answered(service: Service, item: Configured, model: str, timeout: float) -> RequestRecord:
    asked = _request(item.provider.check, service.startup.llms_json.templates, model)
    body = request.body(asked, stream=False, max_bytes=service.startup.llms_json.max_body)
    async with asyncio.timeout(timeout):
        reply = await answering.answer(service, body, write=lambda text: None)
    return reply.record


def _request(own: Mapping[str, Any] | None, templates: Mapping[str, Mapping[str, Any]], model: str) -> dict[str, Any]:
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
