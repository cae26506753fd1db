"""What ``scripts/bench`` measured as Markdown: every candidate, and which targets are met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, le, lt
from types import MappingProxyType
from typing import Final

from bench_cases import CASES, PEER
from bench_runs import Measured

GIB_MB: Final = 2**30 / 1e6
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "netinfer": "netinfer",
        "fifth": "netinfer over a fifth",
        "floor": "bare DuckDB (floor)",
        "pandas": "pandas in chunks",
        "peer": PEER.partition("==")[0],
        "bare": "`python -c pass`",
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on what one candidate takes, or on how often it holds what another takes.

    Attributes:
        case: of ``CASES``.
        what: ``wall``, ``cpu`` or ``peak_mb``.
        over: the candidate whose quantity is meant.
        under: the candidate that it is divided by; empty: it stands alone.
        holds: how the quantity compares with the bound where the target is met.
    """

    case: str
    what: str
    over: str
    under: str
    holds: Callable[[float, float], bool]
    bound: float


TARGETS: Final = (
    Target("jsonl", "wall", "peer", "netinfer", ge, 5),
    Target("parquet", "wall", "pandas", "netinfer", ge, 4),
    Target("parquet", "wall", "netinfer", "floor", le, 1.5),
    Target("vpc-text", "wall", "pandas", "netinfer", ge, 1.5),
    Target("vpc-parquet", "wall", "pandas", "netinfer", ge, 4),
    Target("vpc-parquet", "wall", "netinfer", "floor", le, 1.5),
    *(
        target
        for case in ("parquet", "vpc-parquet", "jsonl-5m")
        for target in (
            Target(case, "peak_mb", "netinfer", "", lt, GIB_MB),
            Target(case, "peak_mb", "netinfer", "fifth", le, 1.3),
        )
    ),
    Target("start", "wall", "netinfer", "bare", lt, 3),
    Target("start", "cpu", "netinfer", "bare", lt, 3),
)
_SPELLED: Final[Mapping[Callable[[float, float], bool], str]] = {
    ge: "at least",
    le: "at most",
    lt: "less than",
}
_QUANTITIES: Final = {"wall": "time", "cpu": "CPU time", "peak_mb": "peak memory"}


def section(found: Mapping[str, Measured], scale: float) -> str:
    """The machine, the table of all runs and that of the targets.

    Args:
        found: by name of a case.
        scale: how much of the usual number of records was read.
    """
    ordered = {name: found[name] for name in CASES if name in found}
    machines = sorted({each.machine for each in ordered.values()})
    counts = sorted({len(runs) for each in ordered.values() for runs in each.runs.values()})
    times = " or ".join(map(str, counts)) + (" run" if counts == [1] else " runs")
    size = "" if scale == 1 else f", {scale:g} of the sizes that the targets are meant for"
    head = f"Medians (of memory the largest) of {times}{size}; {'; '.join(machines)}."
    lines = ("", *_runs(ordered), "", *_targets(ordered))
    return "\n".join((head, *lines)) + "\n"


def _runs(found: Mapping[str, Measured]) -> Iterator[str]:
    yield "| input | candidate | records/s | wall s | CPU s | wall / netinfer | peak MB |"
    yield "|---|---|---|---|---|---|---|"
    for name, each in found.items():
        for candidate in each.runs:
            yield _row(CASES[name].title, each, candidate)


def _row(title: str, found: Measured, candidate: str) -> str:
    wall = found.of(candidate, "wall") or 0.0
    cpu, peak = found.of(candidate, "cpu") or 0.0, found.of(candidate, "peak_mb") or 0.0
    records = found.records.get(candidate, 0)
    own = found.of("netinfer", "wall")
    cells = (
        f"{title}, {records:,}" if records else title,
        _NAMES[candidate],
        f"{records / wall:,.0f}" if records else "-",
        _seconds(wall),
        _seconds(cpu),
        f"{wall / own:.2f}" if own else "-",
        f"{peak:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def _targets(found: Mapping[str, Measured]) -> Iterator[str]:
    yield "| target | measured | met |"
    yield "|---|---|---|"
    for name, each in found.items():
        for target in (target for target in TARGETS if target.case == name):
            yield f"| {' | '.join(_judged(target, each))} |"


def _judged(target: Target, found: Measured) -> Sequence[str]:
    value = measured_value(target, found)
    shown = "not measured" if value is None else _shown(target, value)
    met = "-" if value is None else "yes" if target.holds(value, target.bound) else "**no**"
    return (_wanted(target, found), shown, met)


def measured_value(target: Target, found: Measured) -> float | None:
    """What the target bounds, exactly; None if a candidate did not run."""
    over = found.of(target.over, target.what)
    if not target.under:
        return over
    under = found.of(target.under, target.what)
    return over / under if over is not None and under else None


def _wanted(target: Target, found: Measured) -> str:
    records = found.records.get("netinfer", 0)
    title = CASES[target.case].title
    of = f"{title}, {records:,}" if records else title
    what, bound = _QUANTITIES[target.what], _SPELLED[target.holds]
    if not target.under:
        return f"{of}: {what} of {_NAMES[target.over]} {bound} 1 GiB"
    over, under = _NAMES[target.over], _NAMES[target.under]
    return f"{of}: {what} of {over} {bound} {target.bound:g} times that of {under}"


def _shown(target: Target, value: float) -> str:
    return f"{value:.2f} times" if target.under else f"{value / GIB_MB:.2f} GiB"
