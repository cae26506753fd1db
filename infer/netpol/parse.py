"""Manifests -> policies: strictly as an API server, or leniently as its neighbours.

What an API server refuses is refused (``parse_policy``), or read as the server's neighbours read
it and reported (``parse_policy_leniently``). What cannot be read at all, such as a list in place
of a mapping, is refused by both. Lists are opened, other kinds of policy are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from infer.errors import Location, PolicyError
from infer.netpol.fields import Complaint, Fields, Log
from infer.netpol.manifest import API_VERSION, KIND, read_policy
from infer.netpol.policy import NetworkPolicy

__all__ = [
    "Complaint",
    "Parsed",
    "merge_parsed",
    "parse_policies",
    "parse_policies_leniently",
    "parse_policy",
    "parse_policy_leniently",
]

_OTHER_POLICIES: Final = frozenset({"AuthorizationPolicy"})

Read: TypeAlias = tuple[NetworkPolicy, tuple[Complaint, ...]]
Reader: TypeAlias = Callable[[object, Location], Read]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The policies of some documents, sorted by namespace and name, and what to know about them."""

    policies: tuple[NetworkPolicy, ...] = ()
    warnings: tuple[Complaint, ...] = ()


def parse_policy(manifest: object, at: Location) -> NetworkPolicy:
    """The policy that a manifest states; exact.

    Args:
        manifest: the loaded YAML or JSON of one NetworkPolicy.
        at: where it was found, for messages.

    Raises:
        PolicyError: an API server would refuse it; the message names the field and its value.

    >>> meta, spec = {"name": "web"}, {"ingress": [{"ports": [{"port": 443}]}]}
    >>> manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec}
    >>> str(parse_policy(manifest, Location("web.yaml")).ingress[0].ports)
    'TCP 443'
    """
    return _read_strictly(manifest, at)[0]


def parse_policy_leniently(
    manifest: object, at: Location
) -> tuple[NetworkPolicy, tuple[Complaint, ...]]:
    """The policy as neighbours of the API server read it, with what the server would refuse.

    What names no peer, no port or no selector that can be read allows nothing; a range of ports is
    cut to 1-65535; an ``except`` counts wherever it lies.

    Raises:
        PolicyError: the manifest has not the shape of a NetworkPolicy.
    """
    log = Log(at)
    policy = read_policy(manifest, log)
    return policy, (*log.refusals, *log.warnings)


def _read_strictly(manifest: object, at: Location) -> tuple[NetworkPolicy, tuple[Complaint, ...]]:
    """The policy that a manifest states, with the warnings that an API server would give.

    Raises:
        PolicyError: an API server would refuse it.
    """
    log = Log(at)
    policy = read_policy(manifest, log)
    if log.refusals:
        raise _refusal(log.refusals)
    return policy, tuple(log.warnings)


def _refusal(complaints: list[Complaint]) -> PolicyError:
    first, more = complaints[0], len(complaints) - 1
    what = f"{first.what} (and {more} more)" if more else first.what
    return PolicyError(what, at=first.at, hint=first.hint)


def parse_policies(documents: Iterable[object], at: Location) -> Parsed:
    """Every NetworkPolicy among loaded documents; exact.

    ``List``, ``NetworkPolicyList`` and what ``kubectl get -o yaml`` prints are opened; empty
    documents and kinds that are no policies are passed over. Warnings name policies of other kinds
    (their effect is not judged) and policies that a later one of the same name replaces.

    Raises:
        PolicyError: an API server would refuse one of the policies.
    """
    return _parse(documents, at, _read_strictly)


def parse_policies_leniently(documents: Iterable[object], at: Location) -> Parsed:
    """As ``parse_policies``, but what an API server would refuse is read and warned of.

    Raises:
        PolicyError: one of the policies has not the shape of a NetworkPolicy.
    """
    return _parse(documents, at, parse_policy_leniently)


def merge_parsed(parts: Iterable[Parsed], at: Location) -> Parsed:
    """The policies of several sources as one list, as if applied in that order."""
    policies: dict[str, NetworkPolicy] = {}
    warnings: list[Complaint] = []
    for part in parts:
        warnings += part.warnings
        for policy in part.policies:
            if policies.get(policy.full_name, policy) != policy:
                what = f"NetworkPolicy {policy.full_name} occurs twice; the later one counts"
                warnings.append(Complaint(what, at))
            policies[policy.full_name] = policy
    return Parsed(tuple(policies[name] for name in _by_namespace(policies)), tuple(warnings))


def _by_namespace(policies: dict[str, NetworkPolicy]) -> list[str]:
    return sorted(policies, key=lambda name: (policies[name].namespace, policies[name].name))


def _parse(documents: Iterable[object], at: Location, read: Reader) -> Parsed:
    parts = (_read(item, read) for document in documents for item in _opened(document, at))
    return merge_parsed(parts, at)


@dataclass(frozen=True, slots=True)
class _Item:
    """One object with its type, which a typed list states only once."""

    manifest: object
    api_version: str
    kind: str
    at: Location


def _opened(document: object, at: Location) -> Iterator[_Item]:
    """The objects of a document, lists opened; nothing for an empty document."""
    if document is None:
        return
    fields = Fields.of(document, "", Log(at))
    api_version, kind = fields.text("apiVersion"), fields.text("kind")
    if not (kind.endswith("List") and "items" in fields.values):
        yield _Item(document, api_version, kind, at)
        return
    for item, path in fields.sequence("items"):
        place = replace(at, path=f"{at.path}.{path}" if at.path else path)
        yield from _opened(_typed(item, api_version, kind, place), place)


def _typed(item: object, api_version: str, kind: str, at: Location) -> object:
    """An item of a ``FooList`` that does not say that it is a Foo, made to say so."""
    fields = Fields.of(item, "", Log(at))
    if fields.has("kind") or kind == "List":
        return item
    return {"apiVersion": api_version, "kind": kind.removesuffix("List"), **fields.values}


def _read(item: _Item, read: Reader) -> Parsed:
    # Without an apiVersion it is meant to be ours: refused strictly, read leniently.
    if item.kind == KIND and item.api_version in (API_VERSION, ""):
        policy, warnings = read(item.manifest, item.at)
        return Parsed((policy,), warnings)
    if item.kind.endswith(KIND) or item.kind in _OTHER_POLICIES:
        return Parsed(warnings=(Complaint(_not_judged(item), item.at),))
    return Parsed()


def _not_judged(item: _Item) -> str:
    meta = Fields.of(item.manifest, "", Log(item.at)).mapping("metadata")
    name = "/".join(filter(None, (meta.text("namespace"), meta.text("name"))))
    return f"{item.kind} {name} ({item.api_version}): its effect is not judged"
