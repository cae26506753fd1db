from __future__ import annotations

from datetime import timedelta
from random import Random

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infer.schema import Reduction
from steps.line import START, SYN, SYN_ACK, Row, call, flow, merged, orient, reduced, reply, run

A, B = "10.0.0.1", "10.0.0.2"

# Few values, so that rows meet: in one edge, in a reply, in an equal or an ambiguous pair of ports.
LABELS = {"1000": ["k8s:app=web"], "1001": ["k8s:app=db", "k8s:tier=x"], "2": ["reserved:world"]}
identities = st.sampled_from([None, *LABELS])
addresses = st.sampled_from([None, A, B, "fd00::1"])
ports = st.sampled_from([None, 0, 80, 7946, 40000, 50000])
maybe = st.sampled_from([None, True, False])
names = st.sampled_from([None, [], ["a.example"], ["b.example", "a.example"]])
counts = st.one_of(st.none(), st.integers(0, 9))


def ends(side: str) -> st.SearchStrategy[Row]:
    """One side of a record; equal identities carry equal labels, as Cilium numbers label sets."""
    return st.fixed_dictionaries(
        {
            f"{side}_cluster": st.just("east"),
            f"{side}_namespace": st.sampled_from([None, "", "shop"]),
            f"{side}_pod": st.sampled_from([None, "web-1"]),
            f"{side}_workload": st.sampled_from([None, "web"]),
            f"{side}_service": st.sampled_from([None, "shop/web"]),
            f"{side}_ip": addresses,
            f"{side}_port": ports,
            f"{side}_identity": identities,
            f"{side}_names": names,
        }
    ).map(lambda end: {**end, f"{side}_labels": LABELS.get(str(end[f"{side}_identity"]))})


records = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["flow"] * 5 + ["lost_events", "skipdata", "nodata"]),
        "time": st.one_of(st.none(), st.integers(0, 9).map(lambda h: START + timedelta(hours=h))),
        "reporter": st.sampled_from([None, "node-1", "node-2"]),
        "protocol": st.sampled_from(["TCP", "TCP", "UDP", "ICMPv4", None]),
        "verdict": st.sampled_from(["FORWARDED", "AUDIT", "DENIED", "DROPPED", "IGNORED"]),
        "is_reply": maybe,
        "tcp_flags": st.sampled_from([None, 0, SYN, SYN_ACK, 4, 24]),
        "l7_type": st.sampled_from([None, None, "REQUEST", "RESPONSE"]),
        "traffic_direction": st.sampled_from([None, "INGRESS", "EGRESS"]),
        "weight": st.sampled_from([None, 1, 5]),
        "packets": counts,
        "bytes": counts,
        "lost": counts,
    }
)
rows = st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()},
                 records, ends("src"), ends("dst"))  # fmt: skip
logs = st.lists(rows, min_size=1, max_size=30)
# Each example runs whole queries: few of them, each with many rows.
PROFILE = settings.get_profile(settings.get_current_profile_name())
few = settings(max_examples=PROFILE.max_examples // 20)


def values(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows in their order; how Arrow encodes them is nobody's business."""
    rows: list[dict[str, object]] = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    return rows


def equal(one: Reduction, other: Reduction) -> bool:
    """Whether two reductions have the same rows in the same order."""
    return (values(one.edges), values(one.notes)) == (values(other.edges), values(other.notes))


def connections(reduction: Reduction) -> list[dict[str, object]]:
    """The oriented connections."""
    return values(orient(reduction).connections)


@few
@given(logs, st.randoms(use_true_random=False))
def test_neither_files_nor_order_matter(log: list[Row], random: Random) -> None:
    """Shuffled and reduced apart, then merged: the same edges, and the same connections."""
    shuffled = random.sample(log, len(log))
    cut = random.randint(0, len(log))
    one, other, together = map(reduced, (shuffled[:cut], shuffled[cut:], log))

    assert equal(merged(one, other), together)
    assert equal(merged(other, one), together)
    assert connections(merged(one, other)) == connections(together)


@few
@given(logs, logs, logs)
def test_merging_is_associative(a: list[Row], b: list[Row], c: list[Row]) -> None:
    """Reductions merge in any grouping."""
    one, two, three = map(reduced, (a, b, c))

    assert equal(merged(merged(one, two), three), merged(one, merged(two, three)))


@few
@given(logs)
def test_every_record_is_in_one_connection(log: list[Row]) -> None:
    """Flow records = records of edges = of connections = of observations; verdicts sum to them."""
    flows = sum(row["kind"] == "flow" for row in log)
    line = run(log)
    frame = line.oriented.connections
    verdicts = frame[["forwarded", "audited", "denied", "dropped", "ignored"]].to_numpy().sum()

    assert int(frame["records"].sum()) == flows
    assert int(verdicts) == flows
    assert sum(each.records for each in line.lifted.observations) == flows


# ---- single rules ------------------------------------------------------------------------------


def edges(*log: Row) -> list[dict[str, object]]:
    """The edges as plain rows."""
    frame: pd.DataFrame = reduced(log).edges
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def test_the_clients_port_is_forgotten_once_it_says_nothing() -> None:
    """Connections of one pair are one edge; a few that cannot orient themselves keep both ports."""
    told = [call(f"{A} {40000 + n}", f"{B} 80") for n in range(3)]
    untold = [flow(f"{A} {40000 + n}", f"{B} 80") for n in range(3)]

    assert [row["records"] for row in edges(*told)] == [3]
    assert [row["records"] for row in edges(*untold)] == [1, 1, 1]


def test_a_reply_counts_for_its_connection_with_both_sides_turned() -> None:
    """Sides, labels and names of a reply are those of its connection."""
    request = call(f"{A} 40000", f"{B} 80", dst_labels=["app=web"], dst_names=["b.example"])
    answer = reply(f"{B} 80", f"{A} 40000", src_labels=["app=web"], src_names=["b2.example"])
    (row,) = edges(request, answer)

    assert (row["src_ip"], row["dst_ip"], row["dst_labels"]) == (A, B, '["app=web"]')
    assert (row["records"], row["replies"], row["answers"]) == (2, 1, 1)
    assert list(row["dst_names"]) == ["b.example", "b2.example"]  # type: ignore[call-overload]


def test_label_sets_are_compared_as_sets() -> None:
    """The order in which a log writes labels says nothing."""
    one = call(f"{A} 40000", f"{B} 80", src_labels=["b=2", "a=1"])
    other = call(f"{A} 40000", f"{B} 80", src_labels=["a=1", "b=2"])

    assert [row["src_labels"] for row in edges(one, other)] == ['["a=1","b=2"]']


@pytest.mark.parametrize("identity", ["2", "16777217"])
def test_reserved_and_local_identities_do_not_stand_for_labels(identity: str) -> None:
    """Another node may mean other labels by the same reserved or node-local number."""
    one = call(f"{A} 40000", f"{B} 80", src_identity=identity, src_labels=["cidr:1.0.0.0/8"])
    other = call(f"{A} 40000", f"{B} 80", src_identity=identity, src_labels=["cidr:2.0.0.0/8"])

    assert len(edges(one, other)) == 2
