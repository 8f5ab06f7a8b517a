"""Upgrades one provider block of llms.py's to our format."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.config.adapters import (
    TypeMatch,
    find_type,
    is_same_host,
    own_member_names,
    provider_name,
)
from llms_core.config.llms_py.catalogue import CatalogueEntry, LlmsPyCatalogue
from llms_core.config.llms_py.shape import LlmsPyBlock
from llms_core.config.locate import JsonPath
from llms_core.config.reader import Specs
from llms_core.config.shape import member_names
from llms_core.config.source import Source, did_you_mean, is_given
from llms_core.openai_compatible import OPENAI_COMPATIBLE

_MEMBERS = member_names(LlmsPyBlock)
# llms.py's own tests use this for `OpenAiProvider`. Without a URL it is the provider of that name.
_SHORT_OPENAI_TYPE = "openai"

# Members that have no effect here. The last would change requests, so that a user has to know that they do not.
_UNUSED = ("name", "doc", "curl", "stream")
_UNUSED_AND_NOTED = ("modalities", "server_tools", "speech_config")  # (L-16 … L-18)
_SETTINGS_OF_SOME_ADAPTERS = ("safety_settings", "thinking_config")  # (K-11, K-12)


class BlockUpgrade:
    """The upgrade of one block.

    `run` changes `members` step by step; each step is for something that our format expresses in another way. The block
    of a file in our format is not changed.
    """

    def __init__(
        self,
        source: Source,
        specs: Specs,
        id: str,
        raw: Raw,
        catalogue: LlmsPyCatalogue | None,
    ):
        """Check the types of the block's members. A catalogue is given for versions 3 and 4. Raises ConfigError."""
        self._source = source
        self._specs = specs
        self._path: JsonPath = ("providers", id)
        self.members = source.members_of(raw, self._path)
        known = {name: value for name, value in self.members.items() if name in _MEMBERS}
        self._block = source.decode(msgspec.json.encode(known), LlmsPyBlock, self._path)
        self._provider = provider_name(self._path, self._block)
        self._is_v3 = catalogue is not None
        self._entry = CatalogueEntry()
        if catalogue is not None:
            self._entry = catalogue.entry(self._block.id or id) or self._entry
        # whether an npm package is used for another host than that of the provider which it is named after
        self._is_elsewhere = False
        #: why no adapter could be found; see Document
        self.unusable: str | None = None
        self.warnings_if_enabled: list[str] = []

    def run(self) -> None:
        """Upgrade `members`."""
        self._upgrade_type()
        match: TypeMatch | None = None
        if self.unusable is None:
            match = find_type(self._specs, self._text("type"), self._provider, self._url())
        if match is not None:
            self._upgrade_url(match)
            self._upgrade_keys(match)
        self._upgrade_models()
        self._drop_unused(match)

    def _upgrade_type(self) -> None:
        """Replace `npm`, and what only the catalogue knows of a provider, by `type` (L-08, L-19)."""
        self.members.pop("npm", None)
        block = self._block
        if block.type is not None:
            is_short = block.type.strip().lower() == _SHORT_OPENAI_TYPE
            if is_short and block.base_url:
                self._set("type", OPENAI_COMPATIBLE.name)
        elif block.npm is not None:
            self._type_from_npm(block.npm, block.api, (*self._path, "npm"))
        elif self._is_v3 and self._provider not in self._specs:
            self._type_of_unknown_provider()

    def _type_of_unknown_provider(self) -> None:
        """Find the type of a provider that is in no plugin: the catalogue may have it, or the block has a URL."""
        entry = self._entry
        block = self._block
        if entry.npm or entry.api:
            npm = entry.npm or OPENAI_COMPATIBLE.name
            self._type_from_npm(npm, block.api or entry.api, self._path)
            has_url = block.base_url is not None or block.api is not None
            if entry.api and not has_url:
                self._add("api", entry.api)
        elif block.api:
            self._set("type", OPENAI_COMPATIBLE.name)
        else:
            reason = f"provider '{self._path[-1]}' is not known: give `npm` and `api`, or install a plugin that has it"
            self._leave_out(self._path, reason, did_you_mean(self._provider, self._specs))

    def _type_from_npm(self, npm: str, api: str | None, path: JsonPath) -> None:
        """Set `type` to the adapter that llms.py names by an npm package, which is one of its aliases."""
        match = find_type(self._specs, npm, self._provider, api)
        if match is None and api:
            message = f"unknown npm '{npm}'; used as an OpenAI-compatible provider"
            self._source.report(path, message, did_you_mean(npm, self._specs))
            self._set("type", OPENAI_COMPATIBLE.name)
        elif match is None:
            self._leave_out(path, f"unknown npm '{npm}'", did_you_mean(npm, self._specs))
        elif match.spec.name == OPENAI_COMPATIBLE.name and not api:
            self._leave_out(path, f"npm '{npm}' needs `api`")
        else:
            self._set("type", npm)
            self._source.record_move((*self._path, "type"), path)
            self._is_elsewhere = not is_same_host(api, match.spec.base_url)

    def _leave_out(self, path: JsonPath, reason: str, hint: str = "") -> None:
        self._source.report(path, f"{reason}; left out", hint)
        self.unusable = reason

    def _upgrade_url(self, match: TypeMatch) -> None:
        """Take the URL from the catalogue if neither the block nor the spec has one."""
        has_url = bool(self._url() or match.spec.base_url)
        if self._entry.api and not has_url:
            self._add("api", self._entry.api)

    def _upgrade_keys(self, match: TypeMatch) -> None:
        """Write out which variables may contain the key, if that is not what our format means by default.

        - The catalogue has variables of its own, for the host that it names (L-11).
        - A block with `npm` and `api` may use an adapter for another host, which must not get the provider's key
          (SR-005). In our format, a block with that adapter as its `type` would send it.
        """
        names = self._block.env
        loses_key = match.is_own and self._is_elsewhere
        if names is None:
            names = self._catalogued_variables(match)
            is_default = not names and not loses_key
            if match.is_own and not loses_key:
                names = [*names, *match.spec.key_env]
            if not is_default:
                self._set("env", list(dict.fromkeys(names)))
        written_key = (self._block.api_key or "").strip()
        is_named = bool(written_key or names)
        if loses_key and not is_named and self._block.needs_key is None:
            self._set("needs_key", value=False)

    def _catalogued_variables(self, match: TypeMatch) -> list[str]:
        """The variables in the catalogue, if the block's URL leads to the host that the catalogue has."""
        own = match.spec.base_url
        url = self._url() or own
        if is_same_host(url, self._entry.api or own):
            return self._entry.env
        return []

    def _upgrade_models(self) -> None:
        """Take the models from the catalogue if the block has none (L-19), and make names lenient from v3 on (L-20)."""
        if self._entry.models and self._block.models is None:
            self._add("models", self._entry.models)
        if self._is_v3 and self._block.lenient_names is None:
            self._set("lenient_names", value=True)

    def _drop_unused(self, match: TypeMatch | None) -> None:
        """Drop what has no effect here, unless the adapter has a setting of that name."""
        own = frozenset[str]()
        if match is not None:
            own = own_member_names(match.spec.settings)
        if is_given(self.members.get("stream")):
            self._source.note(
                (*self._path, "stream"),
                "not used: the client chooses whether it wants a stream",
            )
        if self._block.curl:
            self._warn_if_enabled("curl", "not used: requests are never sent with curl")
        for name in (*_UNUSED, *_UNUSED_AND_NOTED, *_SETTINGS_OF_SOME_ADAPTERS):
            if name not in own:
                self._drop(name, match)

    def _drop(self, name: str, match: TypeMatch | None) -> None:
        raw = self.members.pop(name, None)
        if not is_given(raw):
            return
        if name in _UNUSED_AND_NOTED:
            self._source.note((*self._path, name), "not used here")
        elif name in _SETTINGS_OF_SOME_ADAPTERS and match is not None:
            self._warn_if_enabled(
                name, f"not used: the adapter '{match.spec.name}' has no such setting"
            )

    def _warn_if_enabled(self, name: str, message: str) -> None:
        warning = self._source.error((*self._path, name), message)
        self.warnings_if_enabled.append(str(warning))

    def _url(self) -> str | None:
        """The block's URL after the steps so far."""
        return self._text("base_url") or self._text("api")

    def _text(self, name: str) -> str | None:
        """A member that is a string, after the steps so far."""
        raw = self.members.get(name)
        if is_given(raw):
            return msgspec.json.decode(raw, type=str)
        return None

    def _set(self, name: str, value: Any) -> None:
        self.members[name] = Raw(msgspec.json.encode(value))

    def _add(self, name: str, value: Any) -> None:
        """Set a member that is not in the file, but in the catalogue."""
        self._set(name, value)
        self._source.record_addition((*self._path, name))
