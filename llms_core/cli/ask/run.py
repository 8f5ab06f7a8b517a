"""Asks a question: from the options of the command line to the printed answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click
import msgspec

from llms_core import default_config
from llms_core.cli import models
from llms_core.cli.answering import Reply
from llms_core.cli.ask import media, request
from llms_core.cli.ask.answers import Answers
from llms_core.cli.ask.output import Printer
from llms_core.cli.ask.request import Json, Question
from llms_core.cli.ask.schema import Schema, without_fence
from llms_core.cli.conversation import Conversation
from llms_core.errors import RequestError
from llms_core.server.service import Service

#: The capabilities that a model needs for media, by the names of their options.
_CAPABILITIES = {"image": "vision", "audio": "audio", "file": "files"}
_CUT_OFF = {
    "length": "the answer is cut off: the limit of tokens was reached",
    "content_filter": "the answer is cut off: the provider's content filter ended it",
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and what is shown besides the answer."""

    #: empty if the template has one, or the chat request
    prompt: str = ""
    model: str | None = None
    system: str | None = None
    #: paths, URLs and data URIs, by the names of their options
    sources: Mapping[str, Sequence[str]] = {}
    #: the file of a chat request
    chat: str | None = None
    parameters: Mapping[str, Any] = {}
    schema: Schema | None = None
    shows_usage: bool = False


async def ask(
    service: Service, conversation: Conversation, options: Options, printer: Printer
) -> None:
    """Ask, and print the answer. Raises LlmsError: ConfigError before anything is sent.

    If it is cancelled, the part of the answer that has arrived belongs to the conversation.
    """
    asked, added, template = await _request(service, conversation, options)
    answers = Answers(service, printer, template)
    try:
        reply = await answers.get(asked)
        if options.schema is not None:
            reply = await _fitting(asked, options.schema, answers, reply)
        _reject_empty(reply, printer)
        try:
            printer.finish(reply)
        finally:
            # Also if nobody reads it any more: it has been paid for.
            conversation.answered(asked, added, reply)
    except asyncio.CancelledError:
        if (partial := answers.partial()) is not None:
            conversation.answered(asked, added, partial)
        raise
    finally:
        if options.shows_usage:
            answers.show_usage()
    if cut := _CUT_OFF.get(reply.finish_reason):
        click.echo(f"llms: {cut}", err=True)


async def ready(service: Service, conversation: Conversation, options: Options) -> str:
    """Return the model that will be asked. Raises LlmsError for what would make every prompt of these options fail."""
    example = msgspec.structs.replace(options, prompt="Hello")
    asked, _, template = await _request(service, conversation, example)
    checked = request.body(asked, stream=False, max_bytes=service.startup.llms_json.max_body)
    # With middleware, anything may be the name of a model.
    if service.middleware is None and not _is_known(service, checked.model):
        error = RequestError.model_not_found(checked.model)
        raise RequestError(f"{error}\n{models.explanation(service, checked.model, template)}")
    return checked.model


class _Asked(NamedTuple):
    """A request, and where it comes from."""

    request: Json
    #: Those of its messages that are new.
    added: list[Json]
    #: The template of llms.json from which its model comes; empty if it comes from elsewhere.
    template: str


async def _request(service: Service, conversation: Conversation, options: Options) -> _Asked:
    """Return the request. Raises ConfigError, RequestError, and Failure if there is no model."""
    fetcher = media.fetcher()
    parts = {}
    for kind, sources in options.sources.items():
        parts[kind] = [await media.part(fetcher, kind, source) for source in sources]
    question = Question(
        prompt=options.prompt,
        model=options.model or conversation.model,
        system=options.system,
        media=parts,
        parameters=options.parameters,
    )
    if options.chat is not None:
        template = request.from_file(options.chat)
        await media.load(fetcher, template.get("messages") or ())
    else:
        template = request.from_template(service.startup.llms_json.templates, question.template)
    is_named = bool(
        question.model or "model" in options.parameters or (options.chat and template.get("model"))
    )
    asked = request.completed(template, question, conversation.messages)
    if options.schema is not None:
        asked["response_format"] = options.schema.response_format
    source = await _choose_model(service, asked, "" if is_named else question.template)
    added = asked["messages"]
    if conversation.messages:
        added = [*(added[:1] if options.system is not None else ()), added[-1]]
    return _Asked(asked, added, source)


async def _choose_model(service: Service, asked: Json, template: str) -> str:
    """Set the request's model if it has none, or one of the packaged llms.json that the user's providers lack.

    Providers are asked for their models if the configuration does not have the one that is wanted. `template` is that
    of llms.json from which the request's model comes; empty if the user has named it. Returns the same for the result.
    """
    media_kinds = request.kinds(asked)
    capabilities = [_CAPABILITIES[kind] for kind in media_kinds]
    if not asked.get("model"):
        # A file of --chat may lack it, and so may a template.
        template = media_kinds[0] if media_kinds else models.TEXT
        default = service.startup.llms_json.templates.get(template, {}).get("model")
        asked["model"] = default or models.first(service, capabilities)
    name = asked["model"]
    if not isinstance(name, str) or _is_known(service, name):
        return template
    service.update_models(await service.discover_models())
    if not template or _is_known(service, name):
        return template
    if service.startup.llms_json.path == default_config.PACKAGED:
        asked["model"] = models.first(service, capabilities)
    elif not capabilities and _has_only_embedded(service):
        asked["model"] = models.first(service, capabilities)
        note = f"llms: no provider of '{name}' has a key, so '{asked['model']}' answers; `llms add` sets up a provider"
        click.echo(note, err=True)
    return template


def _has_only_embedded(service: Service) -> bool:
    """Whether the user has no provider yet, as after `llms init` without a key."""
    embedded = default_config.embedded(service.startup.host)
    enabled = [item.id for item in service.startup.configured if item.disabled is None]
    return bool(enabled) and set(enabled) <= set(embedded)


def _is_known(service: Service, name: str) -> bool:
    router = service.router
    return bool(router.models.find(name)) or name in router.routing.fallbacks


async def _fitting(asked: Json, schema: Schema, answers: Answers, reply: Reply) -> Reply:
    """Return an answer that fits: the reply, or that to a second request, which says what is wrong.

    Raises RequestError if neither fits.
    """
    reply = _without_fence(reply)
    reason = schema.mismatch(reply.text)
    if reason is None:
        return reply
    correction = f"That does not fit the JSON schema: {reason}. Answer again, with nothing but JSON that fits it."
    messages = [*asked["messages"], reply.message, {"role": "user", "content": correction}]
    reply = _without_fence(await answers.get({**asked, "messages": messages}))
    reason = schema.mismatch(reply.text)
    if reason is None:
        return reply
    raise RequestError(f"the answer does not fit the schema, twice: {reason}")


def _without_fence(reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, text=without_fence(reply.text))


def _reject_empty(reply: Reply, printer: Printer) -> None:
    """Raise RequestError if there is nothing to print."""
    if reply.text or printer.prints_all:
        return
    printer.stop()
    reason = f"finish_reason '{reply.finish_reason}'"
    raise RequestError(f"the answer has no text ({reason}); --raw shows the whole of it")
