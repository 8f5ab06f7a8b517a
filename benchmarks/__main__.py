"""The command: `python -m benchmarks [scaling | memory | uploads | workers | ledger | recording]`; see `--help`.

The exit code is 1 if any answer was wrong: the figures of a gateway that answers wrongly are meaningless.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from benchmarks import ledger, memory, recording, scaling, uploads, workers
from benchmarks.chart import svg
from benchmarks.compare import PHASES, available, compare
from benchmarks.gateways import GATEWAYS
from benchmarks.options import some_of
from benchmarks.processes import raise_file_limit
from benchmarks.report import machine, say, show
from benchmarks.result import Result, as_table

CHART = Path(__file__).parent / "chart.svg"


def main() -> int:
    """Run the command line, and return the exit code."""
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
        return 1
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """End through an exception, so that all processes that were started are stopped."""
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare the gateways."
    )
    parser.set_defaults(run=_compare)
    _add_comparison_options(parser)
    commands = parser.add_subparsers(title="other measurements")
    modules = {
        "scaling": scaling,
        "memory": memory,
        "uploads": uploads,
        "workers": workers,
        "ledger": ledger,
        "recording": recording,
    }
    for name, module in modules.items():
        command = commands.add_parser(
            name,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=module.run)
        module.add_options(command)
    return parser


def _add_comparison_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--phases",
        type=some_of(PHASES),
        default=PHASES,
        help=f"comma-separated, from {','.join(PHASES)}",
    )
    parser.add_argument(
        "--gateways",
        type=some_of(GATEWAYS),
        default=tuple(GATEWAYS),
        help=f"comma-separated, from {','.join(GATEWAYS)}",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each phase is measured")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="duration of the load in each round"
    )
    parser.add_argument(
        "--chart", type=Path, help="the SVG file to write; default: benchmarks/chart.svg"
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="only check that everything works; writes a chart only with --chart",
    )


def _compare(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    chart_path = options.chart
    if options.smoke:
        options.gateways = ("nginx", "llms")
        options.rounds = 1
        options.seconds = 0.2
    elif chart_path is None:
        chart_path = CHART
    results = compare(available(options.gateways), options.phases, options.rounds, options.seconds)
    show(f"{machine()}\n")
    show(as_table(results, options.phases))
    if chart_path is not None:
        chart_path.write_text(svg(results, options.phases), "utf-8")
    _report_faults(results)
    return sum(result.wrong for result in results)


def _report_faults(results: list[Result]) -> None:
    for result in results:
        if result.fault:
            say(f"{result.name} answered wrongly: {result.fault}")


if __name__ == "__main__":
    sys.exit(main())
