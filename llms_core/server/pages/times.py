"""Times on the pages: points in time, which the script shows in the browser's time zone, and durations."""

from __future__ import annotations

from datetime import UTC, datetime

from llms_core.server.pages.markup import Markup, element


def time_element(unix: float) -> Markup:
    """Return a point in time."""
    at = datetime.fromtimestamp(unix, UTC).replace(microsecond=0)
    return element("time", f"{at:%H:%M:%S} UTC", datetime=at.isoformat())


def seconds(duration: float) -> str:
    """Return a duration with the digits that matter."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    return f"{duration / 60:.1f} min"
