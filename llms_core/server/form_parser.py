"""Parses a multipart form while it arrives, and writes it down again without the name of its model.

A form is written from what was parsed, not copied: what the gateway has read is exactly what the provider reads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from llms_core.errors import RequestError

MODEL = "model"

_MAX_PARTS = 1000
#: Bytes of a text field that is read here. All others pass through, whatever their size.
_MAX_FIELD = 4096
_MAX_BOUNDARY = 200


def boundary_of(content_type: str) -> str:
    """Return the boundary that a Content-Type header names. Raises RequestError if it is not that of a form."""
    media_type, options = parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    if media_type != "multipart/form-data" or not boundary:
        message = (
            "The request must be a form: send `Content-Type: multipart/form-data` with a boundary"
        )
        raise RequestError(message, status=415, code="unsupported_media_type")
    if len(boundary) > _MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise RequestError("The form's boundary is invalid", code="invalid_form")
    return boundary


class FormParser:
    """Parses one form. `names` are the text fields to read, besides the model's name."""

    def __init__(self, boundary: str, names: Collection[str]):
        #: The text fields that are complete, by name.
        self.fields: dict[str, str] = {}
        #: Where in the output the name of the model belongs; None if there was no such field yet.
        self.model_offset: int | None = None
        #: Bytes of the output so far.
        self.size = 0
        #: Whether the end of the form has been parsed.
        self.complete = False
        self.delimiter = b"--" + boundary.encode()
        self._names = {MODEL, *names}
        # Not strict, which would refuse what may follow the last boundary. Whatever is odd is not written down again.
        self._parser = PushMultipartParser(boundary, max_segment_count=_MAX_PARTS)
        self._output: list[bytes] = []
        #: The name of the text field that is being read; empty for a part that passes through.
        self._name = ""
        self._value = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what a piece adds to the output. Raises RequestError if the form is invalid."""
        try:
            for event in self._parser.parse(piece):
                if event is None:
                    self._end_part()
                elif isinstance(event, MultipartSegment):
                    self._begin_part(event)
                else:
                    self._add(bytes(event))
        except MultipartError as error:
            raise RequestError(f"The form is invalid: {error}", code="invalid_form") from None
        return self._take()

    def model_part(self) -> bytes:
        """Return the beginning of a part for the name of the model, for a form that has none."""
        return _head(self.delimiter, [("Content-Disposition", f'form-data; name="{MODEL}"')])

    def end(self) -> bytes:
        """Return the end of the output. Raises RequestError if the form is not complete."""
        try:
            self._parser.close()
        except MultipartError:
            raise RequestError(
                "The form ended before its last boundary", code="invalid_form"
            ) from None
        self.complete = True
        self._write(self.delimiter + b"--\r\n")
        return self._take()

    def _begin_part(self, part: MultipartSegment) -> None:
        name = part.name or ""
        self._value = b""
        self._name = name if name in self._names and part.filename is None else ""
        if name in self.fields or (name == MODEL and not self._name):
            # Providers differ in which of them counts.
            message = f"The form must have the field '{name}' once, as text"
            raise RequestError(message, param=name, code="invalid_form")
        headers = part.headerlist
        if name == MODEL:
            # Its length changes.
            headers = [header for header in headers if header[0] != "Content-Length"]
        self._write(_head(self.delimiter, headers))
        if name == MODEL:
            self.model_offset = self.size

    def _add(self, data: bytes) -> None:
        if self._name:
            self._value += data
            if len(self._value) > _MAX_FIELD:
                message = f"The field '{self._name}' exceeds {_MAX_FIELD} bytes"
                raise RequestError(message, param=self._name, code="invalid_value")
        if self._name != MODEL:
            self._write(data)

    def _end_part(self) -> None:
        if self._name:
            try:
                self.fields[self._name] = self._value.decode()
            except UnicodeDecodeError:
                message = f"The field '{self._name}' is not UTF-8"
                raise RequestError(message, param=self._name, code="invalid_value") from None
        self._name = ""
        self._write(b"\r\n")

    def _write(self, data: bytes) -> None:
        self._output.append(data)
        self.size += len(data)

    def _take(self) -> bytes:
        output = b"".join(self._output)
        self._output.clear()
        return output


def _head(delimiter: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [delimiter, *(f"{name}: {value}".encode() for name, value in headers)]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    line_ends = len(lines) + 1
    if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends or b"\0" in head:
        raise RequestError("A header of the form contains a line end or NUL", code="invalid_form")
    return head
