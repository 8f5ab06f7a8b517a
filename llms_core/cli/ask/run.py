"""Asks a question: from the options of the command line to the printed answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from llms_core.cli import models
from llms_core.cli.answering import Reply
from llms_core.cli.ask import media, request
from llms_core.cli.ask.answers import Answers
from llms_core.cli.ask.output import Printer
from llms_core.cli.ask.request import Json, Question
from llms_core.cli.ask.schema import Schema, without_fence
from llms_core.cli.conversation import Conversation
from llms_core.default_config import PACKAGED
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


async def ask(service: Service, conversation: Conversation, options: Options, printer: Printer) -> None:
    """Ask, and print the answer. Raises LlmsError: ConfigError before anything is sent.

    If it is cancelled, the part of the answer that has arrived belongs to the conversation.
    """
    asked, added = await _request(service, conversation, options)
    answers = Answers(service, printer)
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


async def _request(service: Service, conversation: Conversation, options: Options) -> tuple[Json, list[Json]]:
    """Return the request, and those of its messages that are new. Raises ConfigError and RequestError."""
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
    asked = request.completed(template, question, conversation.messages)
    if options.schema is not None:
        asked["response_format"] = options.schema.response_format
    await _choose_model(service, asked, options, [_CAPABILITIES[kind] for kind in parts if parts[kind]])
    added = asked["messages"]
    if conversation.messages:
        added = [*(added[:1] if options.system is not None else ()), added[-1]]
    return asked, added


async def _choose_model(service: Service, asked: Json, options: Options, capabilities: Sequence[str]) -> None:
    """Set the request's model if it has none, or one of the packaged llms.json that the user's providers lack.

    Providers are asked for their models if the configuration does not have the one that was named.
    """
    name = asked.get("model")
    if not name:
        asked["model"] = models.first(service, capabilities)
        return
    if not isinstance(name, str) or _is_known(service, name):
        return
    service.update_models(await service.discover_models())
    was_chosen = options.model is not None or options.chat is not None
    if not was_chosen and service.startup.llms_json.path == PACKAGED and not _is_known(service, name):
        asked["model"] = models.first(service, capabilities)


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
