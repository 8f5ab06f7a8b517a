"""A command line with a scripted provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from fresh_environment import Environment

from llms_core.testing import ScriptedUpstream


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line without a configuration."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def llms_py(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """llms.py 2.0.35, in an environment of its own."""
    try:
        environment = Environment(tmp_path_factory.mktemp("llms-py"), "llms-py==2.0.35")
    except AssertionError as error:
        pytest.skip(f"llms.py cannot be installed: {error}")
    # It writes its ui.json there, even if it is given another configuration.
    (environment.home / ".llms").mkdir()
    return environment


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
