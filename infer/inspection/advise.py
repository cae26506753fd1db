"""An inspection -> what to improve in the logging set-up; the thresholds are heuristic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from infer.inspection.values import Inspection
from infer.model import Inventory, Kind
from infer.schema import Advice

INVENTORY: Final = (
    "kubectl get pods,services,endpointslices,namespaces,nodes,replicasets,deployments,"
    "statefulsets,daemonsets,jobs,cronjobs -A -o json > inventory.json"
)
"""The objects that name what stands behind addresses."""

_SHORT: Final = timedelta(hours=22)  # the log of a day starts and ends with a record
_COARSE: Final = timedelta(seconds=90)  # a minute's aggregation, and what clocks are off
_FEW: Final = 0.5
_NOT_FEW: Final = 0.2
_SEVERAL: Final = 20  # connections from which a share says something
_SOME: Final = 0.01
_MALFORMED: Final = 0.001
_GUESSES: Final = frozenset({"fan_in", "no_answer", "port_range", "common_port"})
_BOTH_WAYS: Final = frozenset({"antrea", "azure", "calico"})
"""Formats of which one record is a whole connection: replies cannot be logged."""


# Source: cilium/cilium install/kubernetes/cilium/values.yaml: the event queue is filled by the
# monitor, the ring buffer read by observers; its size is a power of two less one, up to 65535.
_HUBBLE_BUFFERS: Final = (
    "helm upgrade cilium cilium/cilium -n kube-system --reuse-values"
    " --set hubble.eventQueueSize=65536 --set hubble.eventBufferCapacity=65535"
)
# Source: Cilium documentation "Hubble exporter": flows of every node, written by its own agent.
_HUBBLE_EXPORT: Final = (
    "helm upgrade cilium cilium/cilium -n kube-system --reuse-values"
    " --set hubble.export.static.enabled=true"
    " --set hubble.export.static.filePath=/var/run/cilium/hubble/events.log"
)


def advise(found: Inspection, inventory: Inventory) -> tuple[Advice, ...]:
    """What to change, each piece once; what the formats themselves say comes first."""
    by_format = {each.code: each for file in found.recognised for each in file.advice}
    rules = (_losses, _identity, _labels, _reporters, _direction, _answers, _time, _damage)
    general = {each.code: each for rule in rules for each in rule(found, inventory)}
    return _told_once((*by_format.values(), *general.values()))


def _told_once(advice: Iterable[Advice]) -> tuple[Advice, ...]:
    """The pieces in order; a command that several share stands at the first of them only."""
    told: set[str] = set()
    pieces: list[Advice] = []
    for each in advice:
        pieces.append(Advice(each.code, each.text) if each.how in told else each)
        told.add(each.how)
    return tuple(pieces)


def _losses(found: Inspection, _: Inventory) -> Iterator[Advice]:
    if found.lost:
        text = f"{found.lost:,} events were lost before they were logged: rare connections may miss"
        how = _HUBBLE_BUFFERS if "hubble" in found.formats else ""
        yield Advice("lost-events", text, how)
    if found.skipped:
        text = (
            f"{found.skipped:,} records say that traffic was not logged (SKIPDATA): log longer, so"
            " that what was missed shows again"
        )
        yield Advice("skipped", text)


def _identity(found: Inspection, inventory: Inventory) -> Iterator[Advice]:
    ends = found.resolved or found.named
    addresses = ends.kinds.get(Kind.PRIVATE, 0)
    if not inventory and addresses > _SOME * ends.total:
        text = (
            "private addresses that the log does not name: an inventory (-i) tells whose they are"
        )
        yield Advice("no-inventory", text, INVENTORY)
    if not inventory:
        return
    if ends.unresolved.get("address-reused", 0) or ends.unresolved.get("unknown-pod-address", 0):
        text = (
            "addresses whose pod no snapshot tells: take snapshots while the log is kept, every"
            " hour or at each rollout, and give them all (-i, repeated)"
        )
        yield Advice("few-snapshots", text, INVENTORY)
    elif addresses > _SOME * ends.total:
        text = (
            "private addresses that are in no inventory: other clusters, machines, or pods that"
            " were gone when the snapshot was taken"
        )
        yield Advice("unknown-addresses", text, INVENTORY)


def _labels(found: Inspection, inventory: Inventory) -> Iterator[Advice]:
    ends = found.resolved or found.named
    if not ends.pods or ends.labelled > _FEW * ends.pods:
        return
    text = "pods are named, most of them without labels: no selector can be made of a name"
    if "hubble" in found.formats:
        text += "; log source.labels and destination.labels too (fieldMask), or give an inventory"
    else:
        text += "; give an inventory (-i)"
    yield Advice("no-labels", text, "" if inventory else INVENTORY)


def _reporters(found: Inspection, inventory: Inventory) -> Iterator[Advice]:
    logging = [each for each in found.reporters if each.name and each.records]
    nodes = len(inventory.nodes)
    if len(logging) != 1 or nodes == 1:
        return
    where = f" of {nodes:,} nodes" if nodes else ""
    text = f"one reporter only{where} ({logging[0].name}): what others see is missing"
    yield Advice("one-reporter", text, _HUBBLE_EXPORT if "hubble" in found.formats else "")


def _direction(found: Inspection, inventory: Inventory) -> Iterator[Advice]:
    untold = found.oriented.get("ambiguous", 0)
    guessed = sum(n for rule, n in found.oriented.items() if rule in _GUESSES)
    if untold + guessed <= _SOME * found.records:
        return
    text = (
        f"{untold + guessed:,} of {found.records:,} records: the port alone tells who the client"
        " is, or nothing does"
    )
    if not {"is_reply", "tcp_flags"} & found.oriented.keys():
        text += "; log TCP flags, or what is a reply"
    if not inventory:
        text += "; an inventory (-i) knows the ports of Services and containers"
    yield Advice("direction", text, "" if inventory else INVENTORY)


def _answers(found: Inspection, _: Inventory) -> Iterator[Advice]:
    tcp = next((each.records for each in found.traffic if each.protocol == "TCP"), 0)
    if tcp and not found.judged and not found.lost and not found.formats <= _BOTH_WAYS:
        text = (
            "no replies to TCP: scans and unanswered connections cannot be told from real ones; log"
            " both directions"
        )
        if "hubble" in found.formats:
            text += ", without filters such as --verdict, --type or --to-port"
        yield Advice("no-replies", text)
    if found.judged >= _SEVERAL and found.unanswered > _NOT_FEW * found.judged:
        text = (
            f"{found.unanswered:,} of {found.judged:,} TCP connections show no answer: the log"
            " looks sampled or filtered"
        )
        yield Advice("sampled", f"{text}; log every flow")


def _time(found: Inspection, _: Inventory) -> Iterator[Advice]:
    if found.undated:
        text = (
            f"{found.undated:,} records have no time: scans, one-offs and reuse of addresses hide"
        )
        yield Advice("no-times", text)
    if found.first_seen and found.last_seen and found.last_seen - found.first_seen < _SHORT:
        text = "shorter than a day: what runs at night is not in it; a week holds weekly jobs too"
        yield Advice("short", text)
    if found.longest is not None and found.longest > _COARSE:
        minutes = found.longest.total_seconds() / 60
        text = (
            f"one record sums up as much as {minutes:.0f} minutes: bursts blur, and an address may"
            " change hands within; aggregate over a minute or less"
        )
        how = "--max-aggregation-interval 60" if "aws_vpc" in found.formats else ""
        yield Advice("coarse", text, how)


def _damage(found: Inspection, _: Inventory) -> Iterator[Advice]:
    bad = found.logs.count("malformed")
    if bad > _MALFORMED * (bad + found.records):
        text = f"{bad:,} malformed records: the first ones are listed; files may have been cut off"
        yield Advice("malformed", text, "copy files once they are rotated, not while they grow")
