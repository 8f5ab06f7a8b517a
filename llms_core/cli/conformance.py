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

from llms_core.cli.completion import parameters as completing
from llms_core.cli.user_error import UserError
from llms_core.errors import ConfigError

# pytest's exit codes. pytest itself is optional, and imported only when it runs.
_PASSED = 0
_FAILED = 1
_USAGE_ERROR = 4


@click.command(
    short_help="Test a provider's adapter.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
)
@click.argument("provider", metavar="NAME", shell_complete=completing.types)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the result to a file.",
)
@click.option(
    "--level",
    "only_level",
    is_flag=True,
    help="Print only the level; pytest's output goes to stderr.",
)
@click.option(
    "--wire", metavar="MODULE:NAME", help="Use this Wire instead of the one in the provider's spec."
)
@click.option("--plugins", type=click.Path(path_type=Path), help="The plugins.toml to use.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    provider: str,
    json_path: Path | None,
    only_level: bool,
    wire: str | None,
    plugins: Path | None,
    pytest_args: tuple[str, ...],
) -> None:
    """Run the conformance suite against the provider NAME, which is installed or declared in plugins.toml.

    Nothing is sent to the provider itself, unless LLMS_LIVE=1 and its key are set in the environment. Other arguments
    are passed to pytest (-k test_s_, -x, -v). The exit code is 0 if no test failed and at least bronze is reached.

    \b
      llms conformance groq
      llms conformance acme --level
      llms conformance acme -k test_s_ -x
    """
    if find_spec("pytest") is None:
        raise ConfigError(
            "the conformance suite needs pytest", hint='run `pip install "llms-core[testing]"`'
        )
    if plugins is None:
        plugins = ctx.find_root().params.get("plugins")
    with TemporaryDirectory(prefix="llms-conformance-") as folder:
        path = (json_path or Path(folder) / "conformance.json").absolute()
        # A result of an earlier run must not be mistaken for this one's.
        path.unlink(missing_ok=True)
        code = _run(_pytest_arguments(provider, path, plugins, wire, pytest_args), quiet=only_level)
        result = _read_result(path)
    if code == _USAGE_ERROR:
        sys.exit(UserError.exit_code)
    level = result.get("level")
    if only_level:
        click.echo(level or "none")
    if code == _PASSED and not level:
        code = _FAILED
    sys.exit(code)


def _read_result(path: Path) -> dict[str, Any]:
    """The suite's result; empty if pytest stopped before it was written."""
    if not path.is_file():
        return {}
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return result


def _pytest_arguments(
    provider: str, path: Path, plugins: Path | None, wire: str | None, more: tuple[str, ...]
) -> list[str]:
    arguments = ["-p", "llms_core.testing.plugin", "--pyargs", "llms_core.testing.suite"]
    arguments += [f"--llms-provider={provider}", f"--llms-json={path}"]
    if plugins is not None:
        arguments.append(f"--llms-plugins={plugins}")
    if wire is not None:
        arguments.append(f"--llms-wire={wire}")
    # Ignore the configuration, conftest and plugins of the folder that the command runs in.
    arguments += ["-c", os.devnull, f"--rootdir={Path(__file__).parent.parent}", "--noconftest"]
    arguments += ["-p", "no:cacheprovider", "-q", "--tb=short"]
    return [*arguments, *more]


def _run(arguments: list[str], *, quiet: bool) -> int:
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if not quiet:
        return int(pytest.main(arguments))
    with redirect_stdout(sys.stderr):
        return int(pytest.main(arguments))
