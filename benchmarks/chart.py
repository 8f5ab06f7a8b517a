"""The comparison as a chart: an SVG by hand, readable on light and on dark."""

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

_WIDTH, _LEFT, _BAR, _ROW, _HEAD, _TOP = 760, 120, 470, 24, 40, 64

_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 } .phase { font-weight: 600 } .small { font-size: 12px; fill: #59636e }
.name { text-anchor: end } .paper { fill: #ffffff } .bar { fill: #8c959f } .llms { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 }
  .paper { fill: #0d1117 } .bar { fill: #6e7681 } .llms { fill: #4493f8 }
}"""


def svg(results: Sequence[Result], phases: Sequence[str]) -> str:
    """Bars of CPU time per request, for each phase on a scale of its own."""
    lines = [
        '<rect width="100%" height="100%" class="paper"/>',
        f'<text x="16" y="30" class="title">{_TITLE}</text>',
        f'<text x="16" y="50" class="small">{escape(machine())}</text>',
    ]
    y = _TOP
    for phase in phases:
        if phase in LOADS:
            lines.append(f'<text x="16" y="{y + 24}" class="phase">{escape(TITLES[phase])}</text>')
            lines += _bars(results, phase, y + _HEAD)
            y += _HEAD + _ROW * len(results)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 16}" role="img">'
    return "\n".join([head, f"<title>{_TITLE}</title>", f"<style>{_STYLE}</style>", *lines, "</svg>", ""])


_TITLE = "CPU time of a gateway per request"


def _bars(results: Sequence[Result], phase: str, y: int) -> Iterator[str]:
    values = [result.middle(phase, "cpu_ms") for result in results]
    longest = max((value for value in values if value is not None), default=0.0) or 1.0
    for row, (result, value) in enumerate(zip(results, values, strict=True)):
        top, told = y + row * _ROW, "does not stream" if value is None else f"{figure(value)} ms"
        if (times := result.ratio(phase, results)) is not None:
            told += f" = {figure(times)} × nginx"
        width = max(1.0, _BAR * (value or 0.0) / longest)
        kind = "llms" if result.name == "llms" else "bar"
        yield f'<text x="{_LEFT - 8}" y="{top + 14}" class="name">{escape(result.name)}</text>'
        yield f'<rect x="{_LEFT}" y="{top + 2}" width="{width:.1f}" height="16" rx="2" class="{kind}"/>'
        yield f'<text x="{_LEFT + width + 6:.1f}" y="{top + 14}" class="small">{escape(told)}</text>'
