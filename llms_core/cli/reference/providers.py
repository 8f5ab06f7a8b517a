"""Generates docs/providers.md from the specs of the installed providers.

`python -m llms_core.cli.reference.providers > docs/providers.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from llms_core.config.model import Plugins
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.provider import ProviderSpec

#: Members of `Capabilities` -> column headings.
_COLUMNS = {
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

Generated from the specs of the installed providers (`python -m llms_core.cli.reference.providers`). A provider that
lacks a capability is skipped for requests that need it. Parameters that a provider rejects are dropped, and listed in
the header `x-llms-dropped-params`. The table does not show differences between the models of one provider.

Some models are only served by OpenAI's Responses API, `/responses`. Requests for them are translated to it, and so are
those for further models whose provider refuses them in chat completions with a reference to that API; a server without
it gets chat completions. `"protocol": "responses"` or `"chat"` in a provider's block of `llms.json` decides it instead.
"""


_OPERATIONS = """## Operations

Which provider offers which operation, and where: the path is appended to the base URL. A model can be requested for any
operation of its provider; names of models, such as `*embed*`, only decide which ones a list of models shows.
"""

_EMBEDDINGS = """## Embeddings

What providers accept in `POST /v1/embeddings`. More inputs than the largest number are sent in several requests. What a
provider does not accept is refused, unless another provider of the same model accepts it. Azure, Bedrock and Google
have other limits for some models.
"""


def page(specs: Iterable[ProviderSpec]) -> str:
    """Return the page as Markdown."""
    # A spec occurs once for each of its aliases.
    ordered = sorted(dict.fromkeys(specs), key=lambda spec: spec.name)
    header = ["provider", "type", "protocol", *_COLUMNS.values()]
    lines = [_INTRODUCTION, _table_row(header), _table_row(["---"] * len(header))]
    lines += [_table_row(_cells(spec)) for spec in ordered]
    lines += ["", _OPERATIONS, *_operations_table(ordered)]
    lines += ["", _EMBEDDINGS, *_embeddings_table(ordered)]
    lines += ["", "## Keys, base URLs, renamed and dropped parameters", ""]
    lines += [f"- **{spec.name}**: {'; '.join(_details(spec))}" for spec in ordered]
    return "\n".join([*lines, ""])


def _cells(spec: ProviderSpec) -> list[str]:
    name = f"[{spec.title}]({spec.docs})" if spec.docs else spec.title
    protocol = "OpenAI's" if _is_openai_compatible(spec) else "its own"
    # The capabilities are those of chat.
    has_chat = _chat_path(spec) != "–"
    capabilities = [
        _yes_or_dash(has_chat and getattr(spec.capabilities, member)) for member in _COLUMNS
    ]
    return [name, f"`{spec.name}`", protocol, *capabilities]


def _chat_path(spec: ProviderSpec) -> str:
    if not _is_openai_compatible(spec):
        return "yes"
    return f"`{spec.path}`" if spec.path else "–"


def _operations_table(specs: Iterable[ProviderSpec]) -> Iterator[str]:
    """A row for each provider that offers more than chat, or no chat."""
    shown = [spec for spec in specs if spec.paths or _chat_path(spec) == "–"]
    names = sorted(set().union(*(spec.paths for spec in shown)))
    yield _table_row(["type", "chat", *names])
    yield _table_row(["---"] * (len(names) + 2))
    for spec in shown:
        paths = [f"`{spec.paths[name]}`" if name in spec.paths else "–" for name in names]
        yield _table_row([f"`{spec.name}`", _chat_path(spec), *paths])


def _embeddings_table(specs: Iterable[ProviderSpec]) -> Iterator[str]:
    """A row for each provider of embeddings."""
    yield _table_row(
        ["type", "inputs", "tokens", "`dimensions`", "`input_type`", "without `input_type`"]
    )
    yield _table_row(["---"] * 6)
    for spec in specs:
        if "embeddings" not in spec.paths:
            continue
        rules = spec.embeddings
        cells = [
            f"`{spec.name}`",
            str(rules.max_inputs),
            _yes_or_dash(rules.tokens),
            _yes_or_dash(bool(rules.dimensions)),
        ]
        yield _table_row(
            [*cells, ", ".join(_quoted(rules.input_types)) or "–", rules.default_input_type or "–"]
        )


def _is_openai_compatible(spec: ProviderSpec) -> bool:
    return isinstance(spec.adapter, type) and issubclass(spec.adapter, OpenAICompatible)


def _yes_or_dash(capability: bool) -> str:
    return "yes" if capability else "–"


def _details(spec: ProviderSpec) -> Iterator[str]:
    if spec.key_env:
        yield f"key: {' or '.join(_quoted(spec.key_env))}"
    else:
        yield "no key"
    if spec.base_url:
        yield f"base URL: `{spec.base_url}`"
    for protocol, endpoint in sorted(spec.native.items()):
        yield f"{protocol}: `{endpoint.url}`"
    # The npm packages that files of llms.py name are of no interest to others.
    aliases = [name for name in spec.aliases if "/" not in name]
    if aliases:
        yield f"aliases: {', '.join(_quoted(aliases))}"
    if spec.rename:
        renamed = [f"`{ours}` → `{theirs}`" for ours, theirs in sorted(spec.rename.items())]
        yield f"renamed: {', '.join(renamed)}"
    if spec.drop:
        yield f"dropped: {', '.join(_quoted(sorted(spec.drop)))}"
    if _is_openai_compatible(spec) and spec.rules.members:
        yield f"members of messages: {', '.join(_quoted(sorted(spec.rules.members)))}"
    if spec.rules.responses:
        yield f"through the Responses API: {', '.join(_quoted(spec.rules.responses))}"
    if spec.rules.responses_for_tools:
        yield f"and with tools, unless they do not reason: {', '.join(_quoted(spec.rules.responses_for_tools))}"


def _quoted(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page(load_enabled_plugins(Plugins()).specs.values()))
