"""The request leaves soon after the command is started, because little is imported before."""

from __future__ import annotations

import subprocess
import sys

from command_line import TIMEOUT, CommandLine


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
