"""The tests of the conformance suite, one module per group."""

import pytest

_MODULES = (
    "wire",
    "response",
    "errors",
    "stream",
    "faults",
    "native",
    "tools",
    "honesty",
    "embeddings",
    "through_gateway",
    "prepare",
    "generate",
    "failover",
    "performance",
    "live",
)

# pytest rewrites the assertions of test files only. These modules are imported by them, so they have to ask for it.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _MODULES))
