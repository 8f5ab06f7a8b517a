"""The conformance suite's tests, a module a group."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in (
            "wire",
            "response",
            "errors",
            "stream",
            "faults",
            "tools",
            "honesty",
            "failover",
            "performance",
            "live",
        )
    )
)
