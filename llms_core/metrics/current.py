"""The collections of this process: one while a server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llms_core.metrics.collection import Collection

running: list[Collection] = []
"""The latest is the last."""
