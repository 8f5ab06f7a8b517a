"""The operations on images: to generate, edit and vary them, as in OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.operations.forwarding import Forwarding, list_in

#: What an answer says of all its images, and an event of its own.
_SHARED = ("background", "output_format", "quality", "size", "usage")


class Images(Forwarding):
    """An operation whose answer is images, each as base64 or a URL. `event` is how its events are called."""

    model_patterns = (
        "dall-e*",
        "gpt-image*",
        "imagen*",
        "*/imagen*",
        "flux*",
        "*/flux*",
        "stable-diffusion*",
    )

    def __init__(self, name: str, event: str):
        self.name = name
        self._completed = f"{event}.completed"
        self.end_events = frozenset({self._completed})

    def fault(self, call: ForwardCall, answer: ForwardedAnswer) -> str | None:
        """Return what is wrong with an answer."""
        images = list_in(answer.data, "data")
        if not images:
            return "it has no images"
        if not all(map(_is_image, images)):
            return "an image has neither `b64_json` nor `url`"
        return None

    def counted(self, answer: ForwardedAnswer) -> Usage | None:
        """Return the tokens, if there are any, and the number of images."""
        usage = super().counted(answer) or Usage()
        usage.images = len(list_in(answer.data, "data") or ())
        return usage

    def events_of(self, answer: ForwardedAnswer) -> Sequence[Mapping[str, Any]]:
        """Return an event for each image. Events have no room for a URL."""
        members = msgspec.json.decode(answer.data)
        images = members["data"]
        if not all(image.get("b64_json") for image in images):
            return ()
        shared = {name: members[name] for name in _SHARED if name in members}
        common = {"type": self._completed, "created_at": members.get("created", 0), **shared}
        return [{**common, "b64_json": image["b64_json"]} for image in images]


def _is_image(image: Any) -> bool:
    if not isinstance(image, dict):
        return False
    content = image.get("b64_json") or image.get("url")
    return isinstance(content, str) and bool(content)


GENERATIONS = Images("images_generations", "image_generation")
EDITS = Images("images_edits", "image_edit")
VARIATIONS = Images("images_variations", "image_variation")
