"""What a person should know about a log and what was made of it; exact sentences, no decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from infer.addresses import is_link_local
from infer.allow import Open, range_name
from infer.backends import Backends
from infer.lift import NO_FINDING
from infer.model import (
    Address,
    Inventory,
    Kind,
    LeftOut,
    Notice,
    Party,
    Seen,
    WorkloadId,
)
from infer.named_ranges import NO_RANGES, NamedRanges
from infer.scope import Denial, is_system
from infer.stitch import LOG_FORMAT, Stitched

if TYPE_CHECKING:
    import pandas as pd

_RARE_WITHIN: Final = timedelta(minutes=1)
_RARE_IN: Final = timedelta(hours=1)
_RARE_RECORDS: Final = 20
_DNS_PORT: Final = 53
_MALFORMED_SHARE: Final = 0.1  # a line cut off by rotation is less than that, even in a small log
_END_OF_LOG: Final = 0.1
_GROWS_IN: Final = timedelta(minutes=10)  # a shorter log is all beginning and end
_INVENTORY_LAG: Final = timedelta(hours=1)  # what a quiet cluster last told of itself is older
_ADDRESSES_LAST: Final = timedelta(days=1)
_NO_TIME: Final = timedelta(0)
_NO_PORTS: Final = frozenset({"icmp", "protocol"})
_MESH_PORTS: Final = {15008: "Istio HBONE", 4143: "Linkerd"}

_REASONS: Final = {
    "denied": "denied by policy already",
    "dropped": "dropped for other reasons than policy, never forwarded",
    "not-traffic": "translation or debug events, no traffic",
    "icmp": "ICMP, which a NetworkPolicy cannot name",
    "protocol": "a protocol that a NetworkPolicy cannot name",
    "scan": "part of a scan",
    "ambiguous-direction": "nothing tells which side is the client",
    "no-port": "the log gives no server port",
    "no-address": "the log gives neither pod nor address",
    "no-namespace": "the log names a pod without its namespace",
    "invalid-namespace": "the log gives a namespace name that Kubernetes cannot have",
    "not-a-host": "loopback, multicast or unspecified addresses",
    "address-reused": "several pods had the address, and the time does not tell which",
    "unknown-pod-address": "an address of the pod range that no known pod had",
    "unknown-service": "a Service that no inventory describes",
    "service-without-backends": "a Service behind which no pod is known",
    "behind-interface": "a network interface's own address, which may stand for any pod behind it",
    "gateway": "seen at a gateway, which shows its own address for what it passes on",
    "client-is-a-service": "a Service address as the client",
}


def reason_text(reason: str) -> str:
    """A left-out reason as a person would say it."""
    return _REASONS.get(reason, reason)


def left_out_notices(left_out: Iterable[LeftOut]) -> Iterator[Notice]:
    """One notice a reason: how many records, how many would be blocked, and whose."""
    by_reason: dict[str, list[LeftOut]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each)
    for reason, found in sorted(by_reason.items()):
        count = sum(each.records for each in found)
        blocked = sum(each.would_be_blocked for each in found)
        fate = f"{blocked:,} would be blocked" if reason not in _NO_PORTS else "the plugin decides"
        records = "record" if count == 1 else "records"
        text = f"{count:,} {records} left out: {reason_text(reason)}; {fate}"
        who = {str(e.connection.client if reason == "scan" else e.connection) for e in found}
        yield Notice(f"left-out-{reason}", text, tuple(sorted(who)), reason not in NO_FINDING)


def open_notices(opened: Iterable[Open]) -> Iterator[Notice]:
    """One notice a reason for directions that are not restricted."""
    by_why: dict[str, set[str]] = {}
    for each in opened:
        by_why.setdefault(f"{each.direction.lower()} is not restricted: {each.why}", set()).add(
            str(each.subject)
        )
    for why, names in sorted(by_why.items()):
        yield Notice("not-restricted", why, tuple(sorted(names)), finding=True)


def denial_notices(denials: Iterable[Denial], inventory: Inventory) -> Iterator[Notice]:
    """What stands against a default-deny, or makes it a risk."""
    unproven: list[str] = []
    for denial in denials:
        uncovered = tuple(map(str, denial.uncovered))
        if uncovered:
            what = "gets no default-deny" if not denial.directions else "gets its default-deny"
            text = f"namespace {denial.namespace} {what}: workloads without a policy of their own"
            yield Notice("uncovered", text, uncovered, finding=True)
        elif denial.directions and not inventory:
            unproven.append(denial.namespace)
    if unproven:
        text = "default-deny without an inventory (-i): pods that the log does not show are cut off"
        yield Notice("default-deny-without-inventory", text, tuple(sorted(unproven)))


def called_notices(
    inventory: Inventory, backends: Backends, namespaces: Iterable[str]
) -> Iterator[Notice]:
    """Services of the chosen namespaces that the API server calls and that lead to no pod."""
    chosen = set(namespaces)
    unknown = tuple(
        f"{namespace}/{name}:{port}"
        for namespace, name, port in inventory.api_called
        if namespace in chosen
        if (service := backends.named(f"{namespace}/{name}")) is None
        or not backends.targets(service, "TCP", port)
    )
    if unknown:
        text = "the API server calls these Services, and the inventory shows no pod behind them"
        yield Notice("called-unknown", text, unknown, finding=True)


def review_notices(
    seen: Sequence[Seen], scope: Iterable[str], named: NamedRanges = NO_RANGES
) -> Iterator[Notice]:
    """Connections of the chosen namespaces that deserve a look; what has a name is known."""
    namespaces = set(scope)
    standing = [s for s in seen if not s.reason and _touches(s, namespaces)]
    yield from _one_offs(standing)
    yield from _listed("unanswered", "never answered, allowed all the same", standing,
                       lambda s: s.evidence.answered is False)  # fmt: skip
    yield from _listed("audit", "a policy in audit mode would have dropped it", standing,
                       lambda s: dict(s.evidence.verdicts).get("audited", 0) > 0)  # fmt: skip
    yield from _partly_denied(seen, standing)
    yield from _outside([s for s in standing if not _is_named(s, named)])
    yield from _mesh(standing)


def _partly_denied(seen: Iterable[Seen], standing: Iterable[Seen]) -> Iterator[Notice]:
    """Connections that were denied at times, or for some pods, and stand all the same."""
    # After an answer a denial means little: security groups reject what comes after the end.
    denied = {
        s.connection
        for s in seen
        if dict(s.evidence.verdicts).get("denied", 0) and s.evidence.answered is not True
    }
    text = "denied at times, or for some of its pods, and still allowed"
    yield from _listed("partly-denied", text, standing, lambda s: s.connection in denied,
                       finding=True)  # fmt: skip


def _is_named(seen: Seen, named: NamedRanges) -> bool:
    connection = seen.connection
    return any(range_name(party, named) for party in (connection.client, connection.server))


def _touches(seen: Seen, namespaces: set[str]) -> bool:
    parties = (seen.connection.client, seen.connection.server)
    return any(isinstance(p, WorkloadId) and p.namespace in namespaces for p in parties)


def _listed(
    code: str,
    text: str,
    seen: Iterable[Seen],
    test: Callable[[Seen], bool],
    *,
    finding: bool = False,
) -> Iterator[Notice]:
    names = tuple(sorted({str(s.connection) for s in seen if test(s)}))
    if names:
        yield Notice(code, text, names, finding)


def _one_offs(seen: list[Seen]) -> Iterator[Notice]:
    """Answered connections that a long log shows once."""
    firsts = [s.evidence.first_seen for s in seen if s.evidence.first_seen]
    lasts = [s.evidence.last_seen for s in seen if s.evidence.last_seen]
    if firsts and max(lasts) - min(firsts) >= _RARE_IN:
        yield from _listed("rare", "seen once only, allowed", seen, _is_one_off)


def _is_one_off(seen: Seen) -> bool:
    evidence = seen.evidence
    if seen.local or evidence.first_seen is None or evidence.last_seen is None:
        return False
    if seen.connection.port == _DNS_PORT:  # every subject is allowed DNS, however seldom it asks
        return False
    brief = evidence.last_seen - evidence.first_seen <= _RARE_WITHIN
    return brief and evidence.weight <= _RARE_RECORDS


def _outside(seen: list[Seen]) -> Iterator[Notice]:
    """Addresses in rules that a person should check: they may change, or be pods."""
    yield from _listed(
        "private-address", "private addresses that no inventory knows", seen, _with_private,
        finding=True,
    )  # fmt: skip
    named = [s for s in seen if _to_world(s) and s.evidence.names]
    names = {f"{s.connection.client} -> {', '.join(s.evidence.names)}" for s in named}
    if names:
        text = "addresses behind DNS names change: the rules hold those that were seen"
        yield Notice("egress-by-name", text, tuple(sorted(names)), finding=True)
    growing = tuple(sorted(str(client) for client in _growing(seen)))
    if growing:
        text = "still called new outside addresses at the end of the log"
        yield Notice("egress-grows", text, growing, finding=True)


def _with_private(seen: Seen) -> bool:
    parties = (seen.connection.client, seen.connection.server)
    private = any(isinstance(p, Address) and p.kind is Kind.PRIVATE for p in parties)
    return private and not _asks_node_cache(seen)


def _asks_node_cache(seen: Seen) -> bool:
    """A DNS cache on the pod's node has a link-local address that is the same everywhere."""
    server = seen.connection.server
    local = isinstance(server, Address) and is_link_local(server.ip)
    return local and seen.connection.port == _DNS_PORT


def _to_world(seen: Seen) -> bool:
    server = seen.connection.server
    return isinstance(server, Address) and server.kind is Kind.WORLD


def _growing(seen: list[Seen]) -> Iterator[Party]:
    """Clients whose set of outside servers grew in the last tenth of the log."""
    firsts: dict[Party, dict[str, datetime]] = {}
    lasts = [s.evidence.last_seen for s in seen if s.evidence.last_seen]
    starts = [s.evidence.first_seen for s in seen if s.evidence.first_seen]
    for each in seen:
        if _to_world(each) and each.evidence.first_seen is not None:
            servers = firsts.setdefault(each.connection.client, {})
            name = str(each.connection.server)
            servers[name] = min(
                each.evidence.first_seen, servers.get(name, each.evidence.first_seen)
            )
    if not starts:
        return
    late = max(lasts) - (max(lasts) - min(starts)) * _END_OF_LOG
    if max(lasts) - min(starts) < _GROWS_IN:
        return
    for client, servers in firsts.items():
        if any(first > late for first in servers.values()) and min(servers.values()) <= late:
            yield client


def _mesh(seen: list[Seen]) -> Iterator[Notice]:
    for port, mesh in sorted(_MESH_PORTS.items()):
        text = f"port {port} ({mesh}) is a mesh tunnel: its rules carry every port of the server"
        tunnels = [s for s in seen if s.connection.port == port]
        yield from _listed("mesh-tunnel", text, tunnels, lambda _: True)


# ---- the log itself ----------------------------------------------------------------------------


def skipped_namespaces(known: Iterable[str], chosen: Iterable[str]) -> Iterator[Notice]:
    """Namespaces taken for the platform's, but for Kubernetes' own: no policies unless named."""
    taken = {name for name in known if is_system(name) and not name.startswith("kube-")}
    skipped = tuple(sorted(taken - set(chosen)))
    if skipped:
        text = "namespaces of the platform, peers only: no policy unless named with -n"
        yield Notice("platform-namespaces", text, skipped)


def log_notices(notes: pd.DataFrame, connections: pd.DataFrame) -> Iterator[Notice]:
    """What the log says of its own gaps."""
    counts = {
        str(kind): (int(group["records"].sum()), int(group["lost"].fillna(0).sum()))
        for kind, group in notes.groupby("kind")
    }
    malformed, flows = (counts.get(kind, (0, 0))[0] for kind in ("malformed", "flow"))
    if malformed > _MALFORMED_SHARE * (malformed + flows):
        text = f"{malformed:,} of {malformed + flows:,} records are malformed and were not used"
        yield Notice("malformed", text, finding=True)
    if counts.get("lost_events", (0, 0))[0]:
        lost = counts["lost_events"][1]
        text = f"{lost:,} events were lost before they were logged: rare connections may be missing"
        yield Notice("lost-events", text, _reporters(notes, "lost_events"))
    if counts.get("skipdata", (0, 0))[0]:
        text = f"{counts['skipdata'][0]:,} SKIPDATA records: the flow log lost traffic there"
        yield Notice("skipdata", text, _reporters(notes, "skipdata"))
    if counts.get("nodata", (0, 0))[0]:
        text = f"{counts['nodata'][0]:,} NODATA records: interfaces without traffic"
        yield Notice("nodata", text)
    tcp = connections[(connections["protocol"] == "TCP").fillna(False)]
    if len(tcp) and not int(tcp["replies"].sum()):
        text = (
            "the log has no replies: unanswered connections and scans cannot be told from"
            " legitimate ones"
        )
        yield Notice("no-replies", text)


def interface_notices(stitched: Stitched) -> Iterator[Notice]:
    """What the default format of VPC flow logs hides, and the format that does not."""
    if not stitched.shown:
        return
    text = (
        f"{stitched.shown:,} records show a network interface's own address and not the pod behind"
        f" it: {stitched.resolved:,} are known from the other end's record, {stitched.hidden:,}"
        f" stay unknown; create a flow log with --log-format '{LOG_FORMAT}'"
    )
    yield Notice("no-packet-addresses", text, finding=stitched.hidden > 0)


def _reporters(notes: pd.DataFrame, kind: str) -> tuple[str, ...]:
    found = notes.loc[notes["kind"] == kind, "reporter"].dropna()
    return tuple(sorted(map(str, found)))


def missing_nodes(notes: pd.DataFrame, inventory: Inventory) -> Iterator[Notice]:
    """Nodes of the inventory that logged nothing, where others did."""
    flows = notes.loc[notes["kind"] == "flow", "reporter"].dropna()
    # Cilium prefixes the cluster's name.
    logged = {str(reporter).rsplit("/", 1)[-1] for reporter in flows}
    known = {node.name for node in inventory.nodes}
    silent = tuple(sorted(known - logged))
    if silent and known & logged:
        yield Notice("nodes-missing", "nodes of the inventory that logged no flow", silent)


def inventory_age(
    inventory: Inventory, last: datetime | None, known_by_address: Mapping[str, datetime]
) -> Iterator[Notice]:
    """That addresses were looked up which were seen after the newest snapshot; a finding by days.

    Heuristic: a snapshot may be younger than all that it tells, most of all in a quiet cluster.

    Args:
        inventory: with the time of its newest snapshot.
        last: when the log ends.
        known_by_address: when each pod, as ``namespace/name``, was last known by its address alone.
    """
    taken = inventory.taken
    after = {pod: seen - taken for pod, seen in known_by_address.items()} if taken else {}
    if taken is None or last is None or max(after.values(), default=_NO_TIME) <= _INVENTORY_LAG:
        return
    names = tuple(sorted(pod for pod, time in after.items() if time > _ADDRESSES_LAST))
    text = (
        f"the newest inventory knows of nothing after {_utc(taken)}, and the log ends"
        f" {_utc(last)}: addresses may have passed to other pods"
        " (-i: a later one, or its age as FILE@TIME)"
    )
    yield Notice("inventory-older", text, names, finding=bool(names))


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
