"""Prints one request of the ledger with its attempts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from llms_core.cli.terminal import printable

Json = Mapping[str, Any]

#: The counts that are shown, and their titles.
_COUNTS = (
    ("input", "in"),
    ("cached", "of them cached"),
    ("cache_write", "to the cache"),
    ("output", "out"),
    ("reasoning", "of them reasoning"),
)


def show(
    request: Json, attempts: Sequence[Json], content: tuple[str, str] | None, *, as_json: bool
) -> None:
    """Print a request and its attempts, and the texts if they are kept."""
    if as_json:
        document = {**_members(request), "attempts": [_members(attempt) for attempt in attempts]}
        if content is not None:
            document["content"] = {"request": content[0], "answer": content[1]}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    click.secho(f"{request['id']}  {_local(request['started'])}", bold=True)
    for title, value in _lines(request):
        click.echo(printable(f"  {title:<12}{value}"))
    for attempt in attempts:
        click.echo()
        click.secho(
            printable(f"  {attempt['number']}. {attempt['provider']}: {attempt['upstream_model']}"),
            bold=True,
        )
        for title, value in _attempt_lines(attempt):
            click.echo(printable(f"     {title:<12}{value}"))
    if content is not None:
        for title, text in zip(("Request", "Answer"), content, strict=True):
            click.secho(f"\n## {title}", bold=True)
            click.echo(printable(text))


def _lines(request: Json) -> Iterator[tuple[str, str]]:
    yield "model", request["model"] or "(none)"
    yield (
        "operation",
        f"{request['operation']}, as {request['dialect']}{', streamed' if request['stream'] else ''}",
    )
    yield "key", request["caller"] or "(none)"
    yield "status", _status(request)
    yield from _usage(request)
    yield "time", _time(request)
    for name in ("tags", "metadata", "user_name"):
        if request[name]:
            yield name.removesuffix("_name"), request[name]


def _attempt_lines(attempt: Json) -> Iterator[tuple[str, str]]:
    if attempt["kind"] is None:
        yield "status", "ok"
    else:
        status = f" ({attempt['status']})" if attempt["status"] else ""
        yield "failed", f"{attempt['kind']}{status}, the fault of the {attempt['at_fault']}"
        yield "message", attempt["message"] or ""
    yield from _usage(attempt)
    yield "time", _time(attempt)


def _status(request: Json) -> str:
    parts = [str(request["status"])]
    if request["kind"] or request["error_code"]:
        parts.append(str(request["error_code"] or request["kind"]))
    if request["at_fault"]:
        parts.append(f"the fault of the {request['at_fault']}")
    parts += [name for name in ("truncated", "cancelled") if request[name]]
    return ", ".join(parts)


def _usage(row: Json) -> Iterator[tuple[str, str]]:
    if row["input"] is None:
        return
    counts = [
        f"{row[name]:,} {title}"
        for name, title in _COUNTS
        if row[name] or name in ("input", "output")
    ]
    yield "tokens", ", ".join(counts)
    cost = "not known" if row["cost"] is None else f"${row['cost']:.6f} ({row['cost_source']})"
    yield "cost", cost


def _time(row: Json) -> str:
    text = f"{row['duration']:.3f} s"
    if row["first_token"] is None:
        return text
    return f"{text}, first token after {row['first_token']:.3f} s"


def _members(row: Json) -> dict[str, Any]:
    """A row as JSON, with times as text and labels as they were sent."""
    members = dict(row)
    members["started"] = datetime.fromtimestamp(row["started"], UTC).isoformat(
        timespec="milliseconds"
    )
    for name in ("stream", "truncated", "cancelled"):
        if name in members:
            members[name] = bool(members[name])
    for name in ("tags", "metadata"):
        if members.get(name):
            members[name] = msgspec.json.decode(members[name])
    return members


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
