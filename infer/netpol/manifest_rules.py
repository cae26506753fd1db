"""The parts of a NetworkPolicy manifest: rules, peers, ports, selectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infer.netpol.cidrs import IpBlock, Network, read_network
from infer.netpol.fields import (
    Fields,
    Log,
    is_label_key,
    is_label_value,
    is_port_name,
    shown,
)
from infer.netpol.labels import EVERYTHING, NOTHING, LabelSelector, Operator, Requirement
from infer.netpol.policy import (
    ANY_PEER,
    OWN_NAMESPACE,
    AnyPeer,
    Direction,
    Peer,
    PodPeer,
    Rule,
)
from infer.netpol.ports import HIGHEST_PORT, LOWEST_PORT, PortRange, PortSet, Protocol

_PEER_KEY: Final = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
_PEER_FIELDS: Final = ("podSelector", "namespaceSelector", "ipBlock")
_PORT_FIELDS: Final = ("protocol", "port", "endPort")
_SELECTOR_FIELDS: Final = ("matchLabels", "matchExpressions")
_EXPRESSION_FIELDS: Final = ("key", "operator", "values")


def read_rules(spec: Fields, direction: Direction) -> tuple[Rule, ...]:
    """The rules of one direction that allow anything, in their order.

    "If this field is empty then this NetworkPolicy does not allow any traffic": no list and an
    empty list are both no rules.

    Source: NetworkPolicySpec.ingress, .egress.
    """
    items = spec.mappings(direction.lower())
    return tuple(rule for item in items for rule in _read_rule(item, _PEER_KEY[direction]))


def _read_rule(rule: Fields, peer_key: str) -> Iterator[Rule]:
    rule.warn_of_unknown((peer_key, "ports"))
    # "The traffic must match both ports and from."
    peers, (ports, end_port) = _read_peers(rule, peer_key), _read_ports(rule)
    if peers and ports:
        yield Rule(peers, ports, end_port)


def _read_peers(rule: Fields, key: str) -> tuple[Peer, ...] | AnyPeer:
    items = tuple(rule.mappings(key))
    # "If this field is empty or missing, this rule matches all sources (traffic not restricted by
    # source)."
    if not items:
        return ANY_PEER
    # "Items in this list are combined using a logical OR operation."
    return tuple(peer for item in items for peer in _read_peer(item))


def _read_peer(item: Fields) -> Iterator[Peer]:
    item.warn_of_unknown(_PEER_FIELDS)
    pods, namespaces, block = (item.has(key) for key in _PEER_FIELDS)
    if not (pods or namespaces or block):
        hint = "leave the list empty to match anyone, or use podSelector: {} for every pod"
        item.log.refuse(f"{item.path} names no peer", hint)
    elif block and (pods or namespaces):
        # "If this field is set then neither of the other fields can be."
        item.log.refuse(f"{item.path} has ipBlock together with a selector")
    if block:
        yield from _read_block(item.mapping("ipBlock"))
    elif pods or namespaces:
        yield _read_pod_peer(item)


def _read_pod_peer(item: Fields) -> PodPeer:
    """The seven combinations of the two selectors, absent, empty or filled, in two lines.

    Source: NetworkPolicyPeer.podSelector, .namespaceSelector.
    """
    # "If namespaceSelector is also set, then the NetworkPolicyPeer as a whole selects the pods
    # matching podSelector in the namespaces selected by namespaceSelector. Otherwise it selects
    # the pods matching podSelector in the policy's own namespace."
    own = not item.has("namespaceSelector")
    namespaces = OWN_NAMESPACE if own else read_selector(item.mapping("namespaceSelector"))
    # "Otherwise it selects all pods in the namespaces selected by namespaceSelector."
    pods = read_selector(item.mapping("podSelector")) if item.has("podSelector") else EVERYTHING
    return PodPeer(pods, namespaces)


def _read_block(block: Fields) -> Iterator[IpBlock]:
    block.warn_of_unknown(("cidr", "except"))
    network = _read_cidr(block.text("cidr"), block.at("cidr"), block.log)
    excepts = [_read_cidr(text, path, block.log) for text, path in block.texts("except")]
    if network is None:
        return
    for index, found in enumerate(excepts):
        # "Except values will be rejected if they are outside the cidr range."
        if found is not None and not _is_strictly_inside(found, network):
            path = f"{block.at('except')}[{index}]"
            block.log.refuse(f"{path} is {found}, not strictly inside {network}")
    yield IpBlock(str(network), tuple(str(found) for found in excepts if found is not None))


def _is_strictly_inside(inner: Network, outer: Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen > outer.prefixlen
        and inner.network_address in outer
    )


def _read_cidr(text: str, path: str, log: Log) -> Network | None:
    try:
        network = read_network(text)
    except ValueError:
        log.refuse(f"{path} is {text!r}, not a CIDR", hint="an address and a prefix: 192.0.2.0/24")
        return None
    if str(network) != text.lower():
        log.warn(f"{path} is {text!r}, which counts as {network}")
    return network


def _read_ports(rule: Fields) -> tuple[PortSet, PortSet]:
    """The ports of a rule, and those of them that only an ``endPort`` spells."""
    items = tuple(rule.mappings("ports"))
    # "If this field is empty or missing, this rule matches all ports (traffic not restricted by
    # port)."
    if not items:
        return PortSet.ALL, PortSet.NONE
    # "Each item in this list is combined using a logical OR."
    spelt = beyond = PortSet.NONE
    for item in items:
        found = _read_port(item)
        tail = found - _first(found) if item.has("endPort") else PortSet.NONE
        spelt, beyond = spelt | (found - tail), beyond | tail
    return spelt | beyond, beyond - spelt


def _first(ports: PortSet) -> PortSet:
    """The ``port`` of a ``port`` and ``endPort``."""
    return PortSet(tuple(PortRange(r.protocol, r.low, r.low) for r in ports.ranges), ports.names)


def _read_port(item: Fields) -> PortSet:
    item.warn_of_unknown(_PORT_FIELDS)
    protocol = _read_protocol(item)
    if protocol is None:
        return PortSet.NONE
    match item.value("port"):
        case None:
            # "If this field is not provided, this matches all port names and numbers."
            _refuse_end_port(item, "without port")
            return PortSet.every(protocol)
        case str(name):
            _refuse_end_port(item, "with a named port")
            return _read_named(item, protocol, name)
        case int(number) if not isinstance(number, bool):
            return _read_range(item, protocol, number)
        case other:
            item.log.refuse(f"{item.at('port')} is {shown(other)}, neither a number nor a name")
            return PortSet.NONE


def _read_protocol(item: Fields) -> Protocol | None:
    # "protocol represents the protocol (TCP, UDP, or SCTP) which traffic must match. If not
    # specified, this field defaults to TCP."
    text = item.text("protocol") if item.has("protocol") else Protocol.TCP
    if text in {p.value for p in Protocol}:
        return Protocol(text)
    item.log.refuse(f"{item.at('protocol')} is {text!r}, none of TCP, UDP and SCTP")
    return None


def _refuse_end_port(item: Fields, why: str) -> None:
    # "This field cannot be defined if the port field is not defined or if the port field is
    # defined as a named (string) port."
    if item.has("endPort"):
        found = shown(item.value("endPort"))
        item.log.refuse(f"{item.at('endPort')} is {found} {why}")


def _read_named(item: Fields, protocol: Protocol, name: str) -> PortSet:
    if not is_port_name(name):
        hint = "write a number without quotes" if name.isdecimal() else None
        item.log.refuse(f"{item.at('port')} is {name!r}, not a port name", hint)
    return PortSet.named(protocol, name)


def _read_range(item: Fields, protocol: Protocol, low: int) -> PortSet:
    """One port, or those up to ``endPort``, "inclusive"."""
    _refuse_outside(item, "port", low)
    high = _read_end(item, low)
    low, high = max(low, LOWEST_PORT), min(high, HIGHEST_PORT)
    return PortSet.of(protocol, low, high) if low <= high else PortSet.NONE


def _read_end(item: Fields, low: int) -> int:
    match item.value("endPort"):
        case None:
            return low
        case int(high) if not isinstance(high, bool):
            # "The endPort must be equal or greater than port."
            if high < low:
                hint = "endPort must be >= port (networking.k8s.io/v1 NetworkPolicyPort)"
                item.log.refuse(f"{item.at('endPort')} is {high}, below port {low}", hint)
            else:
                _refuse_outside(item, "endPort", high)
            return high
        case other:
            item.log.refuse(f"{item.at('endPort')} is {shown(other)}, not a number")
            return low


def _refuse_outside(item: Fields, key: str, port: int) -> None:
    if not LOWEST_PORT <= port <= HIGHEST_PORT:
        item.log.refuse(f"{item.at(key)} is {port}, not within 1-65535")


def read_selector(selector: Fields) -> LabelSelector:
    """The selector that a mapping states; one that cannot be read selects nothing.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
    """
    selector.warn_of_unknown(_SELECTOR_FIELDS)
    labels = selector.string_map("matchLabels")
    for key, value in labels.items():
        _check_label(key, (value,), selector.at("matchLabels"), selector.log)
    expressions = [_read_expression(e) for e in selector.mappings("matchExpressions")]
    found = tuple(requirement for requirement in expressions if requirement is not None)
    if len(found) < len(expressions):
        return NOTHING
    # "The result of matchLabels and matchExpressions are ANDed."
    return LabelSelector((*LabelSelector.of(labels).requirements, *found))


def _read_expression(item: Fields) -> Requirement | None:
    item.warn_of_unknown(_EXPRESSION_FIELDS)
    key, operator = item.text("key"), item.text("operator")
    values = tuple(text for text, _ in item.texts("values"))
    _check_label(key, values, item.path, item.log)
    # "Valid operators are In, NotIn, Exists and DoesNotExist."
    if operator not in {o.value for o in Operator}:
        item.log.refuse(f"{item.at('operator')} is {operator!r}, none of {', '.join(Operator)}")
        return None
    try:
        return Requirement(key, Operator(operator), values)
    except ValueError:
        need = "no values" if values else "at least one value"
        item.log.refuse(f"{item.at('values')} is {list(values)}, but {operator} takes {need}")
        return None


def _check_label(key: str, values: tuple[str, ...], path: str, log: Log) -> None:
    if not is_label_key(key):
        log.refuse(f"{path} has {key!r}, not a label key")
    for value in values:
        if not is_label_value(value):
            log.refuse(f"{path} asks {key} for {value!r}, not a label value")
