"""Groups the endpoints of simulated clusters by behaviour and prints how that fits the truth.

A day of traffic is logged as a plain table of addresses and ports, only what crosses nodes, as a
VPC flow log has it, with strays that fit no role and a port scan. The whole line reads it; no
inventory, no labels, no names. Beside the proposed roles stand connected components (who talks
about the same port belongs together) and k-means on port counts that is told the true number.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from infer.engines.files import Span
from infer.engines.local import read_logs, session
from infer.generate import Options, Suggestion, suggest_policies
from infer.model import Address, Inventory, Ranges
from infer.sources import find_sources
from simulator import (
    SimCluster,
    SimConnection,
    SimEdge,
    estate,
    in_order,
    one_off,
    port_scan,
    simulate,
    table_rows,
)
from simulator.layout import POD_CIDR, SERVICE_CIDR
from simulator.traffic import DAY_START

SEEDS = tuple(range(1, 6))
WORKLOADS = 400
STRAYS = 20
RANGES = Ranges((POD_CIDR,), (SERVICE_CIDR,), ("172.18.0.0/24",))
COLUMNS = ("time", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "is_reply", "bytes")


@dataclass(frozen=True, slots=True)
class Score:
    """How one grouping fits the truth."""

    ari: float
    purity: float
    groups: int


def main() -> None:
    """A row a seed, then the means of the adjusted Rand index."""
    options = _options()
    print("| seed | endpoints | workloads | roles | ARI | purity | components: ARI | purity"
          " | k-means: ARI | purity |")  # fmt: skip
    print(f"|{'---|' * 10}")
    found: list[list[Score]] = []
    for seed in options.seeds:
        truth, suggestion = observe(options.workloads, seed, options.strays, options.keep)
        found.append([judge(groups, truth) for groups in ways(suggestion, truth).values()])
        print(row(seed, truth, found[-1]), flush=True)
    means = (f"{mean(score.ari for score in way):.3f}" for way in zip(*found, strict=True))
    print(f"\nmean ARI: {', '.join(means)}")


def row(seed: int, truth: Mapping[str, str], scores: Sequence[Score]) -> str:
    """The table's line of one seed: proposed roles, then the baselines."""
    sizes = f"{len(truth)} | {len(set(truth.values()))} | {scores[0].groups}"
    figures = " | ".join(f"{score.ari:.3f} | {score.purity:.3f}" for score in scores)
    return f"| {seed} | {sizes} | {figures} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=WORKLOADS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--strays", type=int, default=STRAYS, help="calls that fit no role")
    parser.add_argument("--keep", type=float, default=1.0, help="share of pairs in the log")
    return parser.parse_args()


# ---- the log -----------------------------------------------------------------------------------


def observe(
    workloads: int, seed: int, strays: int, keep: float = 1.0
) -> tuple[dict[str, str], Suggestion]:
    """The workload of every pod address that the log shows, and what is made of the log."""
    cluster, edges = estate(workloads, seed)
    day = in_order([*simulate(cluster, edges, seed=seed), *_noise(cluster, seed, strays)])
    with TemporaryDirectory() as place:
        log = Path(place) / "flows.csv"
        _write(log, cluster, _logged(day, seed, keep))
        with session(None) as con, find_sources([str(log)], BytesIO()) as sources:
            logs = read_logs(con, sources, None, Span(None, None), None)
            options = Options(ranges=RANGES, propose=True)
            suggestion = suggest_policies(con, logs.reduction, Inventory(), options)
    shown = {ip for proposal in suggestion.proposed or () for ip in proposal.role.addresses}
    owners = {pod.ip: str(pod.workload.ref) for pod in cluster.pods if pod.ip in shown}
    return owners, suggestion


def _logged(day: Iterable[SimConnection], seed: int, keep: float) -> list[SimConnection]:
    """What crosses nodes, of so large a share of all pairs of addresses."""
    rng = random.Random(f"keep/{seed}")
    apart = [c for c in day if c.client.node != c.server.node]
    pairs = sorted({(c.client.ip, c.server.ip) for c in apart})
    kept = {pair for pair in pairs if rng.random() < keep}
    return [c for c in apart if (c.client.ip, c.server.ip) in kept]


def _noise(cluster: SimCluster, seed: int, strays: int) -> list[SimConnection]:
    rng = random.Random(f"noise/{seed}")
    targets = [w for w in cluster.workloads if w.ports]
    found: list[SimConnection] = []
    for number in range(strays):
        client, server = rng.sample(targets, 2)
        edge = SimEdge(client.ref, server.ref, server.ports[0].port)
        start = DAY_START + timedelta(hours=rng.uniform(1, 23))
        found += one_off(cluster, edge, seed=seed + number, start=start)
    scanned = [w.ref for w in rng.sample(targets, 6)]
    start = DAY_START + timedelta(hours=3)
    return [*found, *port_scan(cluster, scanned[0], scanned[1:], seed=seed, start=start)]


def _write(path: Path, cluster: SimCluster, connections: Iterable[SimConnection]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in table_rows(cluster, connections):
            if row.traffic_direction == "EGRESS" or row.src.namespace is None:
                writer.writerow([
                    row.time.isoformat(), row.src.ip, row.src.port, row.dst.ip, row.dst.port,
                    row.protocol, str(row.is_reply).lower(), row.bytes,
                ])  # fmt: skip


# ---- three ways to group -----------------------------------------------------------------------


def ways(suggestion: Suggestion, truth: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """The groups of each way."""
    calls = _calls(suggestion)
    return {
        "proposed roles": [list(p.role.addresses) for p in suggestion.proposed or ()],
        "connected components": _components(calls, truth),
        "k-means on port counts": _k_means(calls, truth),
    }


_Call = tuple[str, str, str, int]


def _calls(suggestion: Suggestion) -> list[_Call]:
    """Client, server, port and records of every connection that was not left out for good."""
    found = []
    for seen in suggestion.seen:
        client, server = seen.connection.client, seen.connection.server
        if isinstance(client, Address) and isinstance(server, Address) and seen.reason != "scan":
            port = f"{seen.connection.port}/{seen.connection.protocol}"
            found.append((client.ip, server.ip, port, seen.evidence.records))
    return found


def _components(calls: Sequence[_Call], truth: Mapping[str, str]) -> list[list[str]]:
    """Endpoints that are connected through whom they have in common on a port.

    Two clients of one server on one port, and two servers of one client on one port.
    """
    parents = {ip: ip for ip in truth}

    def root(ip: str) -> str:
        while parents[ip] != ip:
            parents[ip] = ip = parents[parents[ip]]
        return ip

    firsts: dict[tuple[str, str, str], str] = {}
    for client, server, port, _ in calls:
        for ip, key in ((client, ("to", server, port)), (server, ("from", client, port))):
            if ip in parents:
                parents[root(ip)] = root(firsts.setdefault(key, ip))
    groups: dict[str, list[str]] = {}
    for ip in sorted(truth):
        groups.setdefault(root(ip), []).append(ip)
    return list(groups.values())


def _k_means(calls: Sequence[_Call], truth: Mapping[str, str]) -> list[list[str]]:
    """Clusters of log counts by direction and port, as many as there are workloads."""
    counts: dict[str, Counter[tuple[str, str]]] = {ip: Counter() for ip in sorted(truth)}
    for client, server, port, records in calls:
        for ip, key in ((client, ("to", port)), (server, ("from", port))):
            if ip in counts:
                counts[ip][key] += records
    keys = sorted({key for each in counts.values() for key in each})
    rows = np.log1p(np.array([[each[key] for key in keys] for each in counts.values()]))
    model = KMeans(len(set(truth.values())), n_init=3, random_state=0)
    groups: dict[int, list[str]] = {}
    for ip, label in zip(counts, model.fit_predict(rows), strict=True):
        groups.setdefault(int(label), []).append(ip)
    return list(groups.values())


def judge(groups: Iterable[Sequence[str]], truth: Mapping[str, str]) -> Score:
    """Adjusted Rand index, and the share of endpoints that are with most of their group."""
    known = [[ip for ip in group if ip in truth] for group in groups]
    rows = [(n, truth[ip]) for n, group in enumerate(known) for ip in group]
    labels, owners = zip(*rows, strict=True)
    pure = sum(max(Counter(truth[ip] for ip in g).values()) for g in known if g)
    return Score(adjusted_rand_score(owners, labels), pure / len(rows), len(set(labels)))


if __name__ == "__main__":
    main()
