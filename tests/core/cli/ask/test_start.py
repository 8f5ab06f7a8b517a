"""The request leaves soon after the command is started."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from command_line import TIMEOUT, CommandLine

from llms_core.testing import ScriptedUpstream

#: Seconds, on an interpreter that has its modules compiled.
TARGET = 0.4
#: The machine of the tests has other work, too: it is enough if one of so many starts is not disturbed.
STARTS = 10


@pytest.mark.slow
def test_the_request_leaves_within_the_target(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    taken = []
    for number in range(1, STARTS + 1):
        started = time.monotonic()
        process = asking.start("Hi")
        upstream.wait_for_request(number, TIMEOUT)
        taken.append(time.monotonic() - started)
        process.communicate(timeout=TIMEOUT)
        if taken[-1] <= TARGET:
            return
    pytest.fail(f"seconds until the request arrived: {', '.join(f'{seconds:.2f}' for seconds in taken)}")


def test_nothing_is_imported_that_a_prompt_does_not_need(asking: CommandLine) -> None:
    """Neither the server, nor what renders Markdown or checks schemas."""
    program = (
        "import sys\nfrom llms_core.cli import main\n"
        "main(['Hi'], standalone_mode=False)\n"
        "unwanted = {'litestar', 'uvicorn', 'httpx', 'rich', 'jsonschema', 'readline', 'pytest'}\n"
        "print(sorted(unwanted & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=asking.folder,
        env=asking.env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == "Hello!\n[]\n"
