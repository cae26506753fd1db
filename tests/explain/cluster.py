"""A small cluster to ask about, with names that say what is special."""

from __future__ import annotations

from datetime import UTC, datetime

from infer.model import Inventory, NodeRecord, Owner, PodRecord, WorkloadRecord, as_labels
from infer.netpol import ContainerPort, LabelSelector

START = datetime(2026, 3, 2, tzinfo=UTC)


def record(
    name: str,
    ip: str,
    owner: str = "",
    *,
    namespace: str = "shop",
    app: str = "",
    host: bool = False,
    finished: bool = False,
    node: str = "node-1",
) -> PodRecord:
    """A pod with one label, its owner's name unless ``app`` says otherwise."""
    return PodRecord(
        namespace,
        name,
        as_labels({"app": app or owner or name}),
        (ip,),
        node,
        host,
        finished,
        Owner("Deployment", owner) if owner else None,
        (ContainerPort("http", 8080),),
        START,
    )


CLUSTER = Inventory(
    namespaces={"shop": as_labels({"team": "a"}), "bank": as_labels({"team": "b"})},
    pods=(
        record("web-1", "10.0.0.1", "web"),
        record("web-2", "10.0.0.2", "web", node="node-2"),
        record("web-old", "10.0.0.9", "web", app="before", finished=True),
        record("db-0", "10.0.0.3", "db"),
        record("agent-1", "172.18.0.1", "agent", host=True),
        record("ledger-1", "10.0.0.4", "ledger", namespace="bank"),
        record("reused", "10.0.0.9", "reused"),
    ),
    nodes=(NodeRecord("node-1", ("172.18.0.1",)), NodeRecord("node-2", ("172.18.0.2",))),
    workloads=(
        WorkloadRecord("shop", "CronJob", "backup", None, as_labels({"app": "backup"})),
        WorkloadRecord("shop", "Deployment", "web", LabelSelector.of({"app": "web"})),
    ),
)
