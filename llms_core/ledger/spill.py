"""Files in which records wait while the database is not available: one for each batch.

A file is written under another name and renamed, so that it is whole or not there. Any worker may take any file, as a
batch that is written twice counts once; so the files of a worker that was killed are not lost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from llms_core.records import RequestRecord

log = logging.getLogger(__name__)

_SUFFIX = ".spill"
_UNREADABLE = ".unreadable"


def _plain(value: Any) -> Any:
    """msgspec encodes no mapping but dict."""
    return dict(value)


Texts = tuple[str, float, str, str]
"""The id of a request, when it began, its text and that of its answer."""


class Waiting(msgspec.Struct, frozen=True):
    """What waits to be written."""

    records: Sequence[RequestRecord]
    #: Those of any requests; only with `[ledger] content`.
    texts: Sequence[Texts] = ()


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
# Files of earlier versions have nothing but records.
_decode = msgspec.msgpack.Decoder(list[RequestRecord] | Waiting).decode


class Spill:
    """A folder of such files."""

    def __init__(self, folder: Path, max_bytes: int):
        self._folder = folder
        self._max_bytes = max_bytes
        self._number = 0

    def put(self, batch: str, waiting: Waiting) -> int:
        """Write a batch. Raises OSError if it cannot be kept.

        Returns the number of records that no file can hold, because a plugin put something else into them than text.
        """
        encodable = [record for record in waiting.records if _is_encodable(record)]
        data = _encode(Waiting(encodable, waiting.texts))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Texts are a hundred times as long as requests, which are to find room in any case.
        max_bytes = self._max_bytes // 2 if waiting.texts else self._max_bytes
        if self.size() + len(data) > max_bytes:
            raise OSError(
                f"the files in {self._folder} have reached their limit, [ledger] max_spill"
            )
        # Sorted by name, the files of one worker are in the order in which they were written.
        self._number += 1
        path = self._folder / f"{os.getpid()}-{self._number:08}-{batch}{_SUFFIX}"
        own = path.with_suffix(".part")
        try:
            descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            own.replace(path)
        except OSError:
            own.unlink(missing_ok=True)
            raise
        return len(waiting.records) - len(encodable)

    def waiting(self) -> list[Path]:
        """Return the files."""
        try:
            return sorted(self._folder.glob(f"*{_SUFFIX}"))
        except OSError:
            return []

    def size(self) -> int:
        """The bytes of all files."""
        return sum(_size(path) for path in self.waiting())

    def take(self, path: Path) -> tuple[str, Waiting] | None:
        """Return a batch and its number; None if another worker has written it, or if it cannot be read."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            found = _decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            log.error("%s is not read any more: %s", path, error)
            path.replace(path.with_suffix(_UNREADABLE))
            return None
        return path.stem.rpartition("-")[2], found if isinstance(found, Waiting) else Waiting(found)

    def remove(self, path: Path) -> None:
        """Remove a file whose records are in the database."""
        path.unlink(missing_ok=True)


def _is_encodable(record: RequestRecord) -> bool:
    try:
        _encode(record)
    except (UnicodeEncodeError, TypeError, OverflowError) as error:
        log.error("the ledger cannot hold request %s: %s", record.request_id, error)
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another worker has just removed it
        return 0
