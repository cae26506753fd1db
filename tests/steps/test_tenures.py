from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.addresses import AddressBook
from infer.model import Inventory, PodRecord
from infer.schema import Reduction
from infer.tenures import EVER, FOREVER, changes_of_hands, tenures_of
from steps.line import Row, at, call, flow, merged, orient, pod, reduced, reply, run, utc
from steps.test_reduce import equal, values

INF = float("inf")
IP, CLIENT = "10.0.0.5", "10.0.0.9"
OLD = PodRecord("shop", "old", ips=(IP,), created=utc(0), gone=utc(1000))
NEW = PodRecord("shop", "new", ips=(IP,), created=utc(5000))
CALLER = PodRecord("shop", "caller", ips=(CLIENT,))
BOTH = Inventory(pods=(CALLER, NEW, OLD))
PROFILE = settings.get_profile(settings.get_current_profile_name())
few = settings(max_examples=PROFILE.max_examples // 20)


def holders(*pods: PodRecord) -> list[tuple[float, float, list[str]]]:
    """The tenures of the address: seconds since the start, and names."""
    return [
        (_seconds(t.since), _seconds(t.until), [p.name for p in t.pods])
        for t in tenures_of(pods)[IP]
    ]


def _seconds(time: datetime) -> float:
    ends = {EVER: -INF, FOREVER: INF}
    return ends[time] if time in ends else (time - utc(0)).total_seconds()


def test_tenures_have_no_gap_and_a_margin_at_each_end() -> None:
    """From always to never, a minute more at each end of what the API tells."""
    assert holders(OLD, NEW) == [
        (-INF, -60, []),
        (-60, 1060, ["old"]),
        (1060, 4940, []),
        (4940, INF, ["new"]),
    ]


def test_where_margins_overlap_both_can_have_it() -> None:
    """Two holders less than two minutes apart are told apart only outside of them."""
    soon = replace(NEW, created=utc(1030))

    assert holders(OLD, soon)[1:] == [
        (-60, 970, ["old"]),
        (970, 1060, ["old", "new"]),
        (1060, INF, ["new"]),
    ]


def test_the_next_holder_ends_what_nobody_saw_end() -> None:
    """An end that is only known by a later look, or not at all, gives way to the next start."""
    for gone in (None, utc(9000)):
        assert holders(replace(OLD, gone=gone), NEW)[1:] == [
            (-60, 4940, ["old"]),
            (4940, 5060, ["old", "new"]),
            (5060, INF, ["new"]),
        ]


def test_what_finished_held_its_address_to_its_end() -> None:
    """The last container's end is known to the second: a pod that was made before it waited."""
    job = replace(OLD, finished=True)

    assert holders(job, replace(NEW, created=utc(500)))[1:] == [
        (-60, 440, ["old"]),
        (440, 1060, ["old", "new"]),
        (1060, INF, ["new"]),
    ]


def test_a_pod_has_its_address_from_when_its_node_took_it() -> None:
    """A pod may wait for a node for long: it has no address yet."""
    assert holders(replace(NEW, created=utc(0), started=utc(5000)))[1] == (4940, INF, ["new"])


def test_one_pod_that_came_back_is_no_change_of_hands() -> None:
    """Namespace and name are who it is; times at which nobody had the address stay apart."""
    assert holders(OLD, replace(NEW, name="old", created=utc(1030)))[1:] == [(-60, INF, ["old"])]


def test_only_addresses_that_change_hands_are_in_the_table() -> None:
    """A pod without times holds its address always: there is nothing to look up."""
    table = changes_of_hands(AddressBook.of(BOTH).pods)

    assert set(table["ip"]) == {IP}
    assert len(table) == 4
    assert changes_of_hands(AddressBook.of(Inventory(pods=(CALLER,))).pods).empty


# ---- in a log ----------------------------------------------------------------------------------


def talk(seconds: float, until: float | None = None) -> Row:
    """A record from the caller to the address that changes hands."""
    end = None if until is None else at(until)
    return call(f"{CLIENT} 40000", f"{IP} 80", time=at(seconds), end_time=end)


def reached(*rows: Row) -> dict[str, int]:
    """The records of each server, by its pod or the reason why it has none."""
    line = run(rows, BOTH)
    ends, table = line.enriched.endpoints, line.enriched.connections
    found: dict[str, int] = {}
    for server, records in zip(table["server"], table["records"], strict=True):
        name = ends[server].pod or ends[server].reason
        found[name] = found.get(name, 0) + int(records)
    return found


def test_each_record_belongs_to_the_pod_that_had_the_address_then() -> None:
    """Equal records before and after a change of hands are two edges."""
    assert reached(talk(100), talk(900), talk(6000)) == {"old": 2, "new": 1}


@pytest.mark.parametrize("end", [None, 1000.0])
def test_a_record_within_one_tenure_is_not_ambiguous(end: float | None) -> None:
    """What ends before the change belongs to the old pod alone."""
    assert reached(talk(100, end), talk(6000)) == {"old": 1, "new": 1}


def test_a_record_over_a_change_is_set_apart() -> None:
    """An aggregation window over two holders is neither's, and takes no other record with it."""
    found = reached(talk(100), talk(990, 1070), talk(900, 5000), talk(6000))

    assert found == {"old": 1, "new": 1, "address-reused": 2}


def test_nobody_known_is_not_the_next_pod() -> None:
    """Between two pods the address is some private one."""
    assert reached(talk(3000), talk(6000)) == {"": 1, "new": 1}


def test_a_pod_that_the_log_names_needs_no_time() -> None:
    """The log's own word stands, and makes no second edge."""
    rows = [{**talk(time), **pod("dst", "shop/web")} for time in (100, 6000)]

    assert len(reduced(rows, BOTH).edges) == 1
    assert reached(*rows) == {"web": 2}


def test_an_answer_of_the_old_pod_is_none_of_the_new_ones() -> None:
    """A denial after the change stands, whatever the old holder of the address answered."""
    before = [talk(100), reply(f"{IP} 80", f"{CLIENT} 40000", time=at(101))]
    line = run([*before, {**talk(6000), "verdict": "DENIED"}], BOTH)
    table = line.enriched.connections
    ends = [line.enriched.endpoints[number].pod for number in table["server"]]

    assert dict(zip(ends, table["refused"], strict=True)) == {"old": False, "new": True}


def _row(begin: int | None, length: int | None, source: str, reply: bool | None) -> Row:
    """A record to the address that changes hands, or without a time."""
    start = None if begin is None else at(begin)
    end = None if start is None or length is None else start + timedelta(seconds=length)
    record = flow(f"{source} 40000", f"{IP} 80")
    return {**record, "is_reply": reply, "time": start, "end_time": end}


rows = st.builds(
    _row,
    st.one_of(st.none(), st.integers(-200, 7000)),
    st.sampled_from([None, 0, 30, 300, 5000]),
    st.sampled_from([CLIENT, IP, "10.0.0.7"]),
    st.sampled_from([True, False, None]),
)


@few
@given(st.lists(rows, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_neither_files_nor_order_matter(log: list[Row], random: Random) -> None:
    """Shuffled and reduced apart, then merged: the same edges and connections, none lost."""
    shuffled = random.sample(log, len(log))
    cut = random.randint(0, len(log))
    one, other, together = (reduced(part, BOTH) for part in (shuffled[:cut], shuffled[cut:], log))

    assert equal(merged(one, other), together)
    assert _connections(merged(one, other)) == _connections(together)
    assert int(together.edges["records"].sum()) == len(log)


def _connections(reduction: Reduction) -> list[dict[str, object]]:
    return values(orient(reduction, BOTH).connections)
