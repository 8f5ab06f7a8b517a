"""`llms conformance`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from llms_core.cli import Fault
from llms_core.errors import ConfigError

#: pytest's exit codes.
_PASSED, _FAILED, _MISUSED = 0, 1, 4


@click.command(
    short_help="Test a provider's adapter.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.argument("provider", metavar="NAME")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to a file."
)
@click.option("--level", "level_alone", is_flag=True, help="Print the level alone; what pytest says goes to stderr.")
@click.option("--wire", metavar="MODULE:NAME", help="The Wire, in place of the one that the provider's spec names.")
@click.option("--plugins", type=click.Path(path_type=Path), help="The plugins.toml to use.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    provider: str,
    json_path: Path | None,
    level_alone: bool,
    wire: str | None,
    plugins: Path | None,
    pytest_args: tuple[str, ...],
) -> None:
    """Run the conformance suite against the provider NAME: any that is installed, or that plugins.toml declares.

    Nothing is sent to the provider itself, unless LLMS_LIVE=1 is set and its key is in the environment. Other
    arguments go to pytest (-k test_s_, -x, -v). The exit code is 0 where nothing failed and at least bronze is reached.
    """
    if find_spec("pytest") is None:
        raise ConfigError("the conformance suite needs pytest", hint='run `pip install "llms-core[testing]"`')
    plugins = plugins if plugins is not None else ctx.find_root().params.get("plugins")
    with TemporaryDirectory(prefix="llms-conformance-") as folder:
        path = (json_path or Path(folder) / "conformance.json").absolute()
        path.unlink(missing_ok=True)
        code = _run(_arguments(provider, path, plugins, wire, pytest_args), quiet=level_alone)
        result: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if code == _MISUSED:
        sys.exit(Fault.exit_code)
    if level_alone:
        click.echo(result.get("level") or "none")
    sys.exit(code if code != _PASSED or result.get("level") else _FAILED)


def _arguments(provider: str, path: Path, plugins: Path | None, wire: str | None, more: tuple[str, ...]) -> list[str]:
    """pytest's. It reads no configuration, conftest or plugins of the folder that the command is run in."""
    found = ["-p", "llms_core.testing.plugin", "--pyargs", "llms_core.testing.suite", f"--llms-provider={provider}"]
    found += [f"--llms-json={path}"]
    found += [f"--llms-plugins={plugins}"] if plugins is not None else []
    found += [f"--llms-wire={wire}"] if wire is not None else []
    found += ["-c", os.devnull, f"--rootdir={Path(__file__).parent.parent}", "--noconftest", "-p", "no:cacheprovider"]
    return [*found, "-q", "--tb=short", *more]


def _run(arguments: list[str], *, quiet: bool) -> int:
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if not quiet:
        return int(pytest.main(arguments))
    with redirect_stdout(sys.stderr):
        return int(pytest.main(arguments))
