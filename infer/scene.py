"""What a log and an inventory show together, before anything is decided: who talked to whom.

The first half of the line, which every use case shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from infer.addresses import AddressBook
from infer.assign import Assigned, assign_roles
from infer.backends import Backends
from infer.enrich import Enriched, enrich_connections
from infer.group import Grouped, group_endpoints
from infer.lift import Context, Lifted, lift_connections
from infer.model import Inventory, Ranges, Role, Subject, WorkloadId
from infer.orient import Oriented, known_ports, orient_edges
from infer.ranges import known_ranges, with_observed
from infer.replay import Cast
from infer.scan import find_scans
from infer.schema import AddressFacts, Reduction
from infer.selection import Selected, select_subjects
from infer.stitch import Stitched, stitch_edges
from infer.tenures import changes_of_hands

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is known before anything is decided.

    Attributes:
        inventory: what the API says; may be empty.
        stitched: the log's edges, and how many hide an end.
        assigned: the same with the roles that a person stated.
        oriented: the connections between logged endpoints, with ``scan``.
        enriched: the same with resolved ends.
        grouped: the workloads, and the party of each end.
        backends: what stands behind Services.
        lifted: connections between workloads and addresses, with reasons.
        selected: the subjects that labels can select.
        ranges: the cluster's ranges as stated, else as observed.
    """

    inventory: Inventory
    stitched: Stitched
    assigned: Assigned
    oriented: Oriented
    enriched: Enriched
    grouped: Grouped
    backends: Backends
    lifted: Lifted
    selected: Selected
    ranges: Ranges

    @property
    def subject_of(self) -> dict[WorkloadId, Subject]:
        """The subject of each workload that labels can select."""
        return {id_: s for s in self.selected.subjects for id_ in s.workloads}

    @property
    def last_seen(self) -> datetime | None:
        """When the last connection was last seen; None where the log has no times."""
        times = (seen.evidence.last_seen for seen in self.lifted.seen)
        return max((time for time in times if time), default=None)

    @property
    def known_by_address(self) -> dict[str, datetime]:
        """When each pod that a record names by its address alone was last seen so, by its name."""
        told, found = self.oriented.connections, dict[str, datetime]()
        for side in ("client", "server"):
            for number in set(self.enriched.connections[side][told[f"{side}_pod"].isna()]):
                end = self.enriched.endpoints[number]
                if end.pod and end.last_seen:
                    name = f"{end.namespace}/{end.pod}"
                    found[name] = max(end.last_seen, found.get(name, end.last_seen))
        return found

    @property
    def cast(self) -> Cast:
        """Who the logged endpoints and the backends of Services are to a policy."""
        workloads = {w.id: w for w in self.grouped.workloads}
        return Cast(self.enriched.endpoints, workloads, self.enriched.namespaces)


def address_facts(inventory: Inventory) -> AddressFacts:
    """What ``reduce`` should know of the addresses of an inventory before it groups records."""
    tenures = changes_of_hands(AddressBook.of(inventory).pods)
    return AddressFacts(tenures, known_ports(inventory))


def set_scene(
    con: DuckDBPyConnection,
    reduction: Reduction,
    inventory: Inventory,
    ranges: Ranges,
    cluster: str = "",
    roles: tuple[Role, ...] = (),
) -> Scene:
    """The scene of one merged log.

    Args:
        con: an embedded DuckDB session.
        reduction: merged over the whole log.
        inventory: what the API objects say; empty where none was given.
        ranges: the cluster's ranges as flags state them.
        cluster: whose pods are meant, where the log has several clusters.
        roles: who addresses and unlabelled pods are, as a person stated it.

    Raises:
        InputError: the log has pods of several clusters and none was chosen.
    """
    stitched = stitch_edges(con, reduction, inventory)
    oriented = _with_scans(orient_edges(con, stitched.reduction, known_ports(inventory)))
    stated = known_ranges(ranges, inventory)
    assigned = assign_roles(inventory, roles)
    enriched = enrich_connections(oriented.connections, assigned.inventory, stated, cluster)
    grouped = group_endpoints(enriched.endpoints, assigned.inventory)
    backends = Backends.of(inventory, grouped.workloads)
    context = Context(enriched.endpoints, grouped.parties, backends)
    return Scene(
        inventory=inventory,
        stitched=stitched,
        assigned=assigned,
        oriented=oriented,
        enriched=enriched,
        grouped=grouped,
        backends=backends,
        lifted=lift_connections(enriched.connections, context),
        selected=select_subjects(grouped.workloads),
        ranges=with_observed(stated, enriched.endpoints, inventory),
    )


def _with_scans(oriented: Oriented) -> Oriented:
    marked = oriented.connections.assign(scan=find_scans(oriented.connections))
    return Oriented(marked, oriented.notes)
