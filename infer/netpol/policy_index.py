"""A list of policies, indexed so that a pod's gate and an endpoint's peers are found at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from infer.netpol.blocks import BlockIndex
from infer.netpol.cidrs import IpBlock, IpSet
from infer.netpol.gate import Gate, GateRule, Match, join_gates
from infer.netpol.labels import LabelSelector
from infer.netpol.policy import AnyPeer, Direction, NetworkPolicy, PodPeer, Rule, RuleRef
from infer.netpol.ports import PortSet
from infer.netpol.profile import Profile
from infer.netpol.selectors import Namespaces, Scope, SelectorIndex
from infer.netpol.traffic import Outside, Pod, TrafficEnd

CILIUM_NODE_GROUND: Final = "cilium: ipBlock against a node"

_PodKey: TypeAlias = tuple[Scope, LabelSelector]
_Versions: TypeAlias = frozenset[int]
_Key = TypeVar("_Key", _PodKey, IpBlock)
_ANY_VERSION: Final[_Versions] = frozenset()


class PolicyIndex:
    """Policies under one profile; answers are kept, nothing else changes after construction."""

    def __init__(
        self,
        policies: Iterable[NetworkPolicy],
        namespaces: Mapping[str, Mapping[str, str]],
        profile: Profile,
    ) -> None:
        """Number the distinct peers and index them and the subjects."""
        self.policies = tuple(sorted(policies, key=NetworkPolicy.sort_key))
        self._profile = profile
        self._pod_numbers: dict[_PodKey, int] = {}
        self._block_numbers: dict[IpBlock, int] = {}
        self._policy_gates = {
            direction: {
                number: self._policy_gate(policy, direction)
                for number, policy in enumerate(self.policies)
                if direction in policy.isolates
            }
            for direction in Direction
        }
        rules = (rule for policy in self.policies for d in Direction for rule in policy.rules(d))
        self.uses_port_names = any(rule.ports.names for rule in rules)
        known = Namespaces(namespaces)
        self._subjects = SelectorIndex(((p.namespace, p.subject) for p in self.policies), known)
        self._pods = SelectorIndex(self._pod_numbers, known)
        self._blocks = BlockIndex(self._block_numbers)
        self._gates: dict[Direction, dict[Pod, Gate | None]] = {d: {} for d in Direction}
        self._joined: dict[tuple[Direction, frozenset[int]], Gate] = {}
        self._matches: dict[_Versions, dict[TrafficEnd, Match]] = {}

    def gate(self, pod: Pod, direction: Direction) -> Gate | None:
        """The gate of a pod; None where no policy isolates it in this direction."""
        known = self._gates[direction]
        if pod not in known:
            known[pod] = self._find_gate(pod, direction)
        return known[pod]

    def match(self, far: TrafficEnd, near: Pod) -> Match:
        """Which peers the other end is in the eyes of a pod's gate."""
        return self._match(far, _shared_versions(far, near))

    def match_any(self, far: TrafficEnd) -> Match:
        """Which peers an end is, whatever the other end's addresses are."""
        return self._match(far, _ANY_VERSION)

    def _match(self, far: TrafficEnd, versions: _Versions) -> Match:
        known = self._matches.setdefault(versions, {})
        match = known.get(far)
        if match is None:
            match = known[far] = self._find_match(far, versions)
        return match

    def _policy_gate(self, policy: NetworkPolicy, direction: Direction) -> Gate:
        rules = (
            self._gate_rule(ref, rule, policy.namespace) for ref, rule in policy.refs(direction)
        )
        return Gate((policy.full_name,), tuple(rules))

    def _gate_rule(self, ref: RuleRef, rule: Rule, namespace: str) -> GateRule:
        anyone = isinstance(rule.peers, AnyPeer)
        peers = () if isinstance(rule.peers, AnyPeer) else rule.peers
        blocks = [peer for peer in peers if isinstance(peer, IpBlock)]
        pods = [_pod_key(peer, namespace) for peer in peers if isinstance(peer, PodPeer)]
        unsure = None if self._profile.end_port_counts else rule.end_port
        doubtful = unsure or PortSet.NONE
        return GateRule(
            ref,
            anyone,
            pods=frozenset(_number(self._pod_numbers, key) for key in pods),
            blocks=frozenset(_number(self._block_numbers, block) for block in blocks),
            addresses=IpSet.union(block.addresses for block in blocks),
            ports=rule.ports - doubtful,
            doubtful=doubtful,
        )

    def _find_gate(self, pod: Pod, direction: Direction) -> Gate | None:
        # Plugins that cannot tell host-network pods from their node do not police them.
        if pod.host_network:
            return None
        selecting, _ = self._subjects.matching(pod.namespace, pod.labels)
        gates = self._policy_gates[direction]
        isolating = frozenset(number for number in selecting if number in gates)
        if not isolating:
            return None
        key = (direction, isolating)
        if key not in self._joined:
            self._joined[key] = join_gates(gates[number] for number in sorted(isolating))
        return self._joined[key]

    def _find_match(self, far: TrafficEnd, versions: _Versions) -> Match:
        if isinstance(far, Outside):
            addresses = (self._blocks.matching(far.ip),)
            return (
                self._as_node(Match(addresses=addresses))
                if far.node
                else Match(addresses=addresses)
            )
        by_address = self._address_match(far, versions)
        if far.host_network:
            # No podSelector matches a host-network pod; its address is its node's.
            return self._as_node(by_address)
        return self._as_pod(far, by_address)

    def _as_node(self, found: Match) -> Match:
        if self._profile.block_matches_nodes:
            return found
        return replace(found, blocks_count=False, blocks_ground=CILIUM_NODE_GROUND)

    def _as_pod(self, far: Pod, found: Match) -> Match:
        pods, maybe_pods = self._pods.matching(far.namespace, far.labels)
        # In the API's text an ipBlock is about addresses, and a pod's address is one.
        by_address = found if self._profile.block_matches_pods else Match()
        ground = f"the labels of namespace {far.namespace} are not known"
        return replace(by_address, pods=pods, maybe_pods=maybe_pods, pods_ground=ground)

    def _address_match(self, far: Pod, versions: _Versions) -> Match:
        """The blocks around each address that traffic of the IP versions can have."""
        if not far.ips:
            ground = f"the address of {far.full_name} is not known"
            return Match(anywhere=True, blocks_ground=ground)
        ips = [ip for ip in far.ips if _version(ip) in versions] or far.ips
        # One address leaves no doubt, and then pods are alike whatever their names.
        several = f"which address of {far.full_name} is used is not known"
        ground = several if len(ips) > 1 else ""
        return Match(addresses=tuple(map(self._blocks.matching, ips)), blocks_ground=ground)


def _pod_key(peer: PodPeer, namespace: str) -> _PodKey:
    if isinstance(peer.namespaces, LabelSelector):
        return peer.namespaces, peer.pods
    return namespace, peer.pods


def _number(numbers: dict[_Key, int], key: _Key) -> int:
    return numbers.setdefault(key, len(numbers))


def _shared_versions(far: TrafficEnd, near: Pod) -> _Versions:
    """The IP versions that both ends have, where that tells the other end's addresses apart."""
    if isinstance(far, Outside) or len(far.ips) <= 1:
        return _ANY_VERSION
    return frozenset(map(_version, far.ips)) & frozenset(map(_version, near.ips))


def _version(ip: str) -> int:
    return 6 if ":" in ip else 4
