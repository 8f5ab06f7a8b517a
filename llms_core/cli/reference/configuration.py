"""Generates docs/configuration.md from the structs that both files are decoded into.

`python -m llms_core.cli.reference.configuration > docs/configuration.md`
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from inspect import cleandoc

from llms_core.cli.reference.sections import LLMS_JSON, PLUGINS_TOML, Section, own
from llms_core.cli.reference.tables import meanings, row, table
from llms_core.config import shape
from llms_core.config.adapters import own_member_names
from llms_core.config.described import sentence
from llms_core.config.model import Plugins
from llms_core.errors import ERROR_TABLE, ErrorKind
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.provider import ProviderSpec

_TABLE = re.compile(r"^`\[[^`]*\]`[:.] ?")

_INTRODUCTION = """# Configuration

Every member of both files. This page is generated from what reads them
(`python -m llms_core.cli.reference.configuration`).

- `llms.json` decides which providers and models there are, in which order they are tried, and with which keys. It is
  the file that `--config` or `$LLMS_CONFIG_PATH` names, or else the one in `./` or in `~/.llms/`. Without one, every
  known provider is used whose key is in the environment.
- `plugins.toml` decides how the gateway behaves, and which plugins may load. It is the file that `--plugins` or
  `$LLMS_PLUGINS_PATH` names, or else the one in `./` or in `~/.llms/`. Without one, the defaults below apply.

`$LLMS_HOME` replaces `~/.llms`. `llms serve` prints which files are in effect, and reads them again within a second
after a change. `llms config check` lists what is wrong with them, with line and fix.

An editor completes and checks both files by their schemas. `llms config schema` prints that of `llms.json`, which names
it as `"$schema": "llms.schema.json"`; `llms config schema plugins.toml` prints the other, which `plugins.toml` names in
its first line: `#:schema plugins.schema.json`.

## References

A text in `llms.json` of the form `$NAME` or `${NAME}` is the value of an environment variable: for `api_key`,
`base_url`, `headers` and the settings of single types. So are `[upstream] proxy`, `[types.NAME.headers]` and secrets of
plugins in `plugins.toml`. `$vault:path` is a secret that a plugin resolves (`llms_secrets`). A variable that is not set
in the environment is looked up in the file `.env` beside a file that you have named, and in `~/.llms/.env`. Other
variables of these files have no effect.

The embedded models are used after all other providers, unless `llms.json` has a block for them
(`"local": {"enabled": false}`), or `LLMS_EMBEDDED=off` is set.
"""

_ERROR_KINDS = """## Kinds of errors

`[routing.policy]` decides what follows a kind of error: `next` tries the next candidate, `stop` tells the client. The
client's status is that of an error which ends the request; if every candidate has failed, it is that of
[Failover](failover.md#what-the-client-is-told).
"""

_TIME_LIMITS = """## Which time limit applies when

- While a connection is made: `connect`.
- Until a stream begins, while another candidate remains: `[timeouts.failover] first_token`, and at most half of the
  remaining time.
- Until a stream begins, at the last candidate: `first_token`, or all of the remaining time if that is not set.
- While a response arrives: `idle` between two reads, and of a stream also `content` between two chunks with content.
- Until a whole answer is complete, while another candidate remains: `[timeouts.failover] total`, by default an equal
  share of the remaining time, but at least 60 s; and at most half of it.
- Over all attempts and pauses of a request: `total`.

`[timeouts.provider.NAME]` replaces these limits for one provider; its `total` is for one attempt.
[Failover](failover.md) has the details.
"""


def page(specs: Iterable[ProviderSpec]) -> str:
    """Return the page as Markdown."""
    lines = [_INTRODUCTION, "## llms.json", "", _example("llms.json", _LLMS_JSON_EXAMPLE)]
    for section in LLMS_JSON:
        lines += _rendered(section)
    lines += [
        "## Settings of single types of providers",
        "",
        "In the block of a provider of that type.",
        "",
    ]
    for section in own_sections(specs):
        lines += _rendered(section)
    lines += ["## plugins.toml", "", _example("plugins.toml", _PLUGINS_TOML_EXAMPLE)]
    for section in PLUGINS_TOML:
        lines += _rendered(section)
    lines += [_TIME_LIMITS, _ERROR_KINDS, *_error_kinds()]
    return "\n".join([*lines, ""])


def own_sections(specs: Iterable[ProviderSpec]) -> Sequence[Section]:
    """Return a section for each type with settings of its own, by name."""
    ordered = sorted(dict.fromkeys(specs), key=lambda spec: spec.name)
    sections = []
    for spec in ordered:
        names = own_member_names(spec.settings)
        if names:
            sections.append(own(spec.settings, spec.title, spec.name, _environment(spec), names))
    return sections


_LLMS_JSON_EXAMPLE = """{
  "$schema": "llms.schema.json",
  "providers": {
    "groq": {"models": {"kimi-k2": "moonshotai/kimi-k2-instruct-0905"}},
    "openrouter": {"models": {"kimi-k2": "moonshotai/kimi-k2"}},
    "ollama": {"all_models": true},
    "mine": {
      "type": "openai-compatible",
      "base_url": "http://gpu-box:8080/v1",
      "api_key": "$MY_KEY",
      "models": ["qwen3"]
    }
  }
}"""

_PLUGINS_TOML_EXAMPLE = """#:schema plugins.schema.json

[routing]
strategy = "weighted"
weights = {groq = 3, openrouter = 1}
[routing.fallbacks]
kimi-k2 = ["qwen3"]

[timeouts.provider.ollama]
first_token = 600"""


def _example(file: str, text: str) -> str:
    language = "json" if file == "llms.json" else "toml"
    return f"```{language}\n{text}\n```\n"


def _rendered(section: Section) -> Iterator[str]:
    if section.only is None or section.struct is shape.ProviderBlock:
        # For the links of other tables.
        yield f'<a id="{section.struct.__name__.lower()}"></a>'
        yield ""
    yield f"### {section.title}"
    yield ""
    yield from _paragraphs(section)
    yield from table(section.struct, section.write, section.only)
    yield ""


def _paragraphs(section: Section) -> Iterator[str]:
    # The docstring of a table begins with its name.
    meaning = _TABLE.sub("", cleandoc(section.struct.__doc__ or ""))
    if meaning:
        yield from (sentence(meaning), "")
    if section.text:
        yield from (section.text, "")


def _environment(spec: ProviderSpec) -> str:
    variables = [f"`{name}`" for name in (*spec.key_env, *spec.variables)]
    if variables:
        return f"In the environment: {', '.join(variables)}."
    return ""


def _error_kinds() -> Iterator[str]:
    explained = meanings(ErrorKind)
    yield row(
        [
            "kind",
            "meaning",
            "status",
            "then",
            "retried at the last candidate",
            "counts against the circuit",
        ]
    )
    yield row(["---"] * 6)
    for kind, consequences in ERROR_TABLE.items():
        yield row(
            [
                f"`{kind}`",
                explained[kind.name],
                str(consequences.status),
                f"`{consequences.action}`",
                _yes_or_dash(consequences.retry_in_place),
                _yes_or_dash(consequences.trips_circuit),
            ]
        )


def _yes_or_dash(value: bool) -> str:
    return "yes" if value else "–"


if __name__ == "__main__":
    sys.stdout.write(page(load_enabled_plugins(Plugins()).specs.values()))
