"""Requests with files: a form that the client is still sending, and the body that a provider gets of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol


class Upload(Protocol):
    """A request body that is sent to a provider while it arrives from the client."""

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""

    @property
    def length(self) -> int | None:
        """The size in bytes; None as long as the client is sending."""

    @property
    def repeatable(self) -> bool:
        """Whether it can still be sent from its beginning."""

    @property
    def waits_for_client(self) -> bool:
        """Whether the client, and not the provider, is what takes time now."""

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Return the body from its beginning.

        Raises RequestError for a body that is invalid, too large or stalls. If the client disconnects, the current task
        is cancelled.
        """


class Form(Protocol):
    """A `multipart/form-data` body whose first part has been read, at least as far as the name of the model."""

    @property
    def fields(self) -> Mapping[str, str]:
        """The text fields that the dialect asked for, as far as they have arrived."""

    def upload(self, model: str) -> Upload:
        """Return the form with another name of the model."""
