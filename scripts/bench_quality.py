"""Measures inferred policies on clusters whose truth is known, and prints a Markdown table.

Public applications and generated clusters are simulated, logged, read by the whole line, and what
it prints is judged by the truth, beside a naive generator and the applications' own policies. Ends
with 1 where a target is missed, and names it. ``--scale`` times the line after ``reduce`` instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from bench_quality_cases import SEEDS, SIZES, Case, applications, generated
from bench_quality_measure import NETINFER, WINDOWS, Measured, measure
from bench_quality_scale import SCALES, scale_table

SHARED = Path(os.environ.get("NETINFER_SHARED", Path(__file__).resolve().parents[2] / "shared"))
CHANGES = ("rollout", "scale-up", "new ReplicaSets", "new version")
HEAD = """\
| cluster | policies by | recall | over-granted ports | wider on purpose | rules (fewest) \
| peers (fewest) | YAML lines | survival | stable | of 50 % | of 10 % |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Measure every cluster, print a row a group and way, name what is missed."""
    options = _options()
    if options.scale:
        for row in scale_table(options.workloads):
            print(row, flush=True)
        return
    groups: dict[str, dict[str, Measured]] = {}
    every: dict[str, dict[str, object]] = {}
    missed: list[str] = []
    for case in cases(options.sizes, options.seeds):
        print(case.name, file=sys.stderr, flush=True)
        for way, found in measure(case).items():
            every.setdefault(case.name, {})[way] = asdict(found)
            groups.setdefault(case.group, {}).setdefault(way, Measured()).add(found)
            if way == NETINFER:
                missed += [f"{case.name}: {each}" for each in misses(found)]
    print("\n".join([HEAD, *table(groups)]))
    if options.json:
        document = {"seeds": options.seeds, "clusters": every, "missed": missed}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if missed:
        raise SystemExit("targets are missed:\n" + "\n".join(missed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", choices=sorted(SEEDS), default="first", help="which set")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES, help="workloads")
    parser.add_argument("--json", type=Path, help="where all figures of each cluster go")
    parser.add_argument("--scale", action="store_true", help="time the line after reduce instead")
    parser.add_argument("--workloads", nargs="+", type=int, default=SCALES, help="with --scale")
    return parser.parse_args()


def cases(sizes: Iterable[int], seeds: str) -> Iterator[Case]:
    """The public applications, if they are at hand, and the generated clusters."""
    found = list(applications(SHARED))
    if not found:
        print(f"no public applications: there is no ground truth in {SHARED}", file=sys.stderr)
    yield from found
    for size in sizes:
        for seed in SEEDS[seeds]:
            yield generated(size, seed)


def misses(found: Measured) -> Iterator[str]:
    """Every target that is missed, in words."""
    true = ("true", "compact", *(f"seen in {window}" for window in WINDOWS), *CHANGES)
    for title in true:
        if found.share(f"{title}, allowed", title) < 1:
            cut = [each for each in found.cut if each.startswith(f"{title}: ")]
            yield f"{title}: {len(cut)} connections are cut, such as {cut[0]}"
    for reason in ("over", "later", "compact"):
        if found.excess[reason]:
            yield f"{found.excess[reason]:,} ports are over-granted ({reason})"
    if found.size.rules != found.bound.rules:
        yield f"{found.size.rules} rules instead of {found.bound.rules}"
    if found.unstable:
        yield "other bytes after reordering and doubling"


def table(groups: dict[str, dict[str, Measured]]) -> Iterator[str]:
    """The rows, a group's ways one below the other."""
    for group, ways in groups.items():
        for way, found in ways.items():
            title = group if found.clusters == 1 else f"{found.clusters} of {group}"
            yield "| " + " | ".join([title, way, *_cells(way, found)]) + " |"


def _cells(way: str, found: Measured) -> Iterator[str]:
    ours = way == NETINFER
    yield _share(found.share("true, allowed", "true"))
    yield f"{found.excess['over']:,}"
    yield _wider(found) if ours else "-"
    for one, fewest in (
        (found.size.rules, found.bound.rules),
        (found.size.peers, found.bound.peers),
    ):
        yield f"{one:,} ({fewest:,})" if ours else f"{one:,}"
    yield _lines(found) if ours else f"{found.lines['both']:,}"
    survived = sum(found.connections[f"{change}, allowed"] for change in CHANGES)
    yield _share(survived / sum(found.connections[change] for change in CHANGES))
    seen = [f"seen in {window}" for window in WINDOWS]
    if not any(found.connections[title] for title in seen):
        yield from "-" * 3
        return
    yield f"{found.clusters - found.unstable} of {found.clusters}"
    for title in seen:
        yield _share(found.share(f"{title}, allowed", title))


def _lines(found: Measured) -> str:
    """Of both layouts; for ingress alone too where own policies, which say no more, stand by."""
    shown = f"{found.lines['both']:,}; compact {found.lines['compact']:,}"
    return f"{shown}; ingress {found.lines['ingress']:,}" if found.lines["own"] else shown


def _share(share: float) -> str:
    """Three digits, rounded down: 1.000 is all."""
    return f"{int(share * 1000) / 1000:.3f}"


def _wider(found: Measured) -> str:
    reasons = ("dns", "node", "world", "merged")
    told = [f"{reason} {found.excess[reason]:,}" for reason in reasons if found.excess[reason]]
    return ", ".join(told) or "0"


if __name__ == "__main__":
    main()
