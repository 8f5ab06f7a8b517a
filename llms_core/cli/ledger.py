"""The ledger for commands that read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llms_core.cli import plugin_commands
from llms_core.config import places

if TYPE_CHECKING:
    from llms_core.ledger.database import Database


@contextmanager
def opened(ctx: click.Context, plugins: Path | None) -> Iterator[Database | None]:
    """Return the database that plugins.toml names, which is closed at the end; None if nothing has been recorded.

    Raises ConfigError if it is not available.
    """
    from llms_core import ledger
    from llms_core.errors import ConfigError
    from llms_core.ledger.database import Unavailable
    from llms_core.ledger.opening import FILE, database_for

    plugin_commands.load_plugins(ctx, plugins)
    settings = ledger.current_settings()
    if settings.url is None and not (places.home(os.environ) / FILE).exists():
        yield None
        return
    database = database_for(settings, os.environ, reads=True)
    try:
        yield database
    except Unavailable as error:
        raise ConfigError(f"the ledger cannot be read: {error}") from None
    finally:
        database.close()
