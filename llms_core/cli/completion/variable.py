"""How the scripts ask for completions."""

from __future__ import annotations

VARIABLE = "_LLMS_COMPLETE"
"""The environment variable by which the scripts ask for completions; click makes it of the command's name."""
