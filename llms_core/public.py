"""The public API: the modules that plugins may import from.

Everything else may change without notice. docs/versioning.md describes what may change in these modules, and how.
"""

from __future__ import annotations

#: Every public module. A package stands for the names in its `__init__`, unless it is in PUBLIC_PACKAGES.
PUBLIC_MODULES = (
    "llms_core",
    "llms_core.candidate",
    "llms_core.dialects",
    "llms_core.dialects.openai_error",
    "llms_core.dialects.sse",
    "llms_core.errors",
    "llms_core.failure",
    "llms_core.middleware",
    "llms_core.middleware.streams",
    "llms_core.middleware.text_window",
    "llms_core.openai_compatible",
    "llms_core.operations",
    "llms_core.operations.adapter_results",
    "llms_core.operations.chat",
    "llms_core.operations.count_tokens",
    "llms_core.operations.embeddings",
    "llms_core.operations.stream",
    "llms_core.plugins.hook_types",
    "llms_core.plugins.settings",
    "llms_core.provider",
    "llms_core.records",
    "llms_core.secret",
    "llms_core.status",
)

#: Packages that are public with all their modules.
PUBLIC_PACKAGES = ("llms_core.contracts", "llms_core.native")

#: Public with all its modules, for the tests of plugins only. It may become stricter in any version.
TESTING_PACKAGE = "llms_core.testing"


def is_public(module: str) -> bool:
    """Whether a plugin may import `module` at run time."""
    if module in PUBLIC_MODULES:
        return True
    return any(module == package or module.startswith(f"{package}.") for package in PUBLIC_PACKAGES)
