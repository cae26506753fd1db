"""The one way in: files to an ``Inventory``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from infer.inventory.cluster import Live
from infer.inventory.nodes import node_records, service_ranges
from infer.inventory.owners import Owners
from infer.inventory.pods import pod_records
from infer.inventory.services import apiserver_addresses, called_services, service_records
from infer.inventory.snapshot import ApiObject, newest, read_snapshots
from infer.inventory.workloads import workload_records
from infer.model import Inventory, Labels, as_labels
from infer.netpol import NAMESPACE_NAME


def read_inventory(paths: Iterable[Path], live: Live | None = None) -> Inventory:
    """What dumps of a cluster, and the cluster itself, say; the newest decides, all is sorted.

    A file is a snapshot: kubectl's JSON or YAML (a ``List``, a ``PodList`` and its like, single
    objects, several documents), or ``kube_pod_info`` as CSV; gzip or not. Its age is what stands
    after an ``@`` (``FILE@TIME``, RFC 3339), else the latest time that it tells of anything;
    among files of one age a later one in ``paths`` counts as newer. Exact, but for
    owners whose ReplicaSets or Jobs are in no dump (see ``Owners.of``).

    Raises:
        InventoryError: a file cannot be read, is malformed, or holds no object of a known kind.
    """
    snapshots = read_snapshots(paths, live.documents if live else ())
    kinds = newest(snapshots)
    pods, warnings = pod_records(snapshots, Owners(kinds))
    return Inventory(
        namespaces=_namespaces(kinds),
        pods=pods,
        services=service_records(kinds),
        nodes=node_records(kinds),
        workloads=workload_records(kinds),
        apiserver=apiserver_addresses(kinds),
        api_called=called_services(kinds),
        service_cidrs=service_ranges(kinds),
        warnings=(*warnings, *(live.warnings if live else ())),
        taken=None if live else max((s.time for s in snapshots if s.time), default=None),
    )


def _namespaces(kinds: Mapping[str, Sequence[ApiObject]]) -> Mapping[str, Labels]:
    """Labels by namespace; the API server sets the one that carries the name."""
    return MappingProxyType(
        {
            each.name: as_labels(
                dict(each.body.dig("metadata", "labels").labels()) | {NAMESPACE_NAME: each.name}
            )
            for each in kinds["Namespace"]
        }
    )
