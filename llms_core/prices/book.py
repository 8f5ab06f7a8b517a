"""The price book of this process: the price list, and the models of it that have been looked up."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from llms_core.prices import listed
from llms_core.prices.listed import Listing, PriceList
from llms_core.prices.rates import Rates

log = logging.getLogger(__name__)

_PACKAGE = "genai-prices"
_TIMEOUT = 120.0
#: Models that are remembered. Clients can only reach models that the configuration or a provider lists.
_MAX_MODELS = 4096
#: What the process needs of our environment; it must not get more, because keys are in there.
_ENVIRONMENT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class PriceBook:
    """Prices of models by where they are served. It knows none before `load`."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._list: PriceList | None = None
        self._found: dict[tuple[str, str, str], Listing | None] = {}
        #: By model, and the position of the price that applies.
        self._rates: dict[tuple[str, str, str, int], Rates] = {}
        self._lock = threading.Lock()
        #: Whether `load` has ended, with a list or without.
        self.is_loaded = False

    def load(self, *, may_compile: bool = True) -> None:
        """Read the price list; make it first if this version of genai-prices has none yet, which takes a second.

        To be called in a thread. A list that cannot be had is logged, and then no price is known.
        """
        with self._lock:
            if self._list is not None or (self.is_loaded and not may_compile):
                return
            try:
                installed = version(_PACKAGE)
            except PackageNotFoundError:
                log.warning(
                    "costs are only known of models that llms.json has a price for: install %s",
                    _PACKAGE,
                )
                self.is_loaded = True
                return
            path = self._folder / f"prices-{installed}-{listed.FORMAT}.json"
            self._list = _read(path)
            if self._list is None and may_compile:
                self._list = _compile(path)
            self.is_loaded = True

    def find(self, url: str, name: str, model: str) -> Listing | None:
        """Return a model of the list by the URL of the provider's API, or its type if that is empty."""
        if self._list is None:
            return None
        key = (url, name, model)
        try:
            return self._found[key]
        except KeyError:
            pass
        found = listed.find(self._list, url, name, model)
        if len(self._found) < _MAX_MODELS:
            self._found[key] = found
        return found

    def search(self, model: str) -> Sequence[Listing]:
        """Return a model wherever the list has it."""
        if self._list is None:
            return ()
        return listed.search(self._list, model)

    def rates(
        self, url: str, name: str, model: str, at: float, service_tier: str | None = None
    ) -> Rates | None:
        """Return the rates of a model at a time, in Unix seconds; None if they are not known."""
        found = self.find(url, name, model)
        if found is None:
            return None
        tier = service_tier if service_tier is not None and found.has_tier(service_tier) else None
        if tier is not None:
            # Such rates have periods of their own, and few requests have them.
            return found.rates(at, tier)
        key = (url, name, model, found.position(at))
        rates = self._rates.get(key)
        if rates is None:
            rates = found.rates(at)
            if len(self._rates) < _MAX_MODELS:
                self._rates[key] = rates
        return rates


@lru_cache(maxsize=8)
def price_book(folder: Path) -> PriceBook:
    """Return the price book that keeps its file in a folder: one for the whole process."""
    return PriceBook(folder)


def _read(path: Path) -> PriceList | None:
    try:
        return listed.decode(path.read_bytes())
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def _compile(path: Path) -> PriceList | None:
    # Neither the current folder nor the user's settings decide what is imported.
    command = (sys.executable, "-P", "-m", "llms_core.prices.compile")
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # Where a program finds its packages, if that is not its own folder.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        finished = subprocess.run(  # noqa: S603 - the program is this package's own
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=True,
            # A signal to the gateway's group is not one to this process, which ends by itself soon.
            start_new_session=True,
        )
        found = listed.decode(finished.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, msgspec.DecodeError) as error:
        log.warning("the prices of %s cannot be read, so costs are unknown: %s", _PACKAGE, error)
        return None
    _keep(path, finished.stdout)
    return found


def _keep(path: Path, data: bytes) -> None:
    own = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(data)
        # Whole at once, so that no other process reads a part of it.
        own.replace(path)
    except OSError as error:
        log.info("the price list cannot be kept, and is made again at the next start: %s", error)
        with suppress(OSError):
            own.unlink(missing_ok=True)
