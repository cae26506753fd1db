"""Roles as a file that a person edits: a stream of YAML documents, one a role.

.. code-block:: yaml

    name: db                 # an RFC 1123 label; what the workload is called
    namespace: shop          # of its pods; without it: machines outside the cluster
    labels: {app: db}        # what policies select; put them on the pods
    addresses: [10.0.0.7]    # of its pods or machines
    pods: [db-0]             # names of its pods in the namespace
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from infer.errors import InputError, Location
from infer.manifests import Document, dump_manifests, read_documents
from infer.model import Labels, Proposal, Role, as_labels
from infer.netpol.fields import is_dns_label, is_label_key, is_label_value

_KEYS: Final = ("name", "namespace", "labels", "addresses", "pods")
_SHOWN: Final = 6
_HEAD: Final = (
    "Roles that netinfer proposes: nothing is applied before you look. For each, keep or change",
    "the name, the labels and the members, name the namespace of its pods, and delete what is",
    "wrong; then give this file to --roles. Put the labels on the pods, or policies miss them.",
    "",
)


def read_roles(paths: Iterable[Path]) -> tuple[Role, ...]:
    """The roles of all files, in order.

    Raises:
        InputError: a file cannot be read, a role is not what it must be, or something is a member
            of two roles; with the place.
    """
    documents = [document for path in paths for document in read_documents(path)]
    roles = [(_role(document), document.at) for document in documents]
    _refuse_twice(roles)
    return tuple(role for role, _ in roles)


def dump_roles(proposals: Iterable[Proposal]) -> str:
    """The proposals as such a file, each under comments that say what it rests on.

    A namespace that is not known is empty, for a person to fill in; read as it is, such a role
    counts as outside the cluster.
    """
    ordered = tuple(proposals)
    comments = [list(_evidence(proposal)) for proposal in ordered]
    if comments:
        comments[0] = [*_HEAD, *comments[0]]
    return dump_manifests([_document(proposal) for proposal in ordered], comments)


def _document(proposal: Proposal) -> Mapping[str, object]:
    role = proposal.role
    document: dict[str, object] = {"name": role.name}
    if proposal.inside:
        document |= {"namespace": role.namespace, "labels": dict(role.labels)}
    if role.addresses:
        document["addresses"] = list(role.addresses)
    if role.pods:
        document["pods"] = list(role.pods)
    return document


def _evidence(proposal: Proposal) -> Iterator[str]:
    yield f"confidence {proposal.confidence:.2f}"
    for verb, deeds in (("serves", proposal.serves), ("calls", proposal.calls)):
        yield from (f"{verb} {deed}" for deed in deeds[:_SHOWN])
        if len(deeds) > _SHOWN:
            yield f"{verb} {len(deeds) - _SHOWN:,} more"
    if not proposal.inside:
        yield "outside the pod ranges: rules name its addresses, whatever labels it has"


# ---- reading -----------------------------------------------------------------------------------


def _role(document: Document) -> Role:
    value, at = document.value, document.at
    if not isinstance(value, dict):
        raise _wrong("a role is a mapping", value, at, "begin it with name: ...")
    for key in value:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"a role has {', '.join(_KEYS)}"
            raise _wrong("a role has no such key", key, at, hint)
    role = Role(
        name=_dns_label(value.get("name"), "name", at),
        namespace=_namespace(value.get("namespace"), at),
        labels=_labels(value.get("labels"), at),
        addresses=tuple(_address(each, at) for each in _texts(value, "addresses", at)),
        pods=tuple(_texts(value, "pods", at)),
    )
    _check_whole(role, at)
    return role


def _check_whole(role: Role, at: Location) -> None:
    if role.namespace and not role.labels:
        hint = "give it labels that its pods carry or will carry, such as app: NAME"
        raise _wrong("a role of pods needs labels to select", role.name, at, hint)
    if role.pods and not role.namespace:
        raise _wrong("pods need their namespace", role.pods[0], at, "add namespace: NAME")
    if not (role.addresses or role.pods):
        raise _wrong("a role needs addresses or pods", role.name, at, "delete it, or say who it is")


def _wrong(what: str, value: object, at: Location, hint: str) -> InputError:
    return InputError(f"{what} ({value!r} found)", at=at, hint=hint)


def _below(at: Location, path: str) -> Location:
    return Location(at.source, at.line, path)


def _dns_label(value: object, key: str, at: Location) -> str:
    if isinstance(value, str) and is_dns_label(value):
        return value
    hint = "lower-case letters, digits and -, at most 63, such as cart-db"
    raise _wrong(f"{key} is no RFC 1123 label", value, _below(at, key), hint)


def _namespace(value: object, at: Location) -> str:
    return "" if value in (None, "") else _dns_label(value, "namespace", at)


def _labels(value: object, at: Location) -> Labels:
    if value is None:
        return ()
    place = _below(at, "labels")
    if not isinstance(value, dict):
        raise _wrong("labels are a mapping", value, place, "such as app: NAME")
    for key, text in value.items():
        if not (isinstance(key, str) and is_label_key(key)):
            raise _wrong("no label key that Kubernetes can have", key, place, "such as app: NAME")
        if not (isinstance(text, str) and is_label_value(text)):
            hint = "text of letters, digits, -, _ and ., in quotes if it looks like a number"
            raise _wrong(f"no label value that Kubernetes can have at {key}", text, place, hint)
    return as_labels(value)


def _texts(document: Mapping[str, object], key: str, at: Location) -> list[str]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise _wrong(f"{key} are a list of texts", value, _below(at, key), "one a line, after -")
    return value


def _address(text: str, at: Location) -> str:
    try:
        return str(ip_address(text))
    except ValueError as err:
        hint = "single IPv4 or IPv6 addresses, no names and no ranges"
        raise _wrong("no IP address", text, _below(at, "addresses"), hint) from err


def _refuse_twice(roles: Iterable[tuple[Role, Location]]) -> None:
    """Whoever is a member of two roles, or a name that stands twice in one namespace."""
    seen: dict[tuple[str, ...], Location] = {}
    for role, at in roles:
        addresses = (("address", ip) for ip in role.addresses)
        pods = (("pod", role.namespace, pod) for pod in role.pods)
        for member in (("role", role.namespace, role.name), *addresses, *pods):
            if member in seen:
                what = f"{member[0]} stands twice ({'/'.join(member[1:])!r} found)"
                raise InputError(what, at=at, hint=f"it stands at {seen[member]} already")
            seen[member] = at
