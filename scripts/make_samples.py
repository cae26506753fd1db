"""Writes ``sample_flows/``: one simulated day as Hubble, AWS and table logs, with its truth.

Equal seeds write equal bytes, so a changed file means a changed simulator.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from simulator import (
    HubbleOptions,
    SimCluster,
    inventory,
    sample_cluster,
    sample_day,
    write_aws,
    write_hubble,
    write_table,
    write_truth,
)
from simulator.files import write_json

SEED = 20260302
TARGET = Path(__file__).resolve().parents[1] / "sample_flows"

README = """\
# Sample flow logs

One simulated day (2026-03-02, UTC) of a small cluster, logged in three formats. Written by
`scripts/make_samples.py` with a fixed seed; edit that, not these files.

| file | what it is |
|---|---|
| `hubble/events.jsonl.gz` | Cilium Hubble exporter lines of all nodes |
| `aws/flowlogs.log.gz` | AWS VPC flow log text with `pkt-srcaddr` and `pkt-dstaddr` |
| `table/flows.parquet` | a flat table with pods, workloads and labels |
| `inventory.json` | the cluster as `kubectl get ... -A -o json` prints it that evening |
| `truth.csv` | the connections that really happened, by workload |

The day holds what a parser meets in a real one: replies, both nodes' reports, DNS over UDP and
TCP, kubelet probes, scrapes, API server clients, addresses of the world with and without DNS names,
CronJob pods that come and go, two different `app=checkout`, a canary that differs in `version`
only. It also holds what must not become policy: attempts denied at the client's node
(`shop/frontend` to `shop/orders-db`, 09:00) and at the server's (`shop/catalog` to
`payments/ledger`, 11:00), a port scan from a `shop/catalog` pod at 03:00, and one answered
connection from `shop/cart` to `shop/orders-db` at 04:00.

A VPC flow log holds no traffic inside one node (`between_nodes` is `false` in `truth.csv`), nor
what was denied at the client's node. A denial at the server's node stands there as REJECT, as a
security group's does.
"""


def write_samples(target: Path, seed: int = SEED) -> None:
    """Writes all sample files under ``target``, the same bytes for the same seed."""
    cluster = sample_cluster(seed)
    write_logs(cluster, target, seed)
    write_json(target / "inventory.json", inventory(cluster))
    write_truth(sample_day(cluster, seed), target / "truth.csv")
    (target / "README.md").write_text(README, encoding="utf-8")


def write_logs(cluster: SimCluster, target: Path, seed: int) -> None:
    """Writes the day of ``cluster`` in every log format."""
    day = sample_day(cluster, seed)
    options = HubbleOptions(lost_events=False, node_status=True, socket_events=False)
    write_hubble(cluster, day, target / "hubble" / "events.jsonl.gz", options, seed=seed)
    write_aws(cluster, day, target / "aws" / "flowlogs.log.gz")
    write_table(cluster, day, target / "table" / "flows.parquet")


def main() -> None:
    """The command: ``make_samples.py [--target DIR] [--seed N]``."""
    parser = argparse.ArgumentParser(description=write_samples.__doc__)
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    write_samples(arguments.target, arguments.seed)


if __name__ == "__main__":
    main()
