"""The line: a merged reduction and an inventory -> suggested policies, replayed and measured.

The only place that knows the order of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from infer.aggregate import cidr_budget
from infer.allow import (
    Allowance,
    Open,
    Surroundings,
    dns_allowances,
    observed_allowances,
    webhook_allowances,
)
from infer.assemble import Assembled, Layout, RuleEvidence, assemble_policies, default_deny
from infer.backends import Target
from infer.dns import dns_servers
from infer.dynamic_ports import NO_DYNAMIC_PORTS, DynamicPorts, declared_ports, find_dynamic_ports
from infer.exposure import (
    Existing,
    Exposure,
    Known,
    budgeted_ports,
    drawn_ports,
    measure_existing,
    measure_exposure,
    opened_namespaces,
    opened_ranges,
)
from infer.generalize import generalise_namespaces
from infer.label_notices import label_notices
from infer.model import (
    Connection,
    Inventory,
    Kind,
    Notice,
    Party,
    Proposal,
    Ranges,
    Role,
    Seen,
    Subject,
    WorkloadId,
)
from infer.named_ranges import NO_RANGES, NamedRanges
from infer.netpol import Direction, NetworkPolicy, PortSet, Profile
from infer.notices import (
    called_notices,
    denial_notices,
    interface_notices,
    inventory_age,
    left_out_notices,
    log_notices,
    missing_nodes,
    open_notices,
    review_notices,
    skipped_namespaces,
)
from infer.policy_notices import policy_notices
from infer.port_names import named_ports
from infer.promises import broken_promises, kept_open
from infer.propose import propose_roles
from infer.replay import Coverage, replay_connections
from infer.scene import Scene, set_scene
from infer.schema import Reduction
from infer.scope import (
    DefaultDeny,
    Denial,
    choose_namespaces,
    decide_denials,
    evident,
    isolate_subjects,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BOTH = (Direction.INGRESS, Direction.EGRESS)


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose.

    Attributes:
        namespaces: which get policies; empty for all but the platform's own.
        directions: which are isolated.
        default_deny: when a namespace gets its default-deny.
        ranges: the cluster's ranges, as stated; empty where not.
        cluster: whose pods get policies, where the log has several.
        world_exact: only observed outside clients instead of anywhere outside.
        cidr_budget: so many unseen outside addresses a rule may allow, for the sake of fewer CIDRs.
        named: outside ranges that stand for every address in them.
        layout: one policy a workload, or what workloads share in one.
        whole_namespaces: peers that are every workload of a namespace become the namespace.
        profile: whose reading of the API the replay follows, and whose limits the rules respect.
        port_ranges: whether a range may stand for the ports that a server draws from it.
        existing: the cluster's policies, which stay beside the suggested ones; None where they
            were not given.
        roles: who addresses and unlabelled pods are, as a person stated it.
        propose: whether to propose roles for those that are still unlabelled.
    """

    namespaces: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = BOTH
    default_deny: DefaultDeny = DefaultDeny.AUTO
    ranges: Ranges = field(default_factory=Ranges)
    cluster: str = ""
    world_exact: bool = False
    cidr_budget: int = 0
    named: NamedRanges = NO_RANGES
    layout: Layout = Layout.WORKLOAD
    whole_namespaces: bool = False
    profile: Profile = Profile.SPEC
    port_ranges: bool = True
    existing: tuple[NetworkPolicy, ...] | None = None
    roles: tuple[Role, ...] = ()
    propose: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggested policies with everything that stands behind them.

    Attributes:
        policies: in the order in which they are applied: allows first, default-denies last.
        evidence: of every rule, in the order of the policies.
        subjects: what each policy selects, by ``namespace/name``.
        seen: every connection between workloads and addresses, left out or not, sorted.
        coverage: the replay of the log over the policies.
        exposure: what the policies allow beyond what was seen.
        notices: what a person should know; findings first.
        namespaces: those that get policies, sorted.
        ranges: the cluster's ranges, and from where they are known.
        first_seen: of the records in the window; None where the log has no times.
        last_seen: likewise.
        existing: what the policies allow together with existing ones, if those were given.
        layout: how the policies are cut.
        proposed: the roles that behaviour suggests; None where they were not asked for.
        dynamic: the ranges of which servers draw their ports, and for what these stand.
    """

    policies: tuple[NetworkPolicy, ...]
    evidence: tuple[RuleEvidence, ...]
    subjects: Mapping[str, Subject]
    seen: tuple[Seen, ...]
    coverage: Coverage
    exposure: Exposure
    notices: tuple[Notice, ...]
    namespaces: tuple[str, ...]
    ranges: Ranges
    first_seen: datetime | None
    last_seen: datetime | None
    existing: Existing | None = None
    proposed: tuple[Proposal, ...] | None = None
    dynamic: DynamicPorts = NO_DYNAMIC_PORTS
    layout: Layout = Layout.WORKLOAD

    @property
    def findings(self) -> tuple[Notice, ...]:
        """The notices that need a person."""
        return tuple(notice for notice in self.notices if notice.finding)


def suggest_policies(
    con: DuckDBPyConnection, reduction: Reduction, inventory: Inventory, options: Options
) -> Suggestion:
    """The least policies that allow what a log shows, replayed over that log.

    Exact for what orientation and grouping give it: every connection that is not left out is
    allowed, and between known workloads nothing else is, but for what ``exposure`` counts as
    widening. Equal records in any order give an equal suggestion.

    Args:
        con: an embedded DuckDB session.
        reduction: merged over the whole log.
        inventory: what the API objects say; empty where none was given.
        options: what the user chose.

    Raises:
        InputError: a namespace that was asked for is not known, or the log has several clusters.
    """
    stated = (options.ranges, options.cluster, options.roles)
    scene = set_scene(con, reduction, inventory, *stated)
    return suggest_for_scene(scene, options)


def suggest_for_scene(scene: Scene, options: Options) -> Suggestion:
    """As ``suggest_policies``, for a scene that was set with the options' ranges and cluster.

    Raises:
        InputError: a namespace that was asked for is not known.
    """
    told = replace(options, named=options.named.joined(scene.assigned.machines))
    return _conclude(scene, _decide(scene, told), told)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What is isolated, and what must be allowed."""

    namespaces: tuple[str, ...]
    assembled: Assembled
    denials: tuple[Denial, ...]
    opened: tuple[Open, ...]
    dns: Mapping[Party, PortSet]
    subjects: Mapping[WorkloadId, Subject]
    dynamic: DynamicPorts

    @property
    def policies(self) -> tuple[NetworkPolicy, ...]:
        """Allows first, default-denies last."""
        last = (default_deny(d.namespace, d.directions) for d in self.denials if d.directions)
        return (*self.assembled.policies, *last)


def _decide(scene: Scene, options: Options) -> _Decided:
    workloads = scene.grouped.workloads
    namespaces = choose_namespaces({w.id.namespace for w in workloads}, options.namespaces)
    subjects = scene.subject_of
    scoped = [s for s in scene.selected.subjects if s.id.namespace in namespaces]
    dynamic = _dynamic_ports(scene) if options.port_ranges else NO_DYNAMIC_PORTS
    around = _surroundings(scene, options, dynamic)
    dns = dict(dns_servers(scene.inventory, workloads, scene.lifted.seen, scene.backends))
    allowances, opened = _needs(scene, around, scoped, dns)
    asked = {(s.id, direction) for s in scoped for direction in options.directions}
    opened = tuple(each for each in opened if (each.subject, each.direction) in asked)
    known = evident(scene.lifted.seen) | _named_by_the_api(scene, options)
    isolated = isolate_subjects(scoped, known, options.directions, opened)
    inside = [w for w in workloads if w.id.namespace in namespaces]
    denials = decide_denials(inside, isolated, subjects, options.directions, options.default_deny)
    opened = tuple(each for each in opened if each.subject in isolated)
    ends = scene.enriched.endpoints
    budget = cidr_budget(options.cidr_budget, ends, scene.inventory, scene.ranges)
    if options.whole_namespaces:
        allowances = generalise_namespaces(allowances, workloads, subjects)
    cut = (options.layout, options.profile)
    assembled = assemble_policies(scoped, allowances, isolated, budget, *cut)
    return _Decided(namespaces, assembled, denials, opened, dns, subjects, dynamic)


def _dynamic_ports(scene: Scene) -> DynamicPorts:
    declared = declared_ports(scene.inventory, scene.grouped.workloads, scene.backends)
    return find_dynamic_ports(scene.lifted.seen, declared)


def _surroundings(scene: Scene, options: Options, dynamic: DynamicPorts) -> Surroundings:
    observed = {e.ip for e in scene.enriched.endpoints if e.kind is Kind.APISERVER}
    services = scene.inventory.services
    outward = frozenset(
        id_
        for service in services
        if service.outward or service.routed
        for id_ in scene.backends.selected(service)
    )
    return Surroundings(
        subjects=scene.subject_of,
        ranges=scene.ranges,
        apiserver=tuple(sorted({ip for ip, _ in scene.inventory.apiserver} | observed)),
        outward=outward if services else None,
        world_exact=options.world_exact,
        named=options.named,
        ports=_ports(scene, options, dynamic),
    )


def _ports(
    scene: Scene, options: Options, dynamic: DynamicPorts
) -> dict[Direction, Mapping[Connection, PortSet]]:
    """What rules allow for connections that more than their own number stands for."""
    known = (scene.grouped.workloads, scene.subject_of)
    names = named_ports(scene.lifted.seen, *known, options.profile)
    return {direction: {**dynamic.of, **found} for direction, found in names.items()}


def _needs(
    scene: Scene,
    around: Surroundings,
    scoped: Iterable[Subject],
    dns: Mapping[Party, PortSet],
) -> tuple[tuple[Allowance, ...], tuple[Open, ...]]:
    """Everything that must be allowed, and the directions that cannot be restricted."""
    subjects = tuple(scoped)
    allowances, opened = observed_allowances(scene.lifted.seen, around)
    webhooks, unreachable = webhook_allowances(_called(scene), around)
    resolving = tuple(dns_allowances(subjects, dns.items(), around))
    if not dns:
        why = "no DNS server is known, neither by log nor by inventory"
        opened = (*opened, *(Open(s.id, Direction.EGRESS, why) for s in subjects))
    return (*allowances, *webhooks, *resolving), (*opened, *unreachable)


def _called(scene: Scene) -> Iterator[Target]:
    """The pods and ports that the API server calls."""
    for namespace, name, port in scene.inventory.api_called:
        service = scene.backends.services.get((namespace, name))
        if service is not None:
            yield from scene.backends.targets(service, "TCP", port)


def _named_by_the_api(scene: Scene, options: Options) -> frozenset[WorkloadId]:
    """Workloads that count as known though nothing was seen of them.

    A default-deny that is wanted in any case cuts pods without evidence, but the API server's
    calls of webhooks must go on.
    """
    if options.default_deny is not DefaultDeny.ALWAYS:
        return frozenset()
    return frozenset(party for party, _ in _called(scene) if isinstance(party, WorkloadId))


# ---- measuring ---------------------------------------------------------------------------------


def _conclude(scene: Scene, decided: _Decided, options: Options) -> Suggestion:
    coverage = replay_connections(
        scene.lifted.observations, decided.policies, scene.cast, options.profile
    )
    measured = (scene.lifted.seen, _known(scene, decided), options.profile)
    exposure = measure_exposure(decided.policies, *measured)
    existing = None
    if options.existing is not None:
        existing = measure_existing(options.existing, decided.policies, *measured)
    notices = sorted(
        (*_notices(scene, decided, coverage, exposure, options), *kept_open(existing)),
        key=lambda n: (not n.finding, n.code, n.text),
    )
    times = [t for s in scene.lifted.seen for t in (s.evidence.first_seen, s.evidence.last_seen)]
    known_times = [time for time in times if time]
    return Suggestion(
        policies=decided.policies,
        evidence=decided.assembled.evidence,
        subjects=MappingProxyType(dict(decided.assembled.subjects)),
        seen=scene.lifted.seen,
        coverage=coverage,
        exposure=exposure,
        notices=tuple(notices),
        namespaces=decided.namespaces,
        ranges=scene.ranges,
        first_seen=min(known_times, default=None),
        last_seen=max(known_times, default=None),
        existing=existing,
        proposed=_proposed(scene) if options.propose else None,
        dynamic=decided.dynamic,
        layout=options.layout,
    )


def _proposed(scene: Scene) -> tuple[Proposal, ...]:
    return propose_roles(scene.lifted.seen, scene.grouped.workloads, scene.ranges)


def _known(scene: Scene, decided: _Decided) -> Known:
    return Known(
        workloads=scene.grouped.workloads,
        subjects=decided.subjects,
        namespaces=scene.enriched.namespaces,
        dns=decided.dns,
        opened=opened_ranges(decided.assembled, scene.ranges),
        budgeted=budgeted_ports(decided.assembled),
        whole_namespaces=opened_namespaces(decided.assembled),
        dynamic=decided.dynamic.of,
        drawn_outside=drawn_ports(decided.assembled),
    )


def _notices(
    scene: Scene,
    decided: _Decided,
    coverage: Coverage,
    exposure: Exposure,
    options: Options,
) -> Iterable[Notice]:
    yield from left_out_notices(coverage.left_out)
    yield from open_notices(decided.opened)
    yield from denial_notices(decided.denials, scene.inventory)
    yield from called_notices(scene.inventory, scene.backends, decided.namespaces)
    yield from review_notices(scene.lifted.seen, decided.namespaces, options.named)
    yield from log_notices(scene.oriented.notes, scene.oriented.connections)
    yield from interface_notices(scene.stitched)
    yield from missing_nodes(scene.oriented.notes, scene.inventory)
    yield from inventory_age(scene.inventory, scene.last_seen, scene.known_by_address)
    known, chosen = {w.id.namespace for w in scene.grouped.workloads}, decided.namespaces
    yield from skipped_namespaces(known, chosen)
    yield from policy_notices(decided.policies, options.profile, scene.selected, known, chosen)
    yield from label_notices(scene.selected, scene.grouped.workloads)
    yield from (Notice("inventory", text) for text in scene.inventory.warnings)
    yield from scene.assigned.notices
    yield from broken_promises(coverage, exposure)
