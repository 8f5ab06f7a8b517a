"""A JSON request body that is both raw bytes and a typed view, and never two different things."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE, decode_members
from llms_core.contracts.native import NativeRequest
from llms_core.errors import RequestError

View = TypeVar("View")

Members = Mapping[str, Raw]
"""The top-level members of a JSON object, each as the bytes that were received."""


def divided(members: Members, known: Collection[str]) -> tuple[dict[str, Raw], list[str]]:
    """Return the members that a provider knows, and the names of the others, which it does not get."""
    kept = {name: value for name, value in members.items() if name in known}
    return kept, [name for name in members if name not in known]


class RequestBody(Generic[View]):
    """A request body: `members` are its bytes as the client wrote them, `view` is their typed view.

    The members are the single source of truth. A body is immutable: `with_members` returns a new one and decodes its
    view again, so that a changed message, default or parameter is always what is sent.
    """

    __slots__ = (
        "_decode_view",
        "_members",
        "context",
        "dropped",
        "members",
        "native",
        "untranslatable",
        "view",
    )

    def __init__(
        self,
        members: dict[str, Raw],
        view: View,
        decode_view: Callable[[bytes], View],
        context: Any = None,
        dropped: tuple[str, ...] = (),
        native: NativeRequest | None = None,
        untranslatable: RequestError | None = None,
    ):
        self._members = members
        self._decode_view = decode_view
        self.members: Members = MappingProxyType(members)
        self.view = view
        #: What the dialect has to know about the request when it writes the answer; nobody else reads it.
        self.context = context
        #: Parameters of the client's request that its dialect could not translate; see `UpstreamRequest.dropped`.
        self.dropped = dropped
        #: The request in the client's own protocol, for a provider that speaks it; None if it has to be translated.
        self.native = native
        #: Why only a provider that takes `native` can serve the request; None if every provider can.
        self.untranslatable = untranslatable

    @property
    def model(self) -> str:
        """The model that the client asked for."""
        return self.view.model  # type: ignore[attr-defined, no-any-return]

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.view.stream)  # type: ignore[attr-defined]

    @property
    def written(self) -> Members:
        """The members of the request in the client's own format; those of its translation if that is all there is."""
        return self.members

    @property
    def translation(self) -> RequestBody[View]:
        """The body itself, unless its translation was put off until somebody needs it; see `DeferredBody`."""
        return self

    def with_members(self, changes: Mapping[str, Raw | None]) -> RequestBody[View]:
        """A body with some members replaced; None removes a member.

        It is not what the client wrote any more, so it has no `native` request.

        Raises msgspec.ValidationError if a new value does not fit the view.
        """
        members = self.copy_members()
        for name, value in changes.items():
            if value is None:
                members.pop(name, None)
            else:
                members[name] = value
        view = self.view
        if not changes.keys().isdisjoint(self.view.__struct_fields__):  # type: ignore[attr-defined]
            view = self._decode_view(msgspec.json.encode(members))
        return RequestBody(
            members,
            view,
            self._decode_view,
            self.context,
            self.dropped,
            untranslatable=self.untranslatable,
        )

    def with_context(self, context: Any, dropped: tuple[str, ...] = ()) -> RequestBody[View]:
        """The same body with what its dialect has to remember, and what it could not translate."""
        return RequestBody(
            self._members,
            self.view,
            self._decode_view,
            context,
            dropped,
            self.native,
            self.untranslatable,
        )

    def with_original(
        self, native: NativeRequest, untranslatable: RequestError | None = None
    ) -> RequestBody[View]:
        """The same body with the request in the client's own protocol, and the reason if nobody else can serve it."""
        return RequestBody(
            self._members,
            self.view,
            self._decode_view,
            self.context,
            self.dropped,
            native,
            untranslatable,
        )

    def translated(self) -> RequestBody[View]:
        """The same body for those who read its members and those of the answer: no provider gets `native`."""
        if self.native is None:
            return self
        return RequestBody(
            self._members,
            self.view,
            self._decode_view,
            self.context,
            self.dropped,
            untranslatable=self.untranslatable,
        )

    def copy_members(self) -> dict[str, Raw]:
        """The members as a new dictionary, for an adapter to change and encode."""
        return self._members.copy()

    def copy_view(self) -> View:
        """The view, decoded once more: whatever is done to its lists, the request stays as it is."""
        if not self._members:  # a form, whose fields are not JSON
            return self.view
        return self._decode_view(msgspec.json.encode(self._members))


class DeferredBody(RequestBody[View]):
    """A request in the client's own protocol that is only translated if somebody needs the translation.

    A provider of that protocol does not. Whatever is asked of the body beyond its model and whether it is a stream is
    answered by its translation. `context` is what the dialect has to know about an answer in its own protocol.
    """

    __slots__ = ("_model", "_stream", "_translate", "_translation", "_written")

    def __init__(
        self,
        native: NativeRequest,
        translate: Callable[[], RequestBody[View]],
        *,
        model: str,
        stream: bool,
        context: Any = None,
        written: Members = MappingProxyType({}),
    ):
        """Make a body; `translate` raises RequestError for what cannot be translated.

        `written` are the members of the client's request.
        """
        self.native = native
        self.context = context
        self._model = model
        self._stream = stream
        self._translate = translate
        self._written = written
        self._translation: RequestBody[View] | None = None

    @property
    def model(self) -> str:
        """The model that the client asked for."""
        return self._model

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return self._stream

    @property
    def written(self) -> Members:
        """The members of the client's request."""
        return self._written

    @property
    def translation(self) -> RequestBody[View]:
        """The translation. Raises RequestError if there is none."""
        if self._translation is None:
            self._translation = self._translate()
        return self._translation

    # The members of RequestBody are attributes, because they are read often.

    @property
    def members(self) -> Members:  # type: ignore[override]
        """The members of the translation."""
        return self.translation.members

    @property
    def view(self) -> View:  # type: ignore[override]
        """The view of the translation."""
        return self.translation.view

    @property
    def dropped(self) -> tuple[str, ...]:  # type: ignore[override]
        """The parameters that were not translated, if there is a translation already."""
        if self._translation is None:
            return ()
        return self._translation.dropped

    @property
    def untranslatable(self) -> RequestError | None:  # type: ignore[override]
        """Why there is no translation."""
        try:
            return self.translation.untranslatable
        except RequestError as error:
            return error

    def with_members(self, changes: Mapping[str, Raw | None]) -> RequestBody[View]:
        """A translation with some members replaced."""
        return self.translation.with_members(changes)

    def translated(self) -> RequestBody[View]:
        """The translation."""
        return self.translation

    def copy_members(self) -> dict[str, Raw]:
        """The members of the translation as a new dictionary."""
        return self.translation.copy_members()

    def copy_view(self) -> View:
        """The view of the translation, decoded once more."""
        return self.translation.copy_view()


_MISSING = re.compile(r"Object missing required field `(\w+)`")
_LOCATION = re.compile(r"^(.*) - at `(?:key in )?\$\.?(.*)`$", re.DOTALL)


class BodyDecoder(Generic[View]):
    """Decodes and validates request bodies against the msgspec type of their view.

    `common` is a stricter type for the usual bodies. It is tried first, so that recognizing them costs nothing.
    """

    def __init__(self, view: type[View], common: type[View] | None = None):
        self._decode_view: Callable[[bytes], View] = msgspec.json.Decoder(view).decode
        if common is not None:
            self._decode_view = _first_of(msgspec.json.Decoder(common).decode, self._decode_view)

    def decode(self, data: bytes) -> RequestBody[View]:
        """Return the body. Raises RequestError (400), which names the invalid member."""
        try:
            view = self._decode_view(data)
            members = decode_members(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
        except msgspec.ValidationError as error:
            raise _invalid_member(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(
                f"The request body is not valid JSON: {error}", code="invalid_json"
            ) from None
        except RecursionError:
            raise RequestError(
                "The request body is nested too deeply", code="invalid_json"
            ) from None
        return RequestBody(members, view, self._decode_view)

    def assemble(self, members: dict[str, Raw]) -> RequestBody[View]:
        """Return the body with these members, of a request that was translated from another API's.

        Raises RequestError (400), which names the invalid member.
        """
        try:
            view = self._decode_view(msgspec.json.encode(members))
        except msgspec.ValidationError as error:
            raise _invalid_member(str(error)) from None
        return RequestBody(members, view, self._decode_view)


def _first_of(
    common: Callable[[bytes], View], general: Callable[[bytes], View]
) -> Callable[[bytes], View]:
    def decode(data: bytes) -> View:
        try:
            return common(data)
        except UNREADABLE:
            return general(data)

    return decode


def _invalid_member(text: str) -> RequestError:
    """Split msgspec's `… - at `$.messages[0].role`` into a message and the name of the parameter."""
    found = _LOCATION.match(text)
    message, param = found.groups() if found else (text, "")
    if missing := _MISSING.match(message):
        param = f"{param}.{missing[1]}" if param else missing[1]
        return RequestError(
            f"Missing required parameter: '{param}'", param=param, code="missing_required_parameter"
        )
    if not param:
        return RequestError(f"The request body must be a JSON object: {message}")
    return RequestError(
        f"Invalid value for '{param}': {message}", param=param, code="invalid_value"
    )
