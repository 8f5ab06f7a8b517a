"""Parameters of a request on the command line: llms.py's `--args "a=1&b=2"`, and `-o name=value`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import click
import msgspec

#: How the answer is transferred follows from where it is written to.
_NOT_FOR_USERS = ("stream", "stream_options")


def parse(args: str | None, options: Sequence[str]) -> dict[str, Any]:
    """Return the parameters; those of `-o` take precedence. Raises click.BadParameter."""
    found = {**_from_args(args or ""), **dict(map(_from_option, options))}
    return {name: value for name, value in found.items() if name not in _NOT_FOR_USERS}


def _from_args(text: str) -> dict[str, Any]:
    """Parse URL-encoded parameters, typed as llms.py types them."""
    try:
        found = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        raise click.BadParameter(
            f"'{text}': expected name=value&name=value", param_hint="--args"
        ) from None
    return {name: _typed(name, values) for name, values in found.items()}


def _typed(name: str, values: list[str]) -> Any:
    """The value of a parameter: a boolean, a number, or text; a list if it is repeated, or is `stop` with commas."""
    if len(values) > 1:
        return values
    value = values[0]
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for convert in (_integer, _finite):
        try:
            return convert(value)
        except ValueError:
            pass
    if name == "stop" and "," in value:
        return value.split(",")
    return value


def _integer(text: str) -> int:
    # `int` would also take `1_000`, spaces, and digits of other scripts.
    if not re.fullmatch("-?[0-9]+", text):
        raise ValueError(text)
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    # `nan` and `infinity` are words, and JSON has no such numbers.
    if not math.isfinite(number) or "_" in text:
        raise ValueError(text)
    return number


def _from_option(text: str) -> tuple[str, Any]:
    """Parse `name=value`: JSON, or else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"'{text}': expected name=value", param_hint="-o")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
