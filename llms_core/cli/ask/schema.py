"""`--schema`: an answer that fits a JSON schema. The provider is asked for it, and the answer is checked here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from llms_core.dialects.strict_schema import fits_strict_mode
from llms_core.errors import ConfigError

_MISSING = 'run `pip install "llms-core[cli]"`'
#: Models without support for schemas like to put their JSON into a block of Markdown.
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
#: Characters of a reason, which may contain the whole answer.
_MAX_REASON = 500


class Schema:
    """A JSON schema that answers have to fit."""

    def __init__(self, source: str):
        """Read the schema in a file, or in `source` itself if it begins with a brace. Raises ConfigError."""
        place, text = _text(source)
        try:
            # The standard library's, as what is validated: a number is 1.0 or 1 to both.
            self._schema: Any = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"not valid JSON: {error}", path=place) from None
        if not isinstance(self._schema, dict):
            raise ConfigError("a schema has to be a JSON object", path=place)
        self._place = place
        self._validator = _validator(self._schema, place)

    @property
    def response_format(self) -> dict[str, Any]:
        """The parameter by which a provider is asked for such an answer."""
        title = self._schema.get("title")
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:64] if isinstance(title, str) else ""
        json_schema = {
            "name": name or "answer",
            "schema": self._schema,
            "strict": fits_strict_mode(self._schema),
        }
        return {"type": "json_schema", "json_schema": json_schema}

    def mismatch(self, text: str) -> str | None:
        """Return why the JSON of an answer does not fit; None if it does."""
        try:
            value = json.loads(text)
        except ValueError as error:
            return f"it is not valid JSON: {error}"
        try:
            wrong = next(self._validator.iter_errors(value), None)
        except _unresolvable() as error:
            raise ConfigError(f"cannot be used: {error}", path=self._place) from None
        if wrong is None:
            return None
        place = "".join(f"[{key!r}]" for key in wrong.absolute_path)
        return f"{place or 'the answer'}: {wrong.message}"[:_MAX_REASON]


def _unresolvable() -> type[Exception]:
    """What jsonschema raises for a reference to something that is not in the schema."""
    from referencing.exceptions import Unresolvable

    return Unresolvable


def without_fence(text: str) -> str:
    """Return the JSON of an answer that has it in a block of Markdown; any other text as it is."""
    fenced = _FENCED.fullmatch(text)
    return text if fenced is None else fenced[1]


def _text(source: str) -> tuple[str, str]:
    """Return the place of the schema, for messages, and its text."""
    if source.lstrip().startswith("{"):
        return "--schema", source
    try:
        return source, Path(source).expanduser().read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ConfigError(f"cannot be read: {reason}", path=source) from None


def _validator(schema: dict[str, Any], place: str) -> Any:
    """Return the validator for the schema's own version of JSON schema. Raises ConfigError for an invalid schema."""
    try:
        import jsonschema
        import referencing
    except ModuleNotFoundError:
        raise ConfigError("--schema needs jsonschema", hint=_MISSING) from None
    _reject_remote_references(schema, place)
    kind = jsonschema.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(
            f"not a valid JSON schema: {error.message}"[:_MAX_REASON], path=place
        ) from None
    # With a registry of its own, nothing that a schema refers to is fetched.
    return kind(schema, registry=referencing.Registry())


def _reject_remote_references(schema: dict[str, Any], place: str) -> None:
    """Raise ConfigError for a reference to another document: it is not fetched, and the answer could not be checked."""
    ids: set[str] = set()
    references: set[str] = set()
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            ids.add(str(node.get("$id")))
            references.add(str(node.get("$ref", "#")))
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    for reference in sorted(references):
        if "://" in reference and reference.partition("#")[0] not in ids:
            raise ConfigError(f"'{reference}' is not in the schema, and is not fetched", path=place)
