"""Finds the images of a request that are too large, and puts smaller ones in their place.

An image that cannot be made smaller is sent as it is: the provider decides about it, as it does without this.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import time
from typing import Any, NamedTuple

from llms_core.cache.store import Store
from llms_core.config.model import ImageLimits
from llms_core.contracts.body import RequestBody
from llms_core.contracts.content import Media, Part, media
from llms_core.contracts.request import ChatRequest
from llms_core.errors import RequestError
from llms_core.images.dimensions import dimensions
from llms_core.images.process import NotResized, resized
from llms_core.operations import FetchMedia
from llms_core.operations.inlining import references, with_references

log = logging.getLogger(__name__)

JPEG = "image/jpeg"
"""The type of what is made: every provider and local server that reads images reads it."""

MAX_IMAGES = 100
"""The most images of one request that are looked at."""

REQUEST_TIMEOUT = 30.0
"""Seconds for all images of one request. Those that are not ready then are sent as they are."""

_TYPES = frozenset({"image_url"})
#: Images that are decoded at the same time, each in a process that may use `process.MAX_MEMORY`.
_CONCURRENT = 2
#: Of smaller images that are kept: in a conversation, the same image comes with every request.
_KEPT_BYTES = 32 * 1024 * 1024
_KEPT_SECONDS = 3600.0
#: What every request with an image has in its JSON, in whichever protocol.
_HINT = b"image"


class _Image(NamedTuple):
    """A file that is too large."""

    data: bytes
    key: bytes


class _Smaller(NamedTuple):
    """A file that was made smaller; empty if that failed, which would fail again."""

    data: bytes


class ImageConverter:
    """Makes images smaller that exceed `limits`."""

    def __init__(self, limits: ImageLimits):
        self.limits = limits
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._store = Store[_Smaller](max_age=_KEPT_SECONDS, max_bytes=_KEPT_BYTES)

    async def fitted(self, body: RequestBody[Any]) -> RequestBody[Any]:
        """Return a request in which no image is too large, or the same if there is none.

        A request that is changed has to be translated, even for a provider of the client's protocol.
        """
        if body.native is not None and _HINT not in body.native.body:
            return body
        try:
            view = body.view
        except RequestError:
            # It has no translation, so that it can only be passed on.
            return body
        if not isinstance(view, ChatRequest) or body.untranslatable is not None:
            return body
        values = [value for _, value in references(view, _TYPES) if value[:5].lower() == "data:"]
        # Each image once, in their order.
        distinct = list(dict.fromkeys(values))[:MAX_IMAGES]
        replacements = await self._replacements(distinct) if distinct else {}
        if replacements:
            return with_references(body, _TYPES, replacements)
        return body

    def fetching(self, fetch: FetchMedia) -> FetchMedia:
        """Return a function that fetches a file like `fetch`, and makes it smaller if it is an image."""

        async def fetch_fitted(url: str, param: str) -> tuple[str, bytes]:
            media_type, data = await fetch(url, param)
            if not media_type.startswith("image/"):
                return media_type, data
            image = await asyncio.to_thread(self._examined, data)
            smaller = None if image is None else await self._smaller(image)
            if smaller is None:
                return (media_type, data)
            return (JPEG, smaller)

        return fetch_fitted

    async def _replacements(self, values: list[str]) -> dict[str, str]:
        """The data URIs of smaller images by those of the images that are too large."""
        tasks = {value: asyncio.create_task(self._replacement(value)) for value in values}
        try:
            _, pending = await asyncio.wait(tasks.values(), timeout=REQUEST_TIMEOUT)
            if pending:
                log.warning(
                    "%d images of a request are sent as they are: there was no time left",
                    len(pending),
                )
            done = {value: task.result() for value, task in tasks.items() if task not in pending}
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return {value: smaller for value, smaller in done.items() if smaller is not None}

    async def _replacement(self, value: str) -> str | None:
        image = await asyncio.to_thread(self._decoded, value)
        smaller = None if image is None else await self._smaller(image)
        if smaller is None:
            return None
        return f"data:{JPEG};base64,{base64.b64encode(smaller).decode()}"

    def _decoded(self, value: str) -> _Image | None:
        """Return the image of a data URI if it is too large."""
        found = media(Part(type="image_url", image_url=value))
        if not isinstance(found, Media) or found.data is None:
            return None
        try:
            return self._examined(base64.b64decode(found.data))
        except ValueError:
            # It is not base64, which the provider will say.
            return None

    def _examined(self, data: bytes) -> _Image | None:
        """Return the image if it is too large."""
        found = dimensions(data)
        if found is None:
            return None
        limits = self.limits
        if found[0] <= limits.width and found[1] <= limits.height and len(data) <= limits.size:
            return None
        return _Image(data, hashlib.sha256(data).digest())

    async def _smaller(self, image: _Image) -> bytes | None:
        """Return an image within the limits; None, with a line in the log, if there is none."""
        async with self._slots:
            # Here, because another request may just have brought the same image.
            kept = self._store.find(image.key, time.monotonic())
            if kept is None:
                kept = _Smaller(await self._resized(image))
                self._store.add(image.key, kept, time.monotonic())
        return kept.data or None

    async def _resized(self, image: _Image) -> bytes:
        try:
            return await resized(image.data, self.limits)
        except (NotResized, OSError) as error:
            log.warning("an image of %d bytes is sent as it is: %s", len(image.data), error)
            return b""
