"""Finds out whether a plugin that is not loaded would authenticate callers: without it, the gateway must not be open.

The plugin's source is read as text. It is not imported: it may be broken, or not be trusted.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from llms_core.config.locate import nearest
from llms_core.plugins.hookspecs import hook_names
from llms_core.plugins.sources import Source

_HOOK = "llms_authenticate"
_HOOK_NAME = re.compile(r"\bllms_\w+")
#: What is imported in this way has no name in the source.
_STAR_IMPORT = re.compile(r"^\s*from\s+\S+\s+import\s+\*", re.MULTILINE)


def may_authenticate(source: Source) -> bool:
    """Whether a plugin's source names `llms_authenticate`, possibly misspelt. True if there is no source to read."""
    try:
        texts = [path.read_text("utf-8", errors="replace") for path in _files(source)]
    except (OSError, ImportError, ValueError, AttributeError):
        return True
    return not texts or any(map(_names_hook, texts))


def _names_hook(text: str) -> bool:
    if _STAR_IMPORT.search(text):
        return True
    return any(nearest(name, hook_names()) == _HOOK for name in set(_HOOK_NAME.findall(text)))


def _files(source: Source) -> Iterator[Path]:
    """The Python files of a plugin: the one that `[plugins] load` names, or the whole of its top-level package."""
    if source.file is not None:
        yield source.file
        return
    # The spec of a top-level module is found without importing anything.
    spec = importlib.util.find_spec(source.module.partition(".")[0])
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        for folder in spec.submodule_search_locations:
            yield from Path(folder).rglob("*.py")
    elif spec.origin is not None and spec.origin.endswith(".py"):
        yield Path(spec.origin)
