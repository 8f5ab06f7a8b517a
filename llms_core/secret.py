"""Secrets: values that appear in no log, error, header or repr."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter values would redact ordinary words.
_MIN_LENGTH = 6

# Secrets that were obtained at run time.
_MAX_RECENT = 64

_PERCENT_CODE = re.compile("%[0-9A-F]{2}")
_SPECIAL = re.compile(r"[^A-Za-z0-9.,_-]")
_UNSAFE_IN_HTML = re.compile("[<>&='+]")

# A printable character of ASCII as URLs, HTML and JSON may escape it, once or several times.
_ESCAPED = re.compile(
    r"%(?:25)*(?P<url>[2-7][0-9a-f])"
    r"|&(?:amp;)*(?:#x0*(?P<hex>[2-7][0-9a-f])|#0*(?P<decimal>[3-9][0-9]|1[01][0-9]|12[0-6])|(?P<name>amp|lt|gt|quot|apos));"
    # From the first of several backslashes on, because searching from each would take quadratic time.
    r"|(?<!\\)\\+(?:u00(?P<json>[2-7][0-9a-f])|x(?P<string>[2-7][0-9a-f])|(?P<itself>[/\"']))",
    re.IGNORECASE,
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
# The most characters that stand for one, unless it is escaped several times.
_MAX_ESCAPE = 6

# The last word of the names of headers, and of parameters in a URL, that carry credentials.
_CREDENTIAL_NAMES = frozenset(
    {"authorization", "key", "token", "secret", "cookie", "apikey", "auth", "password"}
)


class Secret:
    """A string that is masked wherever it is printed; `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """Return the value. Only for the header of an upstream request."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Replaces every known secret in a text by the mask, also where it is encoded as URLs, HTML or base64 encode it.

    Secrets are added as the configuration is read, and as the credentials of a request turn up that failed.
    """

    def __init__(self, secrets: Iterable[Secret] = ()):
        #: The secrets, each with its forms.
        self._known: dict[str, set[str]] = {}
        #: Those that were obtained at run time, such as tokens that expire; the latest last.
        self._recent: dict[str, set[str]] = {}
        #: All forms of all secrets, the longest first: a secret may begin with another one.
        self._forms: tuple[str, ...] = ()
        #: Characters of the longest form, or of the longest secret if each of its characters is escaped.
        self._longest = 0
        # The files are read in another thread while requests are served.
        self._lock = threading.Lock()
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        """Redact these secrets from now on, except values shorter than six characters."""
        with self._lock:
            new = {value: _forms(value) for value in _values(secrets) if value not in self._known}
            if new:
                self._known.update(new)
                self._update()

    def add_recent(self, secrets: Iterable[Secret]) -> None:
        """Redact these secrets, of which there may be any number in the course of time: the oldest are forgotten."""
        values = _values(secrets)
        with self._lock:
            new = {
                value: _forms(value)
                for value in values
                if value not in self._known and value not in self._recent
            }
            if not new:
                return
            self._recent.update(new)
            for value in list(self._recent)[:-_MAX_RECENT]:
                del self._recent[value]
            self._update()

    def __call__(self, text: str) -> str:
        """Return the text with every known secret masked.

        If characters of a secret are escaped one by one, as every template engine does it for others, the text is
        returned without any escapes.
        """
        masked = self._masked(text)
        if "%" in masked or "&" in masked or "\\" in masked:
            plain = _ESCAPED.sub(_unescaped, masked)
            masked_plain = self._masked(plain)
            if masked_plain != plain:
                return masked_plain
        return masked

    def _masked(self, text: str) -> str:
        # One search per form is faster than a pattern of them all, and there is nothing to compile.
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def truncated(self, text: str, max_length: int) -> str:
        """Return the beginning of the text, redacted: also of a secret that the cut would leave a part of."""
        if len(text) <= max_length:
            return self(text)
        longest = self._longest
        # Only as much as may be shown is searched, because the text may be very long.
        start = text[: max_length + longest]
        redacted = self(start)
        # The last characters may be the beginning of a secret that continues behind `start`.
        is_complete = len(start) == len(text)
        shown = len(redacted) if is_complete else len(redacted) - longest
        if shown > 0:
            return redacted[: min(shown, max_length)]
        return ""

    def _update(self) -> None:
        forms = set().union(*self._known.values(), *self._recent.values())
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        escaped = [len(value) * _MAX_ESCAPE for value in (*self._known, *self._recent)]
        self._longest = max([len(self._forms[0]), *escaped]) if self._forms else 0


def _values(secrets: Iterable[Secret]) -> list[str]:
    values = [secret.reveal() for secret in secrets]
    return [value for value in values if len(value) >= _MIN_LENGTH]


def _forms(value: str) -> set[str]:
    """Return the forms in which a secret may be repeated: as it is, and encoded for URLs, HTML, JSON and in base64."""
    # A variable of the environment may hold bytes that are no UTF-8, which Python reads as surrogates.
    data = value.encode(errors="surrogatepass")
    percent_encoded = {quote(data, safe=""), quote(data), quote_plus(data)}
    lower_case = {_PERCENT_CODE.sub(lambda code: code[0].lower(), text) for text in percent_encoded}
    forms = (
        {value}
        | percent_encoded
        | lower_case
        | _html_forms(value)
        | _json_forms(value)
        | _base64_forms(data)
    )
    return {form for form in forms if len(form) >= _MIN_LENGTH}


def _unescaped(found: re.Match[str]) -> str:
    """Return the character that an escape stands for."""
    match found.lastgroup:
        case "name":
            return _NAMED[found["name"].lower()]
        case "decimal":
            return chr(int(found["decimal"]))
        case "itself":
            return found["itself"]
        case _:
            return chr(int(found[found.lastgroup or ""], 16))


def _html_forms(value: str) -> set[str]:
    escaped = html.escape(value)
    # The apostrophe as Python, JavaScript's libraries and PHP write it.
    apostrophes = ("&#x27;", "&#39;", "&#039;")
    forms = {html.escape(value, quote=False)} | {
        escaped.replace("&#x27;", each) for each in apostrophes
    }
    # Special characters as numbers.
    forms.add(_SPECIAL.sub(lambda found: f"&#{ord(found[0])};", value))
    forms.add(_SPECIAL.sub(lambda found: f"&#x{ord(found[0]):x};", value))
    forms.add(_SPECIAL.sub(lambda found: f"&#x{ord(found[0]):X};", value))
    return forms


def _json_forms(value: str) -> set[str]:
    escaped = json.dumps(value)[1:-1]
    # As PHP and Gson write it.
    for_html = _UNSAFE_IN_HTML.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)
    return {escaped, escaped.replace("/", "\\/"), for_html}


def _base64_forms(data: bytes) -> set[str]:
    """Return what base64 makes of the secret at each offset in a longer text, such as `user:secret` for Basic."""
    forms = set()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode()
        # Without the characters that also encode bytes next to the secret; and as it is at the end of a text.
        start = (offset * 8 + 5) // 6
        end = (offset + len(data)) * 8 // 6
        forms |= {encoded[start:end], encoded[start:]}
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


def names_credential(name: str) -> bool:
    """Whether a header or a parameter of a URL with this name usually holds a secret."""
    return name.lower().replace("_", "-").rpartition("-")[2] in _CREDENTIAL_NAMES


redact = Redactor()
"""The secrets of this process. The log formatter and every error body use it."""
