"""The log of the server and of the command line: on stderr, without secrets, as text or as JSON."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

import msgspec

from llms_core.routing.trace import current_trace
from llms_core.secret import redact
from llms_core.server.stderr import StderrHandler

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


notices = logging.getLogger("llms_core.notices")
"""What the user of the terminal should know, whatever the level of the log is."""


class _RedactingFormatter(logging.Formatter):
    """Removes known secrets from log lines and their tracebacks.

    A provider's text may contain line breaks and control characters: only the first line of a record may look like one.
    """

    def __init__(self, prefix: str):
        super().__init__(_FORMAT)
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        text = _notice(record) if record.name == notices.name else super().format(record)
        text = _CONTROL_CHARACTERS.sub("?", text)
        return self._prefix + redact(text.replace("\n", "\n    "))


def _notice(record: logging.LogRecord) -> str:
    """A line like those of commands: it is read by somebody, and not searched."""
    label = "llms: warning" if record.levelno > logging.INFO else "llms"
    return f"{label}: {record.getMessage()}"


class _Line(msgspec.Struct, omit_defaults=True):
    """One line of the log as JSON. Members without a value are left out."""

    time: datetime
    level: str
    logger: str
    message: str
    #: The process, because workers share a log.
    pid: int | None
    #: The request in whose course it was logged, and the trace that it belongs to.
    request_id: str = ""
    trace_id: str = ""
    #: The traceback.
    exception: str = ""
    #: The text of `--logprefix`.
    prefix: str = ""


class _JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON, without known secrets."""

    def __init__(self, prefix: str):
        super().__init__()
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        line = _Line(
            time=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname.lower(),
            logger=record.name,
            message=_redacted(record.getMessage()),
            pid=record.process,
            exception=_redacted(self._traceback(record)),
            prefix=self._prefix,
        )
        trace = current_trace.get()
        if trace is not None:
            line.request_id = trace.id
            line.trace_id = trace.trace_id
        return msgspec.json.encode(line).decode()

    def _traceback(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


def _redacted(text: str) -> str:
    # Bytes of a command line or an environment that are no UTF-8 cannot be written as JSON.
    return redact(text).encode(errors="backslashreplace").decode()


def configure(level: int, prefix: str = "", *, as_json: bool = False) -> None:
    """Log our own records from `level`, those of libraries from WARNING or `level`; each begins with `prefix`.

    Notices are always there. With `as_json`, each is a line of JSON.
    """
    formatter = _JsonFormatter(prefix) if as_json else _RedactingFormatter(prefix)
    handler = StderrHandler(formatter)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("llms_core").setLevel(level)
    notices.setLevel(min(level, logging.INFO))
    # What Python itself would write to stderr.
    logging.captureWarnings(as_json)
