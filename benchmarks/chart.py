"""The comparison as a chart: a hand-written SVG, for light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.plan import LOADS
from benchmarks.report import figure, machine
from benchmarks.result import Result

TITLES = {
    "plain": "One answer of 700 bytes, 32 at once",
    "burst": "A stream of 100 chunks without pause, 32 at once",
    "paced": "A stream of 100 chunks, 10 ms apart, 32 at once",
    "failover": "One answer by the second provider: the first always fails, 32 at once",
}

# Sizes in the units of the SVG's viewBox.
_WIDTH = 760
_BARS_LEFT = 120
_LONGEST_BAR = 470
_ROW_HEIGHT = 24
_PHASE_TITLE_HEIGHT = 40
_PHASES_TOP = 64

_TITLE = "CPU time of a gateway per request"

_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 } .phase { font-weight: 600 } .small { font-size: 12px; fill: #59636e }
.name { text-anchor: end } .paper { fill: #ffffff } .bar { fill: #8c959f } .llms { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 }
  .paper { fill: #0d1117 } .bar { fill: #6e7681 } .llms { fill: #4493f8 }
}"""


def svg(results: Sequence[Result], phases: Sequence[str]) -> str:
    """Return bars of CPU time per request; each phase has a scale of its own."""
    lines = [
        '<rect width="100%" height="100%" class="paper"/>',
        f'<text x="16" y="30" class="title">{_TITLE}</text>',
        f'<text x="16" y="50" class="small">{escape(machine())}</text>',
    ]
    y = _PHASES_TOP
    for phase in phases:
        if phase not in LOADS:
            continue
        lines.append(f'<text x="16" y="{y + 24}" class="phase">{escape(TITLES[phase])}</text>')
        lines += _bars(results, phase, y + _PHASE_TITLE_HEIGHT)
        y += _PHASE_TITLE_HEIGHT + _ROW_HEIGHT * len(results)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 16}" role="img">'
    return "\n".join(
        [head, f"<title>{_TITLE}</title>", f"<style>{_STYLE}</style>", *lines, "</svg>", ""]
    )


def _bars(results: Sequence[Result], phase: str, y: int) -> Iterator[str]:
    cpu_times = [result.middle(phase, "cpu_ms") for result in results]
    measured = [cpu_ms for cpu_ms in cpu_times if cpu_ms is not None]
    longest = max(measured, default=0.0) or 1.0
    for row, (result, cpu_ms) in enumerate(zip(results, cpu_times, strict=True)):
        top = y + row * _ROW_HEIGHT
        # A gateway without a figure still gets a sliver of a bar.
        width = max(1.0, _LONGEST_BAR * (cpu_ms or 0.0) / longest)
        css_class = "llms" if result.name == "llms" else "bar"
        label = _label(phase, cpu_ms, result.ratio(phase, results))
        yield f'<text x="{_BARS_LEFT - 8}" y="{top + 14}" class="name">{escape(result.name)}</text>'
        yield f'<rect x="{_BARS_LEFT}" y="{top + 2}" width="{width:.1f}" height="16" rx="2" class="{css_class}"/>'
        yield f'<text x="{_BARS_LEFT + width + 6:.1f}" y="{top + 14}" class="small">{escape(label)}</text>'


def _label(phase: str, cpu_ms: float | None, ratio: float | None) -> str:
    lacking = "does not fail over" if phase == "failover" else "does not stream"
    label = lacking if cpu_ms is None else f"{figure(cpu_ms)} ms"
    if ratio is not None:
        label += f" = {figure(ratio)} × nginx"
    return label
