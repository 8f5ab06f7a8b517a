"""The reference of hooks as Markdown, made from the hookspecs.

`python -m llms_core.cli.reference.hooks > docs/hooks.md`
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT

_HEAD = f"""\
# Hooks

<!-- Made by `python -m llms_core.cli.reference.hooks` from llms_core/plugins/hookspecs.py: edit that. -->

A plugin is a module with functions of these names, marked `@hookimpl` (from `llms_core`), that an entry point in the
group `{PROJECT}` names; the entry point's name is the plugin's. A file that `[plugins] load` of plugins.toml names is a
plugin, too.

- Hooks are plain functions: one that is `async` is refused at start. What takes long belongs into an adapter, or into
  `llms_lifespan`, which may start tasks.
- Take the arguments that you need, by their names, and leave out the others: that is how hooks grow.
- Implementations are called one at a time, in the order of plugins' names; `@hookimpl(tryfirst=True)` comes before
  all others, `trylast=True` after them. One that raises is logged with its plugin, and the others go on.
- Hooks that are called for requests run on the event loop: while one runs, nothing else does.
- A name that begins with `llms_` and is no hook, or an argument that a hook does not have, sets the plugin aside;
  `llms plugins` says why. `@hookimpl(optionalhook=True)` is for hooks that an older core may not have.
"""

_TYPES = {
    "AttemptRecord": "llms_core.records",
    "Caller": "llms_core.records",
    "Candidate": "llms_core.routing.candidates",
    "ChatRequest": "llms_core.contracts.request",
    "PluginSettings": "llms_core.plugins.settings",
    "ProviderSpec": "llms_core.provider",
    "RequestRecord": "llms_core.records",
    "click.Group": "click",
}
"""Where the types of signatures are from, as far as Python does not bring them."""


def hooks() -> dict[str, Callable[..., Any]]:
    """The hookspecs by name, in the order of the file."""
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("llms_")}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for name, spec in hooks().items() for line in _section(name, spec))])


def _section(name: str, spec: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(spec)
    arguments = ", ".join(f"{each.name}: {each.annotation}" for each in signature.parameters.values())
    yield f"## {name}\n\n```python\ndef {name}({arguments}) -> {signature.return_annotation}\n```\n"
    yield f"{inspect.getdoc(spec)}\n"
    options = getattr(spec, f"{PROJECT}_spec")
    if options["warn_on_impl"] is not None:
        yield f"**Deprecated:** {options['warn_on_impl']}\n"
    for argument, warning in (options["warn_on_impl_args"] or {}).items():
        yield f"**Deprecated argument `{argument}`:** {warning}\n"
    text = str(signature)
    used = [f"`{kind}` from `{module}`" for kind, module in _TYPES.items() if kind in text]
    if used:
        yield f"Types: {', '.join(used)}.\n"


if __name__ == "__main__":
    sys.stdout.write(page())
