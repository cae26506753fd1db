"""Files to snapshots, and snapshots to one set of objects in which the newest decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from infer.errors import InputError, InventoryError, Location
from infer.inventory.fields import Field, read_time
from infer.inventory.pod_info import as_pod, is_pod_info, read_pod_info
from infer.manifests import Document, load_documents, read_text

# Kind by kind the API groups it is read from: other groups use some of the names for other things
# (Knative has a Service, OpenShift's configuration an Ingress).
_APPS: Final = frozenset({"apps", "extensions"})
_CORE: Final = frozenset({""})
KINDS: Final[Mapping[str, frozenset[str]]] = {
    "APIService": frozenset({"apiregistration.k8s.io"}),
    "CiliumNode": frozenset({"cilium.io"}),
    "CronJob": frozenset({"batch"}),
    "CustomResourceDefinition": frozenset({"apiextensions.k8s.io"}),
    "DaemonSet": _APPS,
    "Deployment": _APPS,
    "DeploymentConfig": frozenset({"apps.openshift.io", ""}),
    "EndpointSlice": frozenset({"discovery.k8s.io"}),
    "Endpoints": _CORE,
    "GRPCRoute": frozenset({"gateway.networking.k8s.io"}),
    "HTTPRoute": frozenset({"gateway.networking.k8s.io"}),
    "Ingress": frozenset({"networking.k8s.io", "extensions"}),
    "Job": frozenset({"batch"}),
    "MutatingWebhookConfiguration": frozenset({"admissionregistration.k8s.io"}),
    "Namespace": _CORE,
    "Node": _CORE,
    "Pod": _CORE,
    "ReplicaSet": _APPS,
    "ReplicationController": _CORE,
    "Rollout": frozenset({"argoproj.io"}),
    "Service": _CORE,
    "ServiceCIDR": frozenset({"networking.k8s.io"}),
    "StatefulSet": _APPS,
    "TCPRoute": frozenset({"gateway.networking.k8s.io"}),
    "TLSRoute": frozenset({"gateway.networking.k8s.io"}),
    "UDPRoute": frozenset({"gateway.networking.k8s.io"}),
    "ValidatingWebhookConfiguration": frozenset({"admissionregistration.k8s.io"}),
}
_CLUSTER_WIDE: Final = frozenset(
    {
        "APIService",
        "CiliumNode",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "ServiceCIDR",
        "ValidatingWebhookConfiguration",
    }
)
_COMMAND: Final = (
    "kubectl get pods,services,endpointslices,namespaces,nodes,deployments,replicasets,"
    "statefulsets,daemonsets,jobs,cronjobs -A -o json"
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True, slots=True)
class ApiObject:
    """One object of a known kind; ``rank`` counts the snapshots, oldest first.

    ``whole`` is False for what stands for an object of which only a few columns are known.
    """

    kind: str
    namespace: str
    name: str
    body: Field
    rank: int = 0
    whole: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the object at one time."""
        return (self.kind, self.namespace, self.name)

    @property
    def controller(self) -> Field:
        """The owner reference that manages the object; absent where none does."""
        owners = self.body.dig("metadata", "ownerReferences").each()
        managing = [owner for owner in owners if owner.get("controller").flag()]
        return next(iter(managing or owners), Field(None, self.body.root))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one file shows of a cluster, and the latest moment that it knows of."""

    time: datetime | None
    objects: tuple[ApiObject, ...]


def read_snapshots(paths: Iterable[Path], live: Sequence[Document] = ()) -> tuple[Snapshot, ...]:
    """One snapshot a file, oldest first; files of one moment, or of none, in the given order.

    A path may say when its snapshot was made, as ``FILE@TIME``, unless a file is called so.
    What a running cluster lists is the last one, being of now.

    Raises:
        InventoryError: a file cannot be read, is malformed, or holds no object of a known kind;
            or what follows an ``@`` is no time.
    """
    files = sorted(map(_read_snapshot, paths), key=lambda s: (s.time is not None, _age(s.time)))
    read = [*files, *([_snapshot(live)] if live else ())]
    return tuple(
        Snapshot(s.time, tuple(_ranked(each, rank) for each in s.objects))
        for rank, s in enumerate(read)
    )


def _age(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0


def _ranked(each: ApiObject, rank: int) -> ApiObject:
    return replace(each, rank=rank)


def _read_snapshot(named: Path) -> Snapshot:
    path, asked = _dated(named)
    try:
        text = read_text(path)
        if is_pod_info(text):
            found = _of_pod_info(text, str(path))
        else:
            found = _of_documents(load_documents(text, str(path)), Location(str(path)))
    except InventoryError:
        raise
    except InputError as err:
        raise InventoryError(err.what, at=err.at, hint=err.hint) from err
    return replace(found, time=asked or found.time)


def _dated(path: Path) -> tuple[Path, datetime | None]:
    """``FILE@TIME`` as both; a path that is a file's is taken as it is."""
    name, mark, time = str(path).rpartition("@")
    if not mark or path.exists():
        return path, None
    try:
        return Path(name), read_time(time)
    except ValueError as err:
        if not Path(name).exists():
            return path, None
        what = f"what follows the @ is no time with an offset from UTC (found {time[:60]!r})"
        hint = "say when the snapshot was made, such as FILE@2026-01-31T09:30:00Z"
        raise InventoryError(what, at=Location(name), hint=hint) from err


def _of_pod_info(text: str, source: str) -> Snapshot:
    pods, time = read_pod_info(text, source)
    bodies = (Field(as_pod(pod), Location(source, pod.line)) for pod in pods)
    return Snapshot(time, tuple(replace(_api_object(body), whole=False) for body in bodies))


def _of_documents(documents: Sequence[Document], at: Location) -> Snapshot:
    if not documents:
        raise InventoryError("the file is empty", at=at, hint=f"make it with: {_COMMAND}")
    return _snapshot(documents)


def _snapshot(documents: Sequence[Document]) -> Snapshot:
    bodies = [body for document in documents for body in _bodies(document)]
    objects = tuple(_api_object(body) for body in bodies if _is_known(body))
    if bodies and not objects:
        found = ", ".join(sorted({body.get("kind").text() or "no kind" for body in bodies}))
        what = f"holds no object that an inventory is made of (found {found[:200]})"
        at = Location(documents[0].at.source)
        raise InventoryError(what, at=at, hint=f"make it with: {_COMMAND}")
    return Snapshot(_newest_time(bodies), objects)


def _bodies(document: Document) -> Iterator[Field]:
    """The objects of a document: itself, or the items of a List or of a list of objects."""
    root = Field(document.value, document.at)
    if isinstance(root.value, list):
        for item in root.each():
            yield from _unpacked(item)
    else:
        yield from _unpacked(root)


def _unpacked(field: Field) -> Iterator[Field]:
    """An object, or each item of a list; items of a ``PodList`` take their kind from it."""
    if not isinstance(field.value, dict):
        raise field.error("a Kubernetes object")
    kind = field.get("kind").text()
    if not kind.endswith("List") or "items" not in field.value:
        yield field
        return
    for item in field.get("items").each():
        if not isinstance(item.value, dict):
            raise item.error("a Kubernetes object")
        version = field.get("apiVersion").text()
        told = {"kind": kind.removesuffix("List"), "apiVersion": version}
        yield from _unpacked(
            item if kind == "List" else Field(told | item.value, item.root, item.steps)
        )


def _is_known(body: Field) -> bool:
    groups = KINDS.get(body.get("kind").text())
    version = body.get("apiVersion").text()
    group = version.partition("/")[0] if "/" in version else ""
    return groups is not None and (group in groups or not version)


def _api_object(body: Field) -> ApiObject:
    kind = body.get("kind").text()
    metadata = body.get("metadata")
    # "default" is where the API server puts an object that names no namespace.
    namespace = "" if kind in _CLUSTER_WIDE else metadata.get("namespace").text() or "default"
    return ApiObject(kind, namespace, metadata.get("name").name(), body)


# ---- when --------------------------------------------------------------------------------------


def _newest_time(bodies: Iterable[Field]) -> datetime | None:
    """The latest moment told by the metadata or status of any object.

    Spec holds plans (and certificates' ends), and ``deletionTimestamp`` lies in the future.
    """
    told = (
        text
        for body in bodies
        if isinstance(body.value, dict)
        for part in (_past_metadata(body.value.get("metadata")), body.value.get("status"))
        for text in _times(part)
    )
    # All are in UTC, so that their texts up to the second sort as the times do.
    newest = max(told, key=lambda text: text[:19], default=None)
    try:
        return read_time(newest) if newest else None
    except ValueError:
        return None


def _past_metadata(metadata: object) -> object:
    if not isinstance(metadata, dict):
        return None
    return [metadata.get("creationTimestamp"), *_manager_times(metadata.get("managedFields"))]


def _manager_times(managers: object) -> list[object]:
    entries = managers if isinstance(managers, list) else []
    return [entry.get("time") for entry in entries if isinstance(entry, dict)]


def _times(value: object) -> Iterator[str]:
    match value:
        case str() if _TIME.fullmatch(value):
            yield value
        case dict():
            for part in value.values():
                yield from _times(part)
        case list():
            for part in value:
                yield from _times(part)


# ---- merging -----------------------------------------------------------------------------------


def newest(snapshots: Iterable[Snapshot]) -> dict[str, list[ApiObject]]:
    """Every object but pods by kind, as its newest snapshot shows it, sorted by name.

    EndpointSlices of one Service come from one snapshot, since they stand for each other.
    """
    found: dict[tuple[str, str, str], ApiObject] = {}
    for snapshot in snapshots:
        found.update((each.key, each) for each in snapshot.objects if each.kind != "Pod")
    kinds: dict[str, list[ApiObject]] = {kind: [] for kind in KINDS}
    for key in sorted(found):
        kinds[key[0]].append(found[key])
    kinds["EndpointSlice"] = _of_newest_rank(kinds["EndpointSlice"])
    return kinds


def service_of(slice_: ApiObject) -> tuple[str, str]:
    """The Service (namespace, name) that an EndpointSlice belongs to; the name may be empty."""
    labels = dict(slice_.body.dig("metadata", "labels").labels())
    return (slice_.namespace, labels.get("kubernetes.io/service-name", ""))


def _of_newest_rank(slices: list[ApiObject]) -> list[ApiObject]:
    ranks: dict[tuple[str, str], int] = {}
    for each in slices:
        ranks[service_of(each)] = max(each.rank, ranks.get(service_of(each), 0))
    return [each for each in slices if each.rank == ranks[service_of(each)]]
