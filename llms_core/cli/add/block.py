"""The block of the provider that is added: which one, with which members, and where in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from llms_core import default_config
from llms_core.cli.add.questions import Questions
from llms_core.cli.config_file import ConfigFile
from llms_core.cli.similar import no_such
from llms_core.config.comments import as_json
from llms_core.config.edit import set_member
from llms_core.openai_compatible import OPENAI_COMPATIBLE

_SHOWN = 12
_MODEL_MEMBERS = ("models", "all_models", "map_models")


class Block(msgspec.Struct):
    """A block that is added or changed."""

    id: str
    #: its members: those in the file, or those that a new one begins with
    current: dict[str, Any]
    is_new: bool
    #: what is set in it
    members: dict[str, Any] = {}


def identify(
    file: ConfigFile,
    questions: Questions,
    provider: str | None,
    name: str | None,
    base_url: str | None,
) -> Block:
    """Return the block that the user means. Raises Failure, and UsageError if something is missing."""
    host = file.startup.host
    names = list(dict.fromkeys([*file.ids, OPENAI_COMPATIBLE.name, *default_config.names(host)]))
    if provider is None and base_url is not None:
        provider = OPENAI_COMPATIBLE.name
    if provider is None:
        provider = questions.text(f"Provider ({', '.join(names[:_SHOWN])}, …)", option="PROVIDER")
    if provider == OPENAI_COMPATIBLE.name:
        return _server(file, questions, name, base_url)
    block_id = name or provider
    block = _existing(file, block_id)
    if block is None:
        current = default_config.block(provider, host)
        if current is None:
            raise no_such("provider", provider, names)
        block = Block(block_id, current, is_new=True)
    if base_url is not None:
        block.members["base_url"] = base_url
    return block


def _server(
    file: ConfigFile, questions: Questions, name: str | None, base_url: str | None
) -> Block:
    """A block for any server with OpenAI's API."""
    base_url = base_url or questions.text(
        "Base URL, such as http://gpu-box:8080/v1", option="--base-url"
    )
    host = urlsplit(base_url).hostname or OPENAI_COMPATIBLE.name
    block_id = name or questions.text("Name in llms.json", option="--name", default=host)
    block = _existing(file, block_id)
    if block is None:
        block = Block(
            block_id,
            {"enabled": True, "type": OPENAI_COMPATIBLE.name, "all_models": True},
            is_new=True,
        )
    block.members["base_url"] = base_url
    return block


def _existing(file: ConfigFile, id: str) -> Block | None:
    """The block that the file has, which is to be enabled."""
    if id not in file.ids:
        return None
    current = json.loads(as_json(file.text))["providers"][id]
    block = Block(id, current, is_new=False)
    if current.get("enabled") is False:
        block.members["enabled"] = True
    return block


def offer(block: Block, models: Sequence[str]) -> None:
    """Offer these models and no others."""
    if block.is_new:
        for name in _MODEL_MEMBERS:
            block.current.pop(name, None)
    block.members["models"] = list(models)


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the members of `NAME=VALUE`; a value that is JSON is taken as such. Raises UsageError."""
    members = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not re.fullmatch(r"\w+", name):
            raise click.UsageError(f"--set {setting}: not of the form NAME=VALUE")
        try:
            members[name] = json.loads(value)
        except ValueError:
            members[name] = value
    return members


def written(text: str, block: Block) -> str:
    """Return the text of llms.json with the block."""
    path = ("providers", block.id)
    if block.is_new:
        return set_member(text, path, {**block.current, **block.members})
    for name, value in block.members.items():
        text = set_member(text, (*path, name), value, first=name == "enabled")
    return text
