"""Resizes an image in a process of its own, which ends with it."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from llms_core.config.model import ImageLimits
from llms_core.images import resize

TIMEOUT = 20.0
"""Seconds for one image, including the start of the process."""

MAX_MEMORY = 1024 * 1024 * 1024
"""The most bytes that the process may use."""

#: What the process needs of our environment on some systems. It must not get more, because keys are in there.
_ENVIRONMENT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_MAX_REASON = 200


class NotResized(Exception):
    """The image could not be made smaller, for the reason in the message."""


async def resized(data: bytes, limits: ImageLimits) -> bytes:
    """Return an image as a JPEG within the limits. Raises NotResized."""
    arguments = resize.Limits(limits.width, limits.height, limits.size, MAX_MEMORY, int(TIMEOUT))
    process = await asyncio.create_subprocess_exec(
        # Neither the current folder nor the user's settings decide what is imported.
        *(sys.executable, "-I", "-S", resize.__file__, _folder_of_pillow(), *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            result, reason = await process.communicate(data)
    except TimeoutError:
        raise NotResized(f"it took longer than {TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not result:
        text = reason.decode(errors="replace").strip()
        raise NotResized(text[:_MAX_REASON] or f"the process ended with {process.returncode}")
    return result


def _folder_of_pillow() -> str:
    spec = find_spec("PIL")
    if spec is None or spec.origin is None:
        raise NotResized("Pillow is not installed")
    return str(Path(spec.origin).parent.parent)
