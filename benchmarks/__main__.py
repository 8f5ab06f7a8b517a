"""The command: `python -m benchmarks [scaling | memory | workers]`; `--help` has the rest.

The exit code is 1 where an answer was wrong: the figures of a gateway that answers wrongly say nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from benchmarks import memory, scaling, workers
from benchmarks.chart import svg
from benchmarks.compare import PHASES, available, compare
from benchmarks.gateways import GATEWAYS
from benchmarks.options import some_of
from benchmarks.processes import raise_file_limit
from benchmarks.report import machine, say, show
from benchmarks.result import as_table

CHART = Path(__file__).parent / "chart.svg"


def main() -> int:
    """Do what the command line says; the exit code."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _stop)
    raise_file_limit()
    try:
        wrong: int = options.run(options)
    except RuntimeError as error:
        say(str(error))
        return 1
    if wrong:
        say(f"{wrong} wrong answers")
    return 1 if wrong else 0


def _stop(number: int, frame: FrameType | None) -> None:
    """End as an exception does, so that all that was started is ended, too."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the gateways side by side.")
    parser.set_defaults(run=_compare)
    parser.add_argument("--phases", type=some_of(PHASES), default=PHASES, help=f"of {','.join(PHASES)}")
    parser.add_argument("--gateways", type=some_of(GATEWAYS), default=tuple(GATEWAYS), help=f"of {','.join(GATEWAYS)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each phase is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, in each round")
    parser.add_argument("--chart", type=Path, help="where the SVG goes; benchmarks/chart.svg")
    parser.add_argument(
        "--smoke", action="store_true", help="only see whether all of it works; a chart if --chart says so"
    )
    commands = parser.add_subparsers(title="other measurements")
    for name, module in {"scaling": scaling, "memory": memory, "workers": workers}.items():
        command = commands.add_parser(
            name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(run=module.run)
        module.add_options(command)
    return parser


def _compare(options: argparse.Namespace) -> int:
    """Measure and print; how many answers were wrong."""
    if options.smoke:
        options.gateways, options.rounds, options.seconds = ("nginx", "llms"), 1, 0.2
    results = compare(available(options.gateways), options.phases, options.rounds, options.seconds)
    show(f"{machine()}\n")
    show(as_table(results, options.phases))
    chart, path = svg(results, options.phases), options.chart or (None if options.smoke else CHART)
    if path is not None:
        path.write_text(chart, "utf-8")
    for result in results:
        if result.fault:
            say(f"{result.name} answered wrongly: {result.fault}")
    return sum(result.wrong for result in results)


if __name__ == "__main__":
    sys.exit(main())
