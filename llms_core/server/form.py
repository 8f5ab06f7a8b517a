"""A form that is sent on to a provider while it arrives from the client, with another name of its model.

As much as fits into the replay buffer is read before anything is sent: small forms completely. Sending cannot begin
before the field with the model has been read. If that comes after a large file, the form goes through a temporary file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any

from litestar.types import Receive

from llms_core.contracts.upload import Upload
from llms_core.deadline import Deadline
from llms_core.errors import RequestError
from llms_core.server.disconnect import DisconnectWatcher
from llms_core.server.form_parser import MODEL, FormParser, boundary_of
from llms_core.server.request_body import exceeds
from llms_core.server.spool import ReplayMemory, Spool

#: Values of fields that mean the same as no such field.
_SAME_AS_ABSENT = frozenset({"", "false", "0"})


class IncomingForm:
    """One client's form, whose text fields `names` are read. Must be closed.

    `max_bytes` is its size at most, `seconds` how long the client may send nothing.
    """

    def __init__(
        self,
        receive: Receive,
        watcher: DisconnectWatcher,
        memory: ReplayMemory,
        names: Collection[str],
        *,
        headers: Mapping[bytes, bytes],
        max_bytes: int,
        seconds: float,
    ):
        """Raises RequestError: 415 if the content type is not that of a form, 413 if it is announced as too large."""
        self.content_type = headers.get(b"content-type", b"").decode("latin-1")
        self.parser = FormParser(boundary_of(self.content_type), names)
        if exceeds(headers.get(b"content-length", b""), max_bytes):
            raise _too_large(max_bytes)
        self.spool = Spool(memory)
        self._receive = receive
        self._watcher = watcher
        self._max_bytes = max_bytes
        self._seconds = seconds
        #: Whether a piece is being received. It stays true if that is cancelled.
        self.waits_for_client = False
        self._received = 0
        #: The fields that decided where the form is sent, and how its answer is read; None until they are used.
        self._used_fields: dict[str, str] | None = None

    @property
    def fields(self) -> Mapping[str, str]:
        """The text fields that have arrived."""
        return self.parser.fields

    async def read_ahead(self) -> None:
        """Read as much as is kept in memory, and at least the name of the model.

        Raises RequestError for an invalid form. If the client disconnects, the current task is cancelled.
        """
        while not self.parser.complete:
            data = await self.receive()
            is_full = not self.spool.has_room(len(data))
            if is_full and MODEL not in self.parser.fields:
                await self._spill()
                is_full = False
            await self.spool.add(data, keep=True)
            if is_full:
                break
        self._used_fields = dict(self.parser.fields)

    def upload(self, model: str) -> Upload:
        """Return the form with another name of the model."""
        return _FormUpload(self, model.encode())

    def close(self) -> None:
        """Forget what was kept."""
        self.spool.close()

    async def receive(self) -> bytes:
        """Return what the next piece adds to the form; nothing may be added.

        Raises RequestError if the form is invalid, too large, or stalls.
        """
        deadline = Deadline()
        self.waits_for_client = True
        try:
            with deadline.at(asyncio.get_running_loop().time() + self._seconds):
                message: Any = await self._receive()
        except TimeoutError:
            text = f"Nothing of the form arrived for {self._seconds:g} s"
            raise RequestError(text, status=408, code="request_timeout") from None
        finally:
            deadline.close()
        self.waits_for_client = False
        if message["type"] == "http.disconnect":
            self._watcher.client_gone()
            # Here the task is cancelled.
            await asyncio.sleep(0)
        piece = message.get("body", b"")
        self._received += len(piece)
        if self._received > self._max_bytes:
            raise _too_large(self._max_bytes)
        data = self.parser.feed(piece) if piece else b""
        if not message.get("more_body"):
            data += self.parser.end()
            # From now on the client can only disconnect.
            self._watcher.start()
        self._check_late_fields()
        return data

    async def _spill(self) -> None:
        try:
            await self.spool.spill()
        except OSError as error:
            reason = f"the server has no room for the file: {error}"
            text = f"The field '{MODEL}' must come before the file, because {reason}"
            raise RequestError(text, param=MODEL, code="invalid_form") from None

    def _check_late_fields(self) -> None:
        """Refuse a field that would have changed how the request is served."""
        if self._used_fields is None or len(self._used_fields) == len(self.parser.fields):
            return
        for name, value in self.parser.fields.items():
            if name not in self._used_fields and value.lower() not in _SAME_AS_ABSENT:
                text = f"In a form over [server] replay_buffer, the field '{name}' must come before the file"
                raise RequestError(text, param=name, code="invalid_form")
        self._used_fields = dict(self.parser.fields)


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(f"The form exceeds {max_bytes} bytes", status=413, code="request_too_large")


class _FormUpload:
    """An `Upload`: the form, with the name that a provider has for the model."""

    def __init__(self, form: IncomingForm, model: bytes):
        self.content_type = form.content_type
        self._form = form
        self._model = model
        if form.parser.model_offset is None:
            self._model = form.parser.model_part() + model + b"\r\n"

    @property
    def length(self) -> int | None:
        """The size in bytes, if the client has sent everything."""
        if not self._form.parser.complete:
            return None
        return self._form.parser.size + len(self._model)

    @property
    def repeatable(self) -> bool:
        """Whether everything that the client has sent was kept."""
        return self._form.spool.is_kept

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to send more."""
        return self._form.waits_for_client

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Return what has arrived, then what arrives."""
        spool = self._form.spool
        parser = self._form.parser
        split = parser.model_offset or 0
        async for piece in spool.read(0, split):
            yield piece
        yield self._model
        async for piece in spool.read(split, spool.size):
            yield piece
        while not parser.complete:
            data = await self._form.receive()
            await spool.add(data)
            yield data
