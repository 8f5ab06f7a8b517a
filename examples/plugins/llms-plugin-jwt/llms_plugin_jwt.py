"""Lets in callers with JSON Web Tokens, as an identity provider signs them."""

from __future__ import annotations

from collections.abc import Mapping

import jwt
import msgspec

from llms_core import RequestError, hookimpl
from llms_core.plugins.settings import PluginSettings
from llms_core.records import Caller
from llms_core.secret import Secret


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.jwt]` of plugins.toml."""

    #: What the tokens are signed with (HS256), such as `$JWT_SECRET`.
    secret: Secret
    #: Whom the tokens are for.
    audience: str
    issuer: str


class Verifier:
    """Tells whose token it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def caller(self, token: str) -> Caller | None:
        """Return the token's subject; None if it is not signed for us. Raises RequestError if it is too old."""
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                settings.secret.reveal(),
                # A list of one: a token must not choose the algorithm, least of all "none".
                algorithms=["HS256"],
                audience=settings.audience,
                issuer=settings.issuer,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            message = "The token has expired; ask your identity provider for a new one"
            raise RequestError(
                message, status=401, type="authentication_error", code="token_expired"
            ) from None
        except jwt.InvalidTokenError:
            return None
        return Caller(claims["sub"])


_verifiers: list[Verifier] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    _verifiers[:] = [Verifier(settings.decode(Settings))]


@hookimpl
def llms_authenticate(headers: Mapping[str, str]) -> Caller | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.count(".") != 2:
        return None
    return _verifiers[0].caller(token)
