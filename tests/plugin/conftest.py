"""Plugins as third parties write them, in environments of their own."""

from __future__ import annotations

import pytest
from fresh_environment import Environment

from tests.core.plugins.conftest import install as install

collect_ignore = ["acme", "v1"]
"""Projects of their own: their tests run where they are installed."""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What a user has: the gateway and the shipped providers; and pytest for the conformance suite."""
    return Environment.shared(tmp_path_factory)
