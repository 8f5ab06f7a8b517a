"""docs/providers.md is generated from the specs of the shipped providers."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from llms_core.cli.reference.providers import page
from llms_core.config.model import Plugins
from llms_core.plugins.discovery import load_enabled_plugins

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"


def test_the_page_is_up_to_date() -> None:
    host = load_enabled_plugins(Plugins(allow=("llms-providers",)), entry_points=entry_points)
    assert PAGE.read_text("utf-8") == page(host.specs.values()), (
        "python -m llms_core.cli.reference.providers > docs/providers.md"
    )
