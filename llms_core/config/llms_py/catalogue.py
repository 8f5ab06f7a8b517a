"""llms.py's catalogue: providers.json and providers-extra.json, in models.dev's shape (L-19). Read where present."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Raw

from llms_core.config.llms_json_shape import ModelEntry
from llms_core.config.reading import Reading

PROVIDERS, EXTRA = "providers.json", "providers-extra.json"
_file = msgspec.json.Decoder(dict[str, Raw])


class Entry(msgspec.Struct, kw_only=True):
    """What the catalogue knows of one provider."""

    npm: str | None = None
    api: str | None = None
    name: str | None = None
    env: list[str] = []
    models: dict[str, ModelEntry] = {}


class Catalogue:
    """The catalogue's files of the first of some folders that has any. Entries are decoded when they are asked for."""

    def __init__(self, reading: Reading, folders: Iterable[Path]):
        self._reading = reading
        folder = next((folder for folder in folders if _is_file(folder / PROVIDERS)), None)
        self._files = [] if folder is None else [(name, self._read(folder / name)) for name in (PROVIDERS, EXTRA)]

    def entry(self, provider: str) -> Entry | None:
        """A provider's entry, with the models of providers-extra.json over those of providers.json."""
        merged: Entry | None = None
        for name, providers in self._files:
            raw = providers.get(provider)
            if raw is None:
                continue
            try:
                entry = msgspec.json.decode(raw, type=Entry)
            except (msgspec.DecodeError, RecursionError) as error:
                self._reading.warnings.append(f"{name}: {provider}: not used: {error}")
                continue
            if merged is None:
                merged = entry
            else:
                merged.models.update(entry.models)
        if merged is not None:
            merged.models = {key: model for key, model in merged.models.items() if _answers_in_text(model)}
        return merged

    def _read(self, path: Path) -> dict[str, Raw]:
        try:
            return _file.decode(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, RecursionError) as error:
            self._reading.warnings.append(f"{path}: not used: {error}")
            return {}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a home that is closed to us has no catalogue for us
        return False


def _answers_in_text(model: ModelEntry) -> bool:
    """Whether it is a model to chat with: the catalogue also lists those that only draw or speak."""
    given = model.modalities.output if model.modalities else None
    return not given or "text" in given
