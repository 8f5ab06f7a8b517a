"""`--usage`: who answered, at what cost, and who failed."""

from __future__ import annotations

from llms_core.cli.answering import failures
from llms_core.records import RequestRecord

_OK = 200


def lines(record: RequestRecord) -> list[str]:
    """Return what `--usage` prints about a request."""
    parts = [_answered_by(record)]
    if record.usage is not None:
        parts.append(
            f"{record.usage.prompt_tokens} tokens in, {record.usage.completion_tokens} out"
        )
    if record.cost is not None:
        parts.append(f"${record.cost:.6f}")
    parts.append(f"{record.duration:.1f} s")
    return [", ".join(parts), *failures(record)]


def _answered_by(record: RequestRecord) -> str:
    if record.provider is not None:
        return f"{record.provider}: {record.upstream_model}"
    if record.status != _OK:
        return "no answer"
    # From its cache, for example.
    return "answered by a plugin"
