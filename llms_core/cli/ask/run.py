"""Asks one question: from the options of the command line to the printed answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from llms_core.cli import answering, models
from llms_core.cli.answering import Reply
from llms_core.cli.ask import media, request
from llms_core.cli.ask.output import Printer
from llms_core.cli.ask.request import Json, Question
from llms_core.server.service import Service
from llms_core.startup import Startup

log = logging.getLogger(__name__)

#: The capabilities that a model needs for media, by the names of their options.
_CAPABILITIES = {"image": "vision", "audio": "audio", "file": "files"}
#: Characters of a text in the log.
_LOGGED = 200


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options that say what is asked."""

    prompt: str
    model: str | None = None
    system: str | None = None
    #: paths, URLs and data URIs, by the names of their options
    sources: Mapping[str, Sequence[str]] = {}
    chat: str | None = None
    parameters: Mapping[str, Any] = {}


def ask(startup: Startup, options: Options, printer: Printer) -> Reply:
    """Ask, and print the answer. Raises LlmsError, and KeyboardInterrupt after the request has been cancelled."""
    service = Service(startup, keeps_records=True)
    with asyncio.Runner() as runner:
        try:
            return runner.run(_ask(service, options, printer))
        except BaseException:
            printer.stop()
            raise


async def _ask(service: Service, options: Options, printer: Printer) -> Reply:
    async with AsyncExitStack() as stack:
        await service.enter(stack)
        asked = await _request(service, options)
        body = request.body(asked, stream=printer.streams, max_bytes=service.startup.llms_json.max_body)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request: %s", msgspec.json.encode(_shortened(asked)).decode())
        reply = await answering.answer(service, body, printer.write)
        printer.finish(reply)
    return reply


async def _request(service: Service, options: Options) -> Json:
    """Return the request for the options. Raises ConfigError, and Unsupported for media that cannot be fetched."""
    fetcher = media.fetcher()
    parts = {}
    for kind, sources in options.sources.items():
        parts[kind] = [await media.part(fetcher, kind, source) for source in sources]
    question = Question(
        prompt=options.prompt,
        model=options.model,
        system=options.system,
        media=parts,
        parameters=options.parameters,
    )
    if options.chat is not None:
        template = request.from_file(options.chat)
        await media.load(fetcher, template.get("messages") or ())
    else:
        template = request.from_template(service.startup.llms_json.templates, question.template)
    asked = request.completed(template, question)
    model = asked.get("model")
    if not model:
        asked["model"] = models.first(service, [_CAPABILITIES[kind] for kind in parts if parts[kind]])
    elif isinstance(model, str):
        await models.known(service, model)
    return asked


def _shortened(value: Any) -> Any:
    """Return a JSON value with its long texts cut, such as data URIs."""
    match value:
        case str() if len(value) > _LOGGED:
            return f"{value[:_LOGGED]}… ({len(value)} characters)"
        case dict():
            return {name: _shortened(member) for name, member in value.items()}
        case list():
            return [_shortened(each) for each in value]
        case _:
            return value
