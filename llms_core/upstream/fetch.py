"""Fetches media that a request names by URL, for adapters whose provider takes only bytes (SR-036).

A URL comes from a client, so this must not become a way to reach what only this machine can reach. Only http(s) URLs
with public addresses are requested, and each redirect is checked like the URL itself; see `addresses` and
`guarded_session`. Size and time are limited. Nothing of the client's request is sent.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from llms_core.errors import ProviderError, Unsupported
from llms_core.secret import redact
from llms_core.upstream.addresses import AddressPolicy, Refused
from llms_core.upstream.local_limits import local_limit
from llms_core.upstream.url import Url, parse_url

# Imported when the first file is fetched: most gateways never fetch one.
if TYPE_CHECKING:
    from llms_core.upstream.guarded_session import GuardedResponse, GuardedSession

MAX_FILE_BYTES = 20 * 1024 * 1024
"""The most bytes of one file."""

FETCH_TIMEOUT = 20.0
"""Seconds for one file, including redirects."""

# Signed URLs have up to a few thousand characters.
_MAX_URL = 16 * 1024
_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

_MEDIA_TYPES = (
    "image/",
    "audio/",
    "video/",
    "text/plain",
    "text/csv",
    "text/markdown",
    "application/pdf",
    "application/msword",
    "application/vnd.ms-",
    "application/vnd.openxmlformats-",
)

# A media type becomes a part of a data URI, so it must not contain other characters.
_VALID_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")

# Object stores send these for any file, so the file's name is used instead.
_GENERIC_TYPES = ("", "application/octet-stream", "binary/octet-stream")


class Fetcher:
    """Fetches media. `allowed` are networks that may be connected to although they are not public."""

    def __init__(
        self,
        allowed: Sequence[str] = (),
        *,
        max_bytes: int = MAX_FILE_BYTES,
        timeout: float = FETCH_TIMEOUT,
    ):
        self._policy = AddressPolicy(allowed)
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._session: GuardedSession | None = None

    async def fetch(self, url: str, param: str) -> tuple[str, bytes]:
        """Return the media type and the bytes of a file.

        Raises Unsupported, naming `param`, if that fails; RequestError (503) if this machine is out of sockets.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(url)
        except Refused as error:
            reason = str(error)
        except TimeoutError:
            reason = f"it did not arrive within {self._timeout:g} s"
        except (ProviderError, OSError, ValueError) as error:
            overloaded = local_limit(error)
            if overloaded is not None:
                raise overloaded from None
            # Not the exception's text: it may contain the URL, which may be signed (SR-066).
            reason = "it cannot be fetched"
        raise Unsupported(f"The file named by '{param}' was not fetched: {reason}", param=param)

    async def _follow(self, url: str) -> tuple[str, bytes]:
        """Request a URL and follow its redirects, each of which is checked like the URL itself."""
        session = self._open_session()
        for _ in range(_MAX_REDIRECTS + 1):
            parsed = self._check_url(url)
            async with await session.get(parsed) as response:
                redirect = _redirect(url, response)
                if redirect is None:
                    return await self._read(parsed, response)
                url = redirect
        raise Refused(f"it was redirected more than {_MAX_REDIRECTS} times")

    def _open_session(self) -> GuardedSession:
        if self._session is None:
            try:
                from llms_core.upstream.guarded_session import GuardedSession
            except ModuleNotFoundError:
                raise Refused("it cannot be fetched without the package httptools") from None
            self._session = GuardedSession(self._policy)
        return self._session

    def _check_url(self, url: str) -> Url:
        """Parse a URL. Raises Refused unless it is http(s) without credentials, with a host that may be connected to.

        Raises ValueError if it is invalid in another way.
        """
        # Also because urllib keeps the URLs that it has parsed last.
        if len(url) > _MAX_URL:
            raise Refused(f"its URL is longer than {_MAX_URL} characters")
        parts = urlsplit(url)
        host = parts.hostname or ""
        # Even if they are empty.
        has_credentials = "@" in parts.netloc
        has_valid_host = host and "%" not in host
        if parts.scheme not in ("http", "https") or has_credentials or not has_valid_host:
            raise Refused("it is not a plain http(s) URL")
        parsed = parse_url(url)
        # A host that is an address is not resolved, so the resolver does not check it.
        self._policy.check_host(parsed.host)
        return parsed

    async def _read(self, url: Url, response: GuardedResponse) -> tuple[str, bytes]:
        """Return the media type and the bytes of a response."""
        if response.status != 200:
            raise Refused(f"its server answered with status {response.status}")
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise Refused("it is compressed, although that was not requested")
        media_type = _media_type(response.headers.get("content-type", ""), url)
        return media_type, await self._read_body(response)

    async def _read_body(self, response: GuardedResponse) -> bytes:
        """Return the body. Raises Refused as soon as it is announced or found to be too large."""
        too_large = Refused(f"it exceeds {self._max_bytes} bytes")
        # The parser has checked that it is a number.
        if int(response.headers.get("content-length", "0")) > self._max_bytes:
            raise too_large
        pieces = []
        size = 0
        while piece := await response.read():
            size += len(piece)
            if size > self._max_bytes:
                raise too_large
            pieces.append(piece)
        return b"".join(pieces)


def _redirect(url: str, response: GuardedResponse) -> str | None:
    """Return the URL that a response redirects to; None if it is not a redirect."""
    location = response.headers.get("location")
    if location is None or response.status not in _REDIRECT_STATUSES:
        return None
    return urljoin(url, location)


def _media_type(header: str, url: Url) -> str:
    """Return the media type of the content-type header or, if that is generic, of the file name in the URL.

    Raises Refused unless it is one of media: a page of HTML, for example, would be given to the model to read.
    """
    media_type = header.partition(";")[0].strip().lower()
    if media_type in _GENERIC_TYPES:
        guessed_type, _ = mimetypes.guess_type(url.path)
        media_type = guessed_type or media_type
    if not media_type.startswith(_MEDIA_TYPES) or not _VALID_TYPE.fullmatch(media_type):
        raise Refused(f"its content type '{redact.truncated(media_type, 100)}' is not supported")
    return media_type
