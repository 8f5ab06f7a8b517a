"""llms.py's catalogue: providers.json and providers-extra.json, in the format of models.dev (L-19)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
from msgspec import Raw

from llms_core.config.shape import ModelEntry
from llms_core.config.source import RawMembers, Source

PROVIDERS_JSON = "providers.json"
EXTRA_JSON = "providers-extra.json"
_decoder = msgspec.json.Decoder(RawMembers)


class CatalogueEntry(msgspec.Struct, kw_only=True):
    """What the catalogue has on one provider."""

    npm: str | None = None
    api: str | None = None
    name: str | None = None
    env: list[str] = []
    models: dict[str, ModelEntry] = {}


class LlmsPyCatalogue:
    """The catalogue in the first of some folders that contains one. What cannot be read is a warning."""

    def __init__(self, source: Source, folders: Iterable[Path]):
        """Read both files; their entries are decoded on demand, as they have thousands of models."""
        self._source = source
        self._files: list[tuple[str, RawMembers]] = []
        for folder in folders:
            if _is_file(folder / PROVIDERS_JSON):
                self._files = [
                    (name, self._read(folder / name)) for name in (PROVIDERS_JSON, EXTRA_JSON)
                ]
                break

    def entry(self, provider: str) -> CatalogueEntry | None:
        """Return a provider's entry; models of providers-extra.json override those of providers.json."""
        merged: CatalogueEntry | None = None
        for name, providers in self._files:
            raw = providers.get(provider)
            entry = None if raw is None else self._decode(name, provider, raw)
            if entry is None:
                continue
            if merged is None:
                merged = entry
            else:
                merged.models.update(entry.models)
        if merged is not None:
            merged.models = {
                name: model for name, model in merged.models.items() if _writes_text(model)
            }
        return merged

    def _decode(self, file: str, provider: str, raw: Raw) -> CatalogueEntry | None:
        try:
            return msgspec.json.decode(raw, type=CatalogueEntry)
        except (msgspec.DecodeError, RecursionError) as error:
            self._source.warnings.append(f"{file}: {provider}: not used: {error}")
            return None

    def _read(self, path: Path) -> RawMembers:
        try:
            return _decoder.decode(path.read_bytes())
        except FileNotFoundError:  # providers-extra.json is optional
            return {}
        except (OSError, msgspec.DecodeError, RecursionError) as error:
            self._source.warnings.append(f"{path}: not used: {error}")
            return {}


def suffices(
    source: Source, folders: Iterable[Path], provider: str, specs: Collection[str]
) -> bool:
    """Whether a block needs no more than the provider's name in this file.

    This is so in files of llms.py 3 and 4, if there is a type of that name or the catalogue has the provider.
    """
    version = msgspec.json.decode(source.members.get("version", b"null"))
    if not isinstance(version, int) or version < 3:
        return False
    return provider in specs or LlmsPyCatalogue(source, folders).entry(provider) is not None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be read
        return False


def _writes_text(model: ModelEntry) -> bool:
    """Whether a model can chat: the catalogue also lists models that only write images or speech."""
    if model.modalities is None or not model.modalities.output:
        return True
    return "text" in model.modalities.output
