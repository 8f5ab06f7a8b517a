"""The gateway and the client of the server's tests."""

from tests.core.server.conftest import ask, asking, first, pair, plugin

__all__ = ["ask", "asking", "first", "pair", "plugin"]
