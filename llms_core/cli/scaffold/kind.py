"""What one kind of plugin adds to a project: its own files, and its parts of the common ones."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of plugin. All texts, and the paths, are for `string.Template`."""

    #: Path -> text of the plugin's modules and tests.
    files: Mapping[str, str]
    #: The part of the README that tells how the plugin is used.
    use: str
    #: The part of the README that tells its author what to do first.
    next_step: str
    #: What pyproject.toml calls it.
    description: str
    #: msgspec is a dependency of llms-core; a plugin that imports it declares it, too.
    imports_msgspec: bool = False
    #: Whether the plugin is a provider, which the conformance suite tests.
    is_provider: bool = False

    @property
    def prefix(self) -> str:
        """How the names of distributions begin."""
        if self.is_provider:
            return "llms-provider-"
        return "llms-plugin-"

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules beside the tests: what the wheel contains."""
        return tuple(path for path in self.files if "/" not in path)
