"""Prints conversations: a list of them, or one in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from llms_core.cli.files import table
from llms_core.cli.log import switch
from llms_core.cli.log.store import Log, Summary, Turn
from llms_core.cli.terminal import printable

#: Characters of an id in a list, which nearly always tell conversations apart.
_SHOWN_ID = 8


def conversations(log: Log, found: Sequence[Summary], *, as_json: bool) -> None:
    """Print a list, the latest conversation first."""
    if as_json:
        _print_json([_summary_as_json(each) for each in found])
        return
    if found:
        table([_row(each) for each in found])
    else:
        click.echo("No conversations.", err=True)
    if not switch.is_on():
        click.echo("Nothing is logged now; `llms log on` changes that.", err=True)


def conversation(id: str, turns: Sequence[Turn], *, as_json: bool) -> None:
    """Print the turns of a conversation."""
    if as_json:
        _print_json({"id": id, "turns": [_turn_as_json(turn) for turn in turns]})
        return
    for turn in turns:
        click.secho(f"## {_local(turn.created)}", bold=True)
        click.echo()
        for line in _asked(turn):
            click.echo(line)
        click.echo()
        click.secho(f"## {_answered_by(turn)}", bold=True)
        click.echo()
        click.echo(printable(turn.reply))
        click.echo()


def _row(summary: Summary) -> tuple[str, ...]:
    turns = f"{summary.turns} turns" if summary.turns > 1 else ""
    return (
        summary.id[:_SHOWN_ID],
        _local(summary.updated),
        printable(summary.model),
        turns,
        printable(summary.title),
    )


def _asked(turn: Turn) -> Iterable[str]:
    """The prompt, with the system prompt and names of what was sent besides."""
    first = turn.messages[0]
    if first.get("role") in ("system", "developer"):
        yield printable(f"System: {_text(first)}")
        yield ""
    yield printable(turn.prompt)
    parts = turn.messages[-1].get("content")
    for part in parts if isinstance(parts, list) else ():
        if part.get("type") != "text":
            yield printable(f"[{part.get('type')}]")


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return msgspec.json.encode(content).decode()


def _answered_by(turn: Turn) -> str:
    parts = [turn.model]
    if turn.provider is not None:
        parts = [f"{turn.provider}: {turn.upstream_model}"]
    if turn.usage is not None:
        parts.append(f"{turn.usage.prompt_tokens} tokens in, {turn.usage.completion_tokens} out")
    if turn.cost is not None:
        parts.append(f"${turn.cost:.6f}")
    parts.append(f"{turn.seconds:.1f} s")
    if turn.finish_reason != "stop":
        parts.append(turn.finish_reason)
    return printable(", ".join(parts))


def _summary_as_json(summary: Summary) -> dict[str, Any]:
    return {**summary._asdict(), "created": _utc(summary.created), "updated": _utc(summary.updated)}


def _turn_as_json(turn: Turn) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(turn)
    return {**members, "created": _utc(turn.created)}


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
