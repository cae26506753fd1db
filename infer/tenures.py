"""Who can have held an address when: the stretches of time between which it changes hands.

Exact for what the API tells, with a margin: the clocks of a log and of the API differ, and a log
may date a packet later than it was sent. Where two holders are closer than the margins, both can
have had the address, and nobody chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from infer.model import PodRecord

if TYPE_CHECKING:
    import pandas as pd

EVER: Final = datetime.min.replace(tzinfo=UTC)
"""Before any record."""

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""After any record."""

_SKEW: Final = timedelta(minutes=1)
"""How far the clocks of a log and of the API may be apart.

Source: AWS VPC flow log records, ``start`` and ``end``: up to 60 seconds after the packet.
"""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A stretch of time in which nothing changes about who can have an address.

    Attributes:
        since: where it begins, inclusive; ``EVER`` for the first.
        until: where it ends, exclusive; ``FOREVER`` for the last.
        pods: who can have it then, one record a pod; empty where nobody is known to.
    """

    since: datetime
    until: datetime
    pods: tuple[PodRecord, ...]

    @property
    def holders(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of each pod."""
        return tuple((pod.namespace, pod.name) for pod in self.pods)


def tenures_of(pods: Iterable[PodRecord]) -> dict[str, tuple[Tenure, ...]]:
    """The tenures of each address, without a gap from ``EVER`` to ``FOREVER``.

    Host-network pods own no address, nor do finished ones of which nobody knows when they ended:
    the address that they still show may be another pod's by now.
    """
    holders: dict[str, list[PodRecord]] = {}
    for pod in pods:
        owns = not pod.host_network and not (pod.finished and pod.gone is None)
        for ip in pod.ips if owns else ():
            holders.setdefault(ip, []).append(pod)
    return {ip: _tenures(each) for ip, each in holders.items()}


def newest_of_each(pods: Iterable[PodRecord]) -> tuple[PodRecord, ...]:
    """The newest record of each (namespace, name), the oldest pod first."""
    return tuple({(pod.namespace, pod.name): pod for pod in sorted(pods, key=_began)}.values())


def changes_of_hands(tenures: Mapping[str, Sequence[Tenure]]) -> pd.DataFrame:
    """The tenures of the addresses that have several, sorted.

    Columns ``ip``, ``since`` and ``until`` (UTC without a zone, as in FLOW), which are not a time
    where they are open.
    """
    import pandas as pd

    rows = [
        (ip, _table_time(each.since), _table_time(each.until))
        for ip in sorted(tenures)
        for each in (tenures[ip] if len(tenures[ip]) > 1 else ())
    ]
    frame = pd.DataFrame(rows, columns=["ip", "since", "until"])
    times = dict.fromkeys(["since", "until"], "timestamp[us][pyarrow]")
    return frame.astype({"ip": "string[pyarrow]"} | times)


def _table_time(time: datetime) -> datetime | None:
    return None if time in {EVER, FOREVER} else time.replace(tzinfo=None)


def _tenures(holders: Sequence[PodRecord]) -> tuple[Tenure, ...]:
    spans = _spans(holders)
    cuts = sorted({EVER, FOREVER, *(s for _, s, _ in spans), *(e for _, _, e in spans)})
    found: list[Tenure] = []
    for since, until in pairwise(cuts):
        there = newest_of_each(pod for pod, start, end in spans if start <= since < end)
        tenure = Tenure(since, until, there)
        if found and found[-1].holders == tenure.holders:
            tenure = Tenure(found.pop().since, until, there)
        found.append(tenure)
    return tuple(found)


def _spans(holders: Sequence[PodRecord]) -> list[tuple[PodRecord, datetime, datetime]]:
    """When each pod can have held the address, margins included.

    The end of a pod that did not finish is when it was missed or had to be gone; the next one to
    start at its address ends it before that.
    """
    ordered = sorted(holders, key=_began)
    spans = []
    for number, pod in enumerate(ordered):
        later = (_began(each) for each in ordered[number + 1 :] if _began(each) > _began(pod))
        end = pod.gone or FOREVER
        end = end if pod.finished else min([end, *later])
        spans.append((pod, _moved(_began(pod), -_SKEW), _moved(end, _SKEW)))
    return spans


def _began(pod: PodRecord) -> datetime:
    return pod.started or pod.created or EVER


def _moved(time: datetime, by: timedelta) -> datetime:
    return time if time in {EVER, FOREVER} else time + by
