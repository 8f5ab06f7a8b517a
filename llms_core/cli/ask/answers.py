"""The requests of one question and their answers, printed while they arrive."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import click
import msgspec

from llms_core.cli import answering, models
from llms_core.cli.answering import Failed, Reply
from llms_core.cli.ask import request, usage
from llms_core.cli.ask.output import Printer
from llms_core.cli.ask.request import Json
from llms_core.server.service import Service

log = logging.getLogger(__name__)

_NOT_FOUND = 404
#: Seconds after which the provider has the request.
_REQUEST_IS_SENT = 0.05
#: Characters of a text in the log.
_LOGGED = 200


class Answers:
    """Sends the requests of one question, of which there are two if the first answer does not fit a schema."""

    def __init__(self, service: Service, printer: Printer, template: str = ""):
        """`template` is that of llms.json from which the request's model comes; empty if the user named the model."""
        self._service = service
        self._printer = printer
        self._template = template
        self._requests: list[answering.Request] = []

    async def get(self, asked: Json) -> Reply:
        """Return the answer to a request. Raises Failed, ConfigError and RequestError."""
        service, printer = self._service, self._printer
        body = request.body(
            asked, stream=printer.streams, max_bytes=service.startup.llms_json.max_body
        )
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request: %s", msgspec.json.encode(_shortened(asked)).decode())
        self._requests.append(answering.Request(service, body, printer.write))
        preparing = asyncio.get_running_loop().call_later(_REQUEST_IS_SENT, printer.prepare)
        try:
            return await self._requests[-1].answer()
        except Failed as error:
            printer.stop()
            raise self._explained(error, asked) from None
        except BaseException:
            printer.stop()
            raise
        finally:
            preparing.cancel()

    def partial(self) -> Reply | None:
        """Return what has arrived of an answer that was cancelled; None if nothing has."""
        if not self._requests:
            return None
        last = self._requests[-1]
        if last.record is None or not last.text:
            return None
        return Reply(
            last.text, "interrupted", {"role": "assistant", "content": last.text}, b"", last.record
        )

    def show_usage(self) -> None:
        """Print tokens, cost and providers of all requests to stderr."""
        for each in self._requests:
            if each.record is not None:
                click.echo("\n".join(usage.lines(each.record)), err=True)

    def _explained(self, error: Failed, asked: Json) -> Failed:
        """Return the error with what helps the user, if no provider has the request's model."""
        record = error.record
        if record.status != _NOT_FOUND or record.attempts:
            return error
        return Failed(
            f"{error}\n{models.explanation(self._service, str(asked['model']), self._template)}",
            record,
        )


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
