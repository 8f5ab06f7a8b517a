"""LiteLLM's file to llms.json and plugins.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llms_core.cli.importing import document as documents
from llms_core.cli.importing.blocks import group
from llms_core.cli.importing.deployment import Deployment, read_deployment
from llms_core.cli.importing.document import Document
from llms_core.cli.importing.settings import convert_settings
from llms_core.config import llms_json
from llms_core.config.reader import Specs, with_openai_compatible
from llms_core.errors import ConfigError


class Converted(msgspec.Struct, frozen=True):
    """The two files, and what is to be said about them."""

    llms_json: dict[str, Any]
    plugins_toml: dict[str, Any]
    #: keys that are written in LiteLLM's file, by the variables that take their place
    keys: Mapping[str, str]
    #: what is not converted, or differs, with the path in LiteLLM's file
    report: tuple[str, ...]
    #: whether every deployment is converted
    is_complete: bool


def convert(path: Path, specs: Specs, env: Mapping[str, str] = os.environ) -> Converted:
    """Convert the file at `path`. `specs` are the installed types of providers. Raises ConfigError."""
    document = Document(documents.read(path), env)
    _read_credentials(document)
    known = with_openai_compatible(specs)
    deployments = []
    names = []
    entries = document.sections.pop("model_list", None)
    if entries is not None and not isinstance(entries, list):
        document.is_complete = False
    for index, entry in enumerate(document.items(entries, ("model_list",))):
        deployment = read_deployment(document, known, entry, ("model_list", index))
        if deployment is not None and _is_valid(document, known, deployment):
            deployments.append(deployment)
            names.append(deployment.name)
    blocks = group(document, deployments)
    tables = convert_settings(document, blocks, names)
    for name in document.members(
        document.sections.pop("environment_variables", None), ("environment_variables",)
    ):
        document.leave_out(
            ("environment_variables", name), "set it in the environment, or in ~/.llms/.env"
        )
    document.leave_out_rest(document.sections, ())
    return Converted(
        llms_json={"providers": {block.id: block.as_json() for block in blocks}},
        plugins_toml=tables,
        keys=document.keys,
        report=tuple(document.report),
        is_complete=document.is_complete,
    )


def _is_valid(document: Document, specs: Specs, deployment: Deployment) -> bool:
    """Whether llms.json may have such a block; otherwise it is reported."""
    block = {
        **deployment.block,
        "models": {deployment.name: deployment.upstream or deployment.name},
    }
    try:
        llms_json.read(msgspec.json.encode({"providers": {"it": block}}), "", specs, env={})
    except ConfigError as error:
        member = error.field.removeprefix("providers.it").removeprefix(".")
        document.leave_out_deployment(
            deployment.path, f"{member}: {error.message}" if member else error.message
        )
        return False
    return True


def _read_credentials(document: Document) -> None:
    """Read `credential_list`, whose entries deployments name."""
    for index, entry in enumerate(
        document.items(document.sections.pop("credential_list", None), ("credential_list",))
    ):
        path = ("credential_list", index)
        members = document.members(entry, path)
        values = document.members(members.get("credential_values"), (*path, "credential_values"))
        document.credentials[str(members.get("credential_name"))] = values
