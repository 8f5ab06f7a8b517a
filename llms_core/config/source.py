"""The text of one llms.json: its members, and messages that name file, line and member."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Literal, TypeGuard, TypeVar, overload

import msgspec
from msgspec import Raw

from llms_core.config import choices
from llms_core.config.comments import as_json
from llms_core.config.locate import (
    JsonPath,
    dotted,
    explained,
    find_duplicate,
    line_of,
    nearest,
)
from llms_core.config.model import LACKS_KEY, NO_KEY, WITHOUT_KEYS
from llms_core.errors import ConfigError

T = TypeVar("T")
RawMembers = dict[str, Raw]
"""The members of a JSON object, each as the JSON that was written."""

DecodeHook = Callable[[type, Any], Any]

_decoder = msgspec.json.Decoder(RawMembers)


class Source:
    """One llms.json while it is read. Raises ConfigErrors, and collects warnings and notes.

    Messages never contain a value of the file: any of them could be a key.
    """

    def __init__(self, data: bytes, path: str, *, strict: bool = False, origin: str = ""):
        """Parse the file's content. Raises ConfigError if it is not a JSON object with distinct names.

        `origin` is the plugin that it comes from, if it is no file: then it has no lines that a user could look up.
        """
        self.path = path
        self.origin = origin
        self.strict = strict
        #: what the user should fix, although the file can be used
        self.warnings: list[str] = []
        #: what has no effect here, and does no harm: llms.py uses it
        self.notes: list[str] = []
        #: what the providers lack that are left out only because they have no key
        self._keyless: dict[JsonPath, str] = {}
        self.text = _decode_text(data, path)
        self.members = self._parse()
        # The rest of the configuration reads an upgraded document (config/llms_py): where it differs from the text,
        # these lead back to what the user wrote.
        self._moved: dict[JsonPath, JsonPath] = {}
        self._added: set[JsonPath] = set()

    def record_move(self, upgraded: JsonPath, written: JsonPath) -> None:
        """Remember that a member of the upgraded document is written elsewhere in the file."""
        self._moved[upgraded] = written

    def record_addition(self, upgraded: JsonPath) -> None:
        """Remember that a member of the upgraded document is not in this file: it comes from llms.py's catalogue."""
        self._added.add(upgraded)

    def error(self, path: JsonPath, message: str, hint: str = "") -> ConfigError:
        """Make an error about a member, for the caller to raise."""
        written = self._written_path(path)
        line = line_of(self.text, written) if written and not self.origin else None
        return ConfigError(message, path=self.path, line=line, field=dotted(written), hint=hint)

    def warn(self, path: JsonPath, message: str, hint: str = "") -> None:
        """Warn about something that the user should fix. What is not in this file is not the user's to fix."""
        if self._addition_in(path) is None:
            self.warnings.append(str(self.error(path, message, hint)))

    def left_out(self, path: JsonPath, reason: str) -> None:
        """Warn of a provider that cannot be used at present; later, and together, if all that it lacks is a key."""
        if reason.startswith(LACKS_KEY):
            self._keyless[path] = reason.removeprefix(f"{NO_KEY}: ")
        else:
            self.warn(path, f"left out: {reason}")

    def warn_of_missing_keys(self) -> None:
        """Warn once of all providers without a key: a file such as that of `llms init` has a dozen of them."""
        keyless = {
            path: lack for path, lack in self._keyless.items() if self._addition_in(path) is None
        }
        if len(keyless) == 1:
            [(path, lack)] = keyless.items()
            self.warn(path, f"left out: {NO_KEY}: {lack}")
        elif keyless:
            listed = ", ".join(f"{path[-1]} ({lack})" for path, lack in keyless.items())
            self.warn(("providers",), f"{WITHOUT_KEYS}: {listed}")

    def note(self, path: JsonPath, message: str) -> None:
        """Note a member that has no effect here, but is there for llms.py."""
        self.notes.append(str(self.error(path, message)))

    def report(self, path: JsonPath, message: str, hint: str = "") -> None:
        """Warn. Raises ConfigError instead if the file is read strictly."""
        if self.strict:
            raise self.error(path, message, hint)
        self.warn(path, message, hint)

    def tolerate(self, error: ConfigError) -> None:
        """Warn of an error that concerns one provider alone. Raises it instead if the file is read strictly."""
        if self.strict:
            raise error
        self.warnings.append(str(error))

    def known_members(
        self, members: RawMembers, names: Collection[str], path: JsonPath
    ) -> RawMembers:
        """Return the members whose names are known, and report the others (K-24)."""
        known = {}
        for name, value in members.items():
            if name in names:
                known[name] = value
            else:
                self.report((*path, name), "unknown member, ignored", did_you_mean(name, names))
        return known

    def members_of(self, raw: Raw | bytes, path: JsonPath) -> RawMembers:
        """Decode an object into its members. Raises ConfigError if it is not an object."""
        return self.decode(raw, RawMembers, path)

    @overload
    def decode(
        self,
        raw: Raw | bytes,
        kind: type[T],
        path: JsonPath,
        hook: DecodeHook | None = None,
    ) -> T: ...
    @overload
    def decode(
        self, raw: Raw | bytes, kind: Any, path: JsonPath, hook: DecodeHook | None = None
    ) -> Any: ...

    def decode(
        self, raw: Raw | bytes, kind: Any, path: JsonPath, hook: DecodeHook | None = None
    ) -> Any:
        """Decode a value of a type. Raises ConfigError that names the wrong member."""

        def check(value: Any) -> object:
            return msgspec.json.decode(msgspec.json.encode(value), type=kind, dec_hook=hook)

        try:
            return msgspec.json.decode(raw, type=kind, dec_hook=hook)
        except msgspec.ValidationError as error:
            message, steps = explained(error, msgspec.json.decode(raw), check)
            message, steps, hint = choices.explained(message, steps, kind)
            raise self.error((*path, *steps), message, hint) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise self.error(path, f"not valid JSON: {error}") from None

    def _written_path(self, path: JsonPath) -> JsonPath:
        """The path in the user's file of a member of the upgraded document."""
        addition = self._addition_in(path)
        if addition is not None:
            return addition[:-1]
        for length in range(len(path), 0, -1):
            written = self._moved.get(path[:length])
            if written is not None:
                return (*written, *path[length:])
        return path

    def _addition_in(self, path: JsonPath) -> JsonPath | None:
        for length in range(1, len(path) + 1):
            if path[:length] in self._added:
                return path[:length]
        return None

    def _parse(self) -> RawMembers:
        """Return the top-level members. Python's parser comes first, for its line numbers and duplicate names."""
        if not self.text.strip():
            raise ConfigError(
                "the file is empty", path=self.path, hint='the minimum is {"providers": {}}'
            )
        try:
            top = self._top()
        except json.JSONDecodeError as error:
            raise self._syntax_error(error) from None
        except _DuplicateNameError:
            raise self._duplicate_error() from None
        except RecursionError:
            raise ConfigError("the JSON is nested too deeply", path=self.path) from None
        except ValueError as error:
            raise ConfigError(f"not valid JSON: {error}", path=self.path) from None
        if not isinstance(top, dict):
            raise ConfigError(
                "the file has to contain a JSON object",
                path=self.path,
                hint='{"providers": {…}}',
            )
        try:
            return _decoder.decode(self.text.encode())
        except (msgspec.DecodeError, RecursionError) as error:
            # msgspec refuses a few things that Python accepts, such as half of a surrogate pair.
            raise ConfigError(f"not valid JSON: {error}", path=self.path) from None

    def _top(self) -> Any:
        """Parse the text, which may have comments and trailing commas: then it is replaced by one without them."""
        parse = partial(json.loads, object_pairs_hook=_distinct, parse_constant=_reject_constant)
        try:
            return parse(self.text)
        except json.JSONDecodeError:
            self.text = as_json(self.text)
            return parse(self.text)

    def _syntax_error(self, error: json.JSONDecodeError) -> ConfigError:
        after = self.text[error.pos :].lstrip(" \t\r\n,")
        hint = ""
        if after.startswith("#"):
            hint = "comments begin with //"
        elif after.startswith("/*"):
            hint = "this comment does not end"
        message = f"not valid JSON: {error.msg}, column {error.colno}"
        return ConfigError(message, path=self.path, line=error.lineno, hint=hint)

    def _duplicate_error(self) -> ConfigError:
        message = "an object has two members of the same name"
        hint = "rename or remove one of the two"
        found = find_duplicate(self.text)
        if found is None:
            return ConfigError(message, path=self.path, hint=hint)
        message = (
            f"the member is defined twice, in lines {found.first_line} and {found.second_line}"
        )
        return ConfigError(
            message,
            path=self.path,
            line=found.second_line,
            field=dotted(found.path),
            hint=hint,
        )


def is_given(raw: Raw | None) -> TypeGuard[Raw]:
    """Whether a member exists and is not null, which is the same as absent."""
    return raw is not None and bytes(raw) != b"null"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A hint that names the most similar known name; empty if there is none."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else ""


class _DuplicateNameError(Exception):
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _DuplicateNameError
    return members


def _reject_constant(name: str) -> Literal[0]:
    """Reject NaN and Infinity, which Python's parser accepts."""
    raise ValueError(f"{name} is not valid in JSON")


def _decode_text(data: bytes, path: str) -> str:
    """Decode UTF-8, with or without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError("the file is UTF-16", path=path, hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the file is not UTF-8", path=path, line=line, hint="save it as UTF-8"
        ) from None
