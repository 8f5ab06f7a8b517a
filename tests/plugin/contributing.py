"""A plugin that keeps providers and their keys somewhere else: in a JSON file, which stands for a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from llms_core import hookimpl
from llms_core.plugins.settings import PluginSettings


class Settings(msgspec.Struct):
    """The table `[plugin.contributing]`."""

    file: str


_files: list[Path] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read where the file is."""
    _files[:] = [Path(settings.decode(Settings).file)]


@hookimpl
def llms_secrets(reference: str) -> str | None:
    """Return the secret that `$file:NAME` refers to."""
    scheme, _, name = reference.partition(":")
    if scheme != "file":
        return None
    secret: str | None = _read().get("secrets", {}).get(name)
    return secret


@hookimpl
def llms_config(changed: Callable[[], None]) -> Mapping[str, Mapping[str, Any]]:
    """Return the providers of the file."""
    providers: Mapping[str, Mapping[str, Any]] = _read().get("providers", {})
    return providers


def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_files[0].read_text("utf-8"))
    return content
