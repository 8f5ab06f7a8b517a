"""Several processes that serve the same address, under uvicorn's supervisor."""

from __future__ import annotations

import sys

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """The supervisor. It does not listen, but clients can connect for as long as any process has the socket."""

    def terminate_all(self) -> None:
        """Stop the workers; they close their sockets first, and no new client can connect from then on."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def run_workers(config: Config) -> None:
    """Serve until a signal stops the process."""
    workers = Workers(config, sockets=[config.bind_socket()])
    workers.run()
    if any(process.exitcode == STARTUP_FAILURE for process in workers.processes):
        sys.exit(STARTUP_FAILURE)
