"""What plugins learn about the running gateway, and what they add to its metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One number of this process, as `/metrics` shows it.

    Raises ValueError for a name that Prometheus does not accept. Counters have names that end in `_total`.
    """

    #: Prometheus' name of the metric, with a prefix of the plugin's own: `acme_rows_total`.
    name: str
    #: What the number is, in a few words.
    help: str
    value: float
    #: A counter only grows. It keeps its value when a worker dies; a gauge of that worker vanishes.
    kind: Literal["counter", "gauge"] = "gauge"
    #: Values that only come from the configuration: each combination is a time series of its own.
    labels: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        for name in (self.name, *self.labels):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is not a name for Prometheus: use letters, digits and underscores"
                )
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(
                f"{self.name!r} is a {self.kind}: names of counters end in `_total`, and no others"
            )


class GatewayStatus(Protocol):
    """The gateway of this process, for plugins to look at."""

    @property
    def workers_folder(self) -> Path | None:
        """An empty folder that all workers of this server share, for as long as it runs; None if there is only one."""
        ...

    def measurements(self) -> Iterable[Measurement]:
        """Return the numbers of the gateway itself and of all plugins (`llms_measurements`)."""
        ...

    def model_named(self, name: str) -> str | None:
        """Return the first name of the configured model that clients call `name`; None if there is no such model."""
        ...
