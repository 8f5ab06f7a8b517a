"""Makes images in chats smaller before they are sent, as `convert.image` of llms.json says (K-20).

Images come from clients, and what decodes them is native code. So only the beginning of a file is read here, for its
width and height (`dimensions.py`). One that is too large is decoded in a process of its own (`process.py`), which has
limits of time and memory, and no key in its environment.
"""

from __future__ import annotations

from importlib.util import find_spec

from llms_core.config.model import LlmsJson

EXTRA = "llms-core[images]"
"""The requirement that brings Pillow."""


def is_available() -> bool:
    """Whether Pillow is installed."""
    return find_spec("PIL") is not None


def warnings(document: LlmsJson) -> tuple[str, ...]:
    """Return what the user should know: images are not made smaller, although the file says so."""
    if document.images is None or is_available():
        return ()
    message = (
        f"images are sent as they are, because Pillow is not installed; run `pip install '{EXTRA}'`"
    )
    return (f"{document.path}: convert.image: {message}",)
