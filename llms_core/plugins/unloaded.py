"""Finds out what a plugin that is not loaded would do: without it, the gateway must not be open, or unguarded.

The plugin's source is read as text. It is not imported: it may be broken, or not be trusted.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from llms_core.config.locate import nearest
from llms_core.plugins.hookspecs import hook_names
from llms_core.plugins.sources import Source

_HOOK_NAME = re.compile(r"\bllms_\w+")
#: What is imported in this way has no name in the source.
_STAR_IMPORT = re.compile(r"^\s*from\s+\S+\s+import\s+\*", re.MULTILINE)
_CORE = "llms_core"


def may_implement(source: Source, hooks: Collection[str]) -> bool:
    """Whether a plugin's source names one of the hooks, possibly misspelt. True if there is no source to read."""
    try:
        texts = [path.read_text("utf-8", errors="replace") for path in _files(source)]
    except (OSError, ImportError, ValueError, AttributeError):
        return True
    return not texts or any(_names_hook(text, hooks) for text in texts)


def is_missing(source: Source) -> bool:
    """Whether an entry of `[plugins] load` names a file or a package that does not exist."""
    if not source.named:
        return False
    if source.file is not None:
        return not source.file.exists()
    try:
        return importlib.util.find_spec(source.module.partition(".")[0]) is None
    except (ImportError, ValueError):
        return False


def _names_hook(text: str, hooks: Collection[str]) -> bool:
    if _STAR_IMPORT.search(text):
        return True
    return any(nearest(name, hook_names()) in hooks for name in set(_HOOK_NAME.findall(text)))


def _files(source: Source) -> Iterator[Path]:
    """The Python files of a plugin: the one that `[plugins] load` names, or the whole of its top-level package."""
    if source.file is not None:
        yield source.file
        return
    # The spec of a top-level module is found without importing anything.
    name = source.module.partition(".")[0]
    if name == _CORE:
        # It names every hook; what its own plugins implement is in their packages.
        name = source.module
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        for folder in spec.submodule_search_locations:
            yield from Path(folder).rglob("*.py")
    elif spec.origin is not None and spec.origin.endswith(".py"):
        yield Path(spec.origin)
