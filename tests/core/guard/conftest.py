"""The gateway and the client of the server's tests."""

from tests.core.server.conftest import asking

__all__ = ["asking"]
