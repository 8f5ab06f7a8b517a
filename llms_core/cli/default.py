"""`llms default`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli import config_file
from llms_core.cli.completion import parameters as completing
from llms_core.cli.config_file import ConfigFile
from llms_core.cli.files import files
from llms_core.cli.similar import no_such
from llms_core.secret import redact

if TYPE_CHECKING:
    from llms_core.server.service import Service

_PATH = ("defaults", "text")


@click.command(short_help="Set the default model in llms.json.")
@click.argument("model", shell_complete=completing.models)
@files
def command(model: str, config: Path | None, plugins: Path | None) -> None:
    """Set the model that answers a prompt for which no other is named: `defaults.text.model` of llms.json.

    Everything else in the file stays as it is, comments included.

    \b
      llms default kimi-k2
    """
    file = config_file.read(config, plugins)
    _require(file, model)
    text = _with_default(file.text, model)
    if text == file.text:
        click.echo(f"{model} is the default model already")
        return
    config_file.write(file, text)
    click.echo(f"default model: {model}")


def _with_default(text: str, model: str) -> str:
    from llms_core.config.comments import as_json
    from llms_core.config.edit import set_member

    template = _member(as_json(text), _PATH)
    if not template:
        content = [{"type": "text", "text": ""}]
        return set_member(
            text, _PATH, {"model": model, "messages": [{"role": "user", "content": content}]}
        )
    if template.get("model") == model:
        return text
    return set_member(text, (*_PATH, "model"), model, first=True)


def _member(text: str, path: Sequence[str]) -> Any:
    """The value at a path of a JSON text; None if there is none."""
    import json

    value = json.loads(text)
    for name in path:
        value = (value or {}).get(name)
    return value


def _require(file: ConfigFile, model: str) -> None:
    """Raise Failure if no enabled provider has the model. Providers that list their models themselves are asked."""
    import asyncio  # here, so that `llms --help` stays fast

    from llms_core.server.service import Service

    service = Service(file.startup)
    unanswered = asyncio.run(_discover_unless_known(service, model))
    models = service.router.models
    if models.find(model):
        return
    if not unanswered:
        raise no_such("model", model, [candidate.client_model for candidate in models.listed()])
    click.echo(f"warning: no enabled provider is known to have '{model}'", err=True)
    for provider, reason in unanswered.items():
        click.echo(f"warning: {provider} could not be asked: {reason}", err=True)


async def _discover_unless_known(service: Service, model: str) -> Mapping[str, str]:
    """Ask providers for their models if the file does not have this one; return why some gave no answer."""
    await service.open()
    try:
        if service.router.models.find(model):
            return {}
        found = await service.discover_models()
        service.update_models(found)
    finally:
        await service.close()
    return {
        provider: redact(result) for provider, result in found.items() if isinstance(result, str)
    }
