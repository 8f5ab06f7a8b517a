"""From deployments to provider blocks: deployments of the same connection share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from llms_core.cli.importing.deployment import Deployment
from llms_core.cli.importing.document import Document


class Block(msgspec.Struct):
    """A provider block, and what plugins.toml says about it."""

    id: str
    #: its members but the models
    members: dict[str, Any]
    timeouts: dict[str, float]
    #: None if it only has models that no other block has
    weight: float | None
    #: the provider's ids by the names for clients
    models: dict[str, str] = {}
    pricing: dict[str, dict[str, str]] = {}

    def as_json(self) -> dict[str, Any]:
        """The block in llms.json."""
        block = dict(self.members)
        if self.models:
            block["models"] = self.models
        if self.pricing:
            block["pricing"] = self.pricing
        return block


def group(document: Document, deployments: Sequence[Deployment]) -> list[Block]:
    """Return the blocks for deployments, in the order in which LiteLLM prefers them."""
    names = Counter(deployment.name for deployment in deployments)
    blocks: list[Block] = []
    for deployment in sorted(deployments, key=lambda each: each.order):
        # A weight only matters where there is a choice; otherwise it must not divide a provider's models.
        weight = deployment.weight if names[deployment.name] > 1 else None
        block = _fitting(blocks, deployment, weight)
        if block is None:
            block = Block(
                _new_id(blocks, deployment), deployment.block, deployment.timeouts, weight
            )
            blocks.append(block)
        elif deployment.name in block.models:
            document.note(
                deployment.path, "is the same as another deployment, and therefore only there once"
            )
        if deployment.upstream:
            block.models[deployment.name] = deployment.upstream
        if deployment.price is not None:
            block.pricing[deployment.upstream or deployment.name] = deployment.price
    return blocks


def _fitting(blocks: Iterable[Block], deployment: Deployment, weight: float | None) -> Block | None:
    """The block that a deployment belongs to; a name for clients is only there once in a block."""
    for block in blocks:
        is_free = block.models.get(deployment.name, deployment.upstream) == deployment.upstream
        is_same = block.members == deployment.block and block.timeouts == deployment.timeouts
        if is_free and is_same and block.weight == weight:
            return block
    return None


def _new_id(blocks: Sequence[Block], deployment: Deployment) -> str:
    kind = str(deployment.block["type"])
    taken = {block.id for block in blocks}
    number = 1
    name = kind
    while name in taken:
        number += 1
        name = f"{kind}-{number}"
    return name


def add_aliases(blocks: Iterable[Block], name: str, alias: str) -> bool:
    """Offer the models of a name under another one, too; return whether there is any."""
    found = False
    for block in blocks:
        if name in block.models and alias not in block.models:
            block.models[alias] = block.models[name]
            found = True
    return found
