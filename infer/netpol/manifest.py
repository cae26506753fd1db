"""One NetworkPolicy manifest -> its value: every default of networking.k8s.io/v1 applied.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
    and, for what is refused, kubernetes pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

from typing import Final

from infer.netpol.fields import (
    Fields,
    Log,
    is_dns_label,
    is_label_key,
    is_label_value,
    is_subdomain,
)
from infer.netpol.manifest_rules import read_rules, read_selector
from infer.netpol.policy import Direction, NetworkPolicy, Rule

API_VERSION: Final = "networking.k8s.io/v1"
KIND: Final = "NetworkPolicy"
_TOP_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_SPEC_FIELDS: Final = frozenset({"podSelector", "policyTypes", "ingress", "egress"})


def read_policy(manifest: object, log: Log) -> NetworkPolicy:
    """The policy that a manifest states; what an API server would refuse goes to the log.

    Raises:
        PolicyError: the manifest has not the shape of a NetworkPolicy.
    """
    top = Fields.of(manifest, "", log)
    top.warn_of_unknown(_TOP_FIELDS)
    _check_type(top)
    meta, spec = top.mapping("metadata"), top.mapping("spec")
    spec.warn_of_unknown(_SPEC_FIELDS)
    rules = {d: read_rules(spec, d) for d in Direction}
    isolates = _read_isolates(spec)
    return NetworkPolicy(
        name=_read_name(meta),
        namespace=_read_namespace(meta),
        # "If it is not specified, it defaults to an empty selector"; "An empty selector matches
        # all pods in the policy's namespace."
        subject=read_selector(spec.mapping("podSelector")),
        isolates=isolates,
        ingress=_kept(rules, Direction.INGRESS, isolates, spec),
        egress=_kept(rules, Direction.EGRESS, isolates, spec),
        labels=tuple(_read_labels(meta).items()),
        annotations=tuple(meta.string_map("annotations").items()),
    )


def _check_type(top: Fields) -> None:
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        found = top.text(key)
        if found != expected:
            top.log.refuse(f"{key} is {found!r}, not {expected}")


def _read_isolates(spec: Fields) -> frozenset[Direction]:
    """The directions that the policy isolates.

    Source: NetworkPolicySpec.policyTypes.
    """
    found = spec.texts("policyTypes")
    if not found:
        # "policies that contain an egress section are assumed to affect egress, and all policies
        # (whether or not they contain an ingress section) are assumed to affect ingress."
        # A list without rules is no section: defaulting looks at its length.
        has_egress = any(True for _ in spec.sequence("egress"))
        return frozenset(Direction) if has_egress else frozenset({Direction.INGRESS})
    if len(found) > len(Direction):
        spec.log.refuse(f"{spec.at('policyTypes')} has {len(found)} items, more than two")
    return frozenset(d for text, path in found for d in _read_direction(text, path, spec.log))


def _read_direction(text: str, path: str, log: Log) -> tuple[Direction, ...]:
    # "Valid options are ["Ingress"], ["Egress"], or ["Ingress", "Egress"]."
    if text in {d.value for d in Direction}:
        return (Direction(text),)
    log.refuse(f"{path} is {text!r}, neither Ingress nor Egress")
    return ()


def _kept(
    rules: dict[Direction, tuple[Rule, ...]],
    direction: Direction,
    isolates: frozenset[Direction],
    spec: Fields,
) -> tuple[Rule, ...]:
    """The rules of a direction that the policy isolates; others have no effect."""
    if direction in isolates:
        return rules[direction]
    if rules[direction]:
        path = spec.at(direction.lower())
        spec.log.warn(f"{path} has no effect, since policyTypes does not name {direction}")
    return ()


def _read_name(meta: Fields) -> str:
    name = meta.text("name")
    if not name:
        meta.log.refuse(f"{meta.at('name')} is not set")
    elif not is_subdomain(name):
        meta.log.refuse(f"{meta.at('name')} is {name!r}, not an RFC 1123 subdomain")
    return name


def _read_namespace(meta: Fields) -> str:
    # "metadata.namespace ... An empty namespace is equivalent to the "default" namespace".
    namespace = meta.text("namespace") or "default"
    if not is_dns_label(namespace):
        meta.log.refuse(f"{meta.at('namespace')} is {namespace!r}, not an RFC 1123 label")
    return namespace


def _read_labels(meta: Fields) -> dict[str, str]:
    labels = meta.string_map("labels")
    for key, value in labels.items():
        if not is_label_key(key):
            meta.log.refuse(f"{meta.at('labels')} has {key!r}, not a label key")
        if not is_label_value(value):
            meta.log.refuse(f"{meta.at('labels')}.{key} is {value!r}, not a label value")
    return labels
