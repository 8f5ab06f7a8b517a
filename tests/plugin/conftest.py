"""Plugins of third parties, in environments of their own."""

from __future__ import annotations

import pytest
from fresh_environment import Environment

from tests.core.plugins.conftest import install as install

#: Separate projects, whose tests run where they are installed.
collect_ignore = ["acme", "v1"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The gateway and the shipped providers, as a user installs them, and pytest for the conformance suite."""
    return Environment.shared(tmp_path_factory)
