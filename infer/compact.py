"""Drafts of policies -> fewer lines that say the same: what workloads share stands once.

Subjects of one namespace with equal needs get one policy, and what most of a namespace needs (DNS,
a metrics scrape) gets a policy of its own. Exact for every pod that there is or will be: a joined
selector matches what the selectors that it stands for match, and no other pod. Which needs are
taken apart is a heuristic; the lines are never more than before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from infer.allow import Ground
from infer.collapse import join_peers
from infer.emit.kubernetes import emit
from infer.model import Address, Party, Subject, WorkloadId
from infer.needs import Draft, Need
from infer.netpol import (
    OWN_NAMESPACE,
    Direction,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PodPeer,
    PortSet,
)

_Key = tuple[Direction, tuple[Peer, ...]]
_Shared = dict[_Key, PortSet]  # what some subjects need alike

_FRAME: Final = 4  # of a policy in YAML: its labels, the comment of its subject, the separator
_DIGITS: Final = 6
_TELLING: Final = 3  # letters that names must share


def compact_drafts(drafts: Iterable[Draft]) -> tuple[Draft, ...]:
    """The same allowances and isolation in fewer lines, sorted by namespace; exact.

    The needs of one subject and direction may stand in two drafts: in its own, and in one that it
    shares with others. Together they say what its draft said; each names what it isolates.
    """
    by_namespace: dict[str, list[Draft]] = {}
    for draft in sorted(drafts, key=lambda d: d.subject.id):
        by_namespace.setdefault(draft.subject.id.namespace, []).append(draft)
    return tuple(draft for found in by_namespace.values() for draft in _compact(found))


def _compact(drafts: list[Draft]) -> list[Draft]:
    """Equal ones merged, then what most share taken apart, after which more may be equal."""
    own, shared = _factored(_merged(drafts))
    return [*_merged(own), *shared]


# ---- equal needs -------------------------------------------------------------------------------


def _merged(drafts: Iterable[Draft]) -> list[Draft]:
    """Those with equal needs as one, as far as one selector can say so; sorted."""
    alike: dict[object, list[Draft]] = {}
    for draft in drafts:
        said = frozenset((need.key, need.ports) for need in draft.needs)
        alike.setdefault((draft.isolates, said), []).append(draft)
    parts = [part for found in alike.values() for part in _joinable(found)]
    return sorted((_joined(*part) for part in parts), key=lambda draft: draft.subject.id)


def _joinable(drafts: Sequence[Draft]) -> list[tuple[LabelSelector, list[Draft]]]:
    """Parts whose selectors are one selector together, with that selector."""
    peers = [PodPeer(draft.subject.selector, OWN_NAMESPACE) for draft in drafts]
    joined = [peer.pods for peer in join_peers(peers) if isinstance(peer, PodPeer)]
    parts: dict[LabelSelector, list[Draft]] = {}
    for draft in drafts:
        home = next(s for s in joined if _is_part(draft.subject.selector, s))
        parts.setdefault(home, []).append(draft)
    return list(parts.items())


def _is_part(part: LabelSelector, whole: LabelSelector) -> bool:
    """Whether a joined selector is made of this one, among others."""
    return len(part.requirements) == len(whole.requirements) and all(
        any(
            (each.key, each.operator) == (one.key, one.operator)
            and set(each.values) <= set(one.values)
            for one in whole.requirements
        )
        for each in part.requirements
    )


def _joined(selector: LabelSelector, drafts: Sequence[Draft]) -> Draft:
    """One draft for subjects with equal needs; what stands behind a need stands behind all."""
    first = drafts[0]
    if len(drafts) == 1:
        return first
    needs = _needs_of(drafts, {need.key: need.ports for need in first.needs})
    subject = _subject(selector, drafts, _name_of_all(_workloads(drafts)))
    return Draft(subject, first.isolates, needs)


def _subject(selector: LabelSelector, drafts: Iterable[Draft], name: str) -> Subject:
    """The pods of several subjects; the digest keeps apart those that would have one name."""
    workloads = _workloads(drafts)
    told = f"{workloads} {selector}".encode(errors="surrogatepass")
    digest = sha256(told).hexdigest()
    id_ = WorkloadId(workloads[0].namespace, digest[:_DIGITS], name)
    return Subject(id_, workloads, selector)


def _needs_of(drafts: Iterable[Draft], shared: Mapping[_Key, PortSet]) -> tuple[Need, ...]:
    """What is shared, with what stands behind it in any of the drafts."""
    entries: dict[_Key, list[Need]] = {}
    for draft in drafts:
        for need in draft.needs:
            if need.key in shared and need.ports & shared[need.key]:
                entries.setdefault(need.key, []).append(need)
    return tuple(
        Need(
            *key,
            ports,
            tuple(e for need in entries[key] for e in need.entries if e.ports & ports),
            entries[key][0].unseen,
        )
        for key, ports in shared.items()
    )


# ---- what most subjects need -------------------------------------------------------------------


def _factored(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Draft]]:
    """What is left of each draft, and the drafts of what most share; never longer together."""
    own = {draft.subject.id: draft for draft in drafts}
    shared: list[Draft] = []
    for members, needs in _common(drafts):
        parts = _joinable([own[drafts[n].subject.id] for n in members])
        for selector, part in parts:
            added = _shared_draft(selector, part, needs, alone=len(parts) == 1)
            left = [_without(draft, needs) for draft in part]
            if sum(map(_lines, (added, *left))) < sum(map(_lines, part)):
                own |= {draft.subject.id: draft for draft in left}
                shared.append(added)
    return [draft for draft in own.values() if draft.isolates], shared


def _common(drafts: Sequence[Draft]) -> list[tuple[tuple[int, ...], _Shared]]:
    """What more than half of the workloads that are isolated alike need, by who needs it.

    Those with the most workloads come first.
    """
    weights = [len(draft.subject.workloads) for draft in drafts]
    total = {
        d: sum(w for w, draft in zip(weights, drafts, strict=True) if d in draft.isolates)
        for d in Direction
    }
    found: dict[tuple[int, ...], _Shared] = {}
    for key, ports, holders in _pieces(drafts):
        if 2 * sum(weights[n] for n in holders) > total[key[0]] and len(holders) > 1:
            shared = found.setdefault(tuple(sorted(holders)), {})
            shared[key] = shared.get(key, PortSet.NONE) | ports
    return sorted(found.items(), key=lambda item: (-sum(weights[n] for n in item[0]), item[0]))


def _pieces(drafts: Sequence[Draft]) -> Iterable[tuple[_Key, PortSet, frozenset[int]]]:
    """The ports of each peer, in parts of which each draft has all or nothing."""
    holders: dict[_Key, dict[PortSet, set[int]]] = {}
    for number, draft in enumerate(drafts):
        for need in draft.needs:
            holders.setdefault(need.key, {}).setdefault(need.ports, set()).add(number)
    for key in sorted(holders):
        pieces: list[tuple[PortSet, frozenset[int]]] = []
        for ports, numbers in sorted(holders[key].items()):
            pieces = list(_refined(pieces, ports, frozenset(numbers)))
        yield from ((key, ports, numbers) for ports, numbers in pieces)


def _refined(
    pieces: Iterable[tuple[PortSet, frozenset[int]]], ports: PortSet, numbers: frozenset[int]
) -> Iterable[tuple[PortSet, frozenset[int]]]:
    """Disjoint pieces, with those of one more port set told apart."""
    rest = ports
    for known, holders in pieces:
        if known & ports:
            yield known & ports, holders | numbers
        if known - ports:
            yield known - ports, holders
        rest -= known
    if rest:
        yield rest, numbers


def _without(draft: Draft, shared: _Shared) -> Draft:
    """What is left for a draft to say when another one says what is shared.

    A direction of which nothing is left is isolated by the other one.
    """
    needs = []
    for need in draft.needs:
        ports = need.ports - shared.get(need.key, PortSet.NONE)
        if ports:
            entries = tuple(entry for entry in need.entries if entry.ports & ports)
            needs.append(replace(need, ports=ports, entries=entries))
    elsewhere = {direction for direction, _ in shared}
    kept = {need.direction for need in needs} | (draft.isolates - elsewhere)
    return Draft(draft.subject, frozenset(kept), tuple(needs))


def _shared_draft(
    selector: LabelSelector, drafts: Sequence[Draft], shared: _Shared, *, alone: bool
) -> Draft:
    """What some subjects share, as a draft of its own; it isolates no other direction."""
    needs = _needs_of(drafts, shared)
    title = _title(needs)
    if not alone:
        title = f"{title}-of-{_name_of_all(_workloads(drafts))}"
    isolates = frozenset(direction for direction, _ in shared)
    return Draft(_subject(selector, drafts, title), isolates, needs)


# ---- names -------------------------------------------------------------------------------------


def _workloads(drafts: Iterable[Draft]) -> tuple[WorkloadId, ...]:
    return tuple(sorted({id_ for draft in drafts for id_ in draft.subject.workloads}))


def _name_of_all(workloads: Iterable[WorkloadId]) -> str:
    """What the names start with alike, by whole words; else the first, and how many more."""
    names = sorted({id_.name for id_ in workloads})
    words = [name.split("-") for name in names]
    same = [column[0] for column in zip(*words, strict=False) if len(set(column)) == 1]
    start = "-".join(same) if words[0][: len(same)] == same else ""
    return start if len(start) >= _TELLING and len(names) > 1 else _listed(names)


def _listed(names: Sequence[str]) -> str:
    """``cart``, ``cart-and-redis``, ``cart-and-2-more``."""
    first, *rest = names
    if not rest:
        return first
    return f"{first}-and-{rest[0] if len(rest) == 1 else f'{len(rest)}-more'}"


def _title(needs: Iterable[Need]) -> str:
    """``dns``, ``from-prometheus``, ``dns-and-to-vault``."""
    return _listed(list(dict.fromkeys(map(_title_of, sorted(needs, key=_dns_first)))))


def _dns_first(need: Need) -> tuple[bool, _Key]:
    return not _is_dns(need), need.key


def _is_dns(need: Need) -> bool:
    return any(entry.ground is Ground.DNS for entry in need.entries)


def _title_of(need: Need) -> str:
    if _is_dns(need):
        return "dns"
    far = sorted({_word(party) for party in _far(need)})
    word = "from" if need.direction is Direction.INGRESS else "to"
    return f"{word}-{_listed(far or ['addresses'])}"


def _far(need: Need) -> Iterable[Party]:
    inwards = need.direction is Direction.INGRESS
    seen = (entry.connection for entry in need.entries if entry.connection is not None)
    return (connection.client if inwards else connection.server for connection in seen)


def _word(party: Party) -> str:
    return str(party.kind) if isinstance(party, Address) else party.name


# ---- length ------------------------------------------------------------------------------------


def _lines(draft: Draft) -> int:
    """Lines of the policy in YAML, with a comment for each rule and each empty direction."""
    if not draft.isolates:
        return 0
    ingress, egress = (draft.rules(direction) for direction in Direction)
    policy = NetworkPolicy(
        "name", draft.subject.id.namespace, draft.subject.selector, draft.isolates, ingress, egress
    )
    comments = sum(max(len(policy.rules(direction)), 1) for direction in draft.isolates)
    return _FRAME + comments + _yaml_lines(emit(policy))


def _yaml_lines(value: object) -> int:
    """Lines of a value in block style, where its key has none of its own."""
    if isinstance(value, Mapping):
        return sum(1 + (_yaml_lines(v) if isinstance(v, Mapping | list) else 0)
                   for v in value.values())  # fmt: skip
    if isinstance(value, list):
        return sum(_yaml_lines(v) if isinstance(v, Mapping) else 1 for v in value)
    return 1
