"""Generates docs/providers.md from the provider specs: `python -m llms_core.cli.reference.providers`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from llms_core.config.model import Plugins
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.provider import ProviderSpec

_ABILITIES = {
    "streaming": "streams",
    "tools": "tools",
    "json_schema": "JSON schema",
    "json_object": "JSON object",
    "vision": "images",
    "audio": "audio",
    "files": "files",
    "logprobs": "logprobs",
    "n": "n > 1",
    "prefill": "prefill",
}

_INTRODUCTION = """# Providers

Made from what the installed providers declare (`python -m llms_core.cli.reference.providers`). A provider without an
ability is passed over for a request that needs it, with its reason; a parameter that is left out is named in
`x-llms-dropped-params`. What only some of a provider's models can do is not said here.
"""


def page(specs: Iterable[ProviderSpec]) -> str:
    """The page as Markdown."""
    rows = sorted(dict.fromkeys(specs), key=lambda spec: spec.name)
    header = ["provider", "type", "protocol", *_ABILITIES.values()]
    table = [_row(header), _row(["---"] * len(header)), *(_row(_abilities(spec)) for spec in rows)]
    details = [_details(spec) for spec in rows]
    return "\n".join(
        [_INTRODUCTION, *table, "", "## Keys, addresses, and what is renamed or left out", "", *details, ""]
    )


def _abilities(spec: ProviderSpec) -> list[str]:
    compatible = isinstance(spec.adapter, type) and issubclass(spec.adapter, OpenAICompatible)
    name = f"[{spec.title}]({spec.docs})" if spec.docs else spec.title
    can = ["yes" if getattr(spec.capabilities, ability) else "–" for ability in _ABILITIES]
    return [name, f"`{spec.name}`", "OpenAI's" if compatible else "its own", *can]


def _details(spec: ProviderSpec) -> str:
    said = [f"key: {' or '.join(f'`{name}`' for name in spec.key_env)}" if spec.key_env else "no key"]
    if spec.base_url:
        said.append(f"address: `{spec.base_url}`")
    if spec.aliases:
        said.append(f"also called {', '.join(f'`{name}`' for name in spec.aliases)}")
    if spec.rename:
        said.append(f"renamed: {', '.join(f'`{ours}` → `{theirs}`' for ours, theirs in sorted(spec.rename.items()))}")
    if spec.drop:
        said.append(f"left out: {', '.join(f'`{name}`' for name in sorted(spec.drop))}")
    return f"- **{spec.name}**: {'; '.join(said)}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page(load_enabled_plugins(Plugins()).specs.values()))
