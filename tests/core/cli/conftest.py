"""A command line with a scripted provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from llms_core.testing import ScriptedUpstream


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line without a configuration."""
    return CommandLine(tmp_path)


@pytest.fixture
def asking(
    line: CommandLine,
    upstream: ScriptedUpstream,
    provider: Callable[..., dict[str, Any]],
    config_of: Callable[..., dict[str, Any]],
) -> CommandLine:
    """A command line with the provider `first`, which has the model `m` at $1 and $2 per million tokens."""
    price = {"input": "0.000001", "output": "0.000002"}
    line.configure(config_of(first=provider(upstream, default_pricing=price)))
    return line
