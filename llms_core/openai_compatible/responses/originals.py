"""Items of an earlier response that a chat message cannot express: kept in `provider_extra`, and sent back from there.

Encrypted reasoning belongs to the organization that it was made for, and to the family of the model: every other
provider refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from llms_core.contracts.signatures import Owner, first_word, owner_in
from llms_core.openai_compatible.responses.views import CALLS, Json, objects_in, text_in

#: The key of this protocol's data in a message's `provider_extra`.
PROVIDER_KEY = "openai"

#: Items that a message expresses.
_EXPRESSIBLE = ("message", *CALLS)
#: Items that are left out: a message shows the image, and it cannot be sent back without its data.
_NOT_KEPT = ("image_generation_call",)


class Originals:
    """What one earlier message has of this protocol's own."""

    def __init__(self, items: Sequence[Json] = (), phase: str | None = None):
        self.items = items
        #: `commentary` or `final_answer`: whether the model meant to continue after its text
        self.phase = phase

    @property
    def is_whole(self) -> bool:
        """Whether the items are the whole answer, and not only what precedes its text and calls."""
        return any(item["type"] in _EXPRESSIBLE for item in self.items)

    @property
    def reasoning(self) -> list[Json]:
        """The items of reasoning."""
        return [item for item in self.items if item["type"] == "reasoning"]


def owner_of(provider: str, model: str) -> Owner:
    """Return the owner of what a model thinks. `provider` is the provider's name in llms.json."""
    return Owner(provider, first_word(model))


def kept(items: Sequence[Json], owner: Owner) -> Json:
    """Return what has to come back, for `provider_extra`; empty if the message expresses everything.

    If they precede all others, as reasoning does, only the items that it cannot express are kept, and the rest is
    rebuilt from the message later. Otherwise all items are kept, because their order matters.
    """
    items = [item for item in items if item.get("type") not in _NOT_KEPT and not _is_useless(item)]
    leading = len(list(takewhile(_is_opaque, items)))
    rest = items[leading:]
    extra: Json = {}
    if not _can_be_rebuilt(rest):
        extra["items"] = [_without_nulls(item) for item in items]
    else:
        if leading:
            extra["items"] = [_without_nulls(item) for item in items[:leading]]
        phase = text_in(rest[0], "phase") if rest else ""
        if phase:
            extra["phase"] = phase
    if not extra:
        return {}
    return {PROVIDER_KEY: {"owner": {"provider": owner.provider, "family": owner.family}, **extra}}


def originals(provider_extra: Mapping[str, Any] | None, own: Owner) -> Originals:
    """Return what `own` accepts of a message's `provider_extra`. The client may have put anything there."""
    extra = (provider_extra or {}).get(PROVIDER_KEY)
    if not isinstance(extra, dict) or owner_in(extra) != own:
        return Originals()
    items = extra.get("items")
    if not isinstance(items, list):
        items = []
    phase = extra.get("phase")
    return Originals(
        [item for item in items if isinstance(item, dict) and isinstance(item.get("type"), str)],
        phase if isinstance(phase, str) else None,
    )


def _is_opaque(item: Json) -> bool:
    return item.get("type") not in _EXPRESSIBLE


def _is_useless(item: Json) -> bool:
    """Whether an item is reasoning without anything that a model can read: a summary is for people."""
    if item.get("type") != "reasoning":
        return False
    return not text_in(item, "encrypted_content") and not objects_in(item, "content")


def _can_be_rebuilt(items: Sequence[Json]) -> bool:
    """Whether the items are what a message is translated to: at most one message, then calls."""
    types = [item.get("type") for item in items]
    return all(type_ in CALLS for type_ in types[1:]) and (not types or types[0] in _EXPRESSIBLE)


def text_of_items(items: Iterable[Json]) -> str:
    """Return the text of all messages among the items."""
    text = ""
    for item in items:
        if item.get("type") == "message":
            for part in objects_in(item, "content"):
                text += text_in(part, "text") or text_in(part, "refusal")
    return text


def _without_nulls(item: Json) -> Json:
    # There are nulls in answers that are refused in requests.
    return {name: value for name, value in item.items() if value is not None}
