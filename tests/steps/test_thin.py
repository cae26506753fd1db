"""Of many ports that a client used, a sample: what is kept, how it merges, what it decides."""

from __future__ import annotations

from random import Random

import pandas as pd
import pytest

from infer.model import Inventory, PodRecord
from infer.netpol import ContainerPort, Protocol
from infer.schema import Reduction
from steps.line import RST, SYN, Row, at, flow, merged, orient, reduced
from steps.test_reduce import equal

A, B = "10.0.0.1", "10.0.0.2"
KEPT, PORTS = 16, range(40000, 40100)
KNOWN = Inventory(
    pods=(PodRecord("shop", "web", ips=(B,), ports=(ContainerPort("", 5000, Protocol.TCP),)),)
)


def talks(server: str, ports: range = PORTS, **more: object) -> list[Row]:
    """Both sides of a conversation out of each port."""
    pairs = [(f"{A} {port}", server) for port in ports]
    return [flow(*ends, **more) for pair in pairs for ends in (pair, pair[::-1])]


def ports(reduction: Reduction, side: str) -> set[int]:
    """The distinct ports of one side."""
    return set(reduction.edges[f"{side}_port"].dropna().astype(int))


def found(reduction: Reduction, inventory: Inventory = Inventory()) -> dict[str, tuple[int, str]]:  # noqa: B008
    """The records of each ``client > server port``, and how it was oriented."""
    rows = orient(reduction, inventory).connections
    columns = ("client_at", "server_at", "port", "records", "oriented_by")
    table = zip(*(rows[name].tolist() for name in columns), strict=True)
    return {
        f"{client} > {server} {'-' if pd.isna(port) else port}": (records, *how)
        for client, server, port, records, how in table
    }


@pytest.mark.parametrize(("count", "edges"), [(KEPT, KEPT), (KEPT + 1, KEPT + 1), (100, KEPT + 1)])
def test_many_ports_are_a_sample_and_a_row(count: int, edges: int) -> None:
    """One row for each sender stands for all other ports; no record is lost."""
    thin = reduced(talks(f"{B} 5000", range(40000, 40000 + count))).edges

    assert len(thin) == 2 * edges
    assert int(thin["records"].sum()) == 2 * count


def test_both_directions_have_the_same_sample() -> None:
    """So that a record and its answer still are one conversation."""
    thin = reduced(talks(f"{B} 5000")).edges
    asked, answers = thin[thin["src_ip"] == A], thin[thin["src_ip"] == B]

    assert set(asked["src_port"].dropna()) == set(answers["dst_port"].dropna())
    assert asked["dst_port"].unique().tolist() == [5000]


def test_samples_of_two_servers_are_two() -> None:
    """Ports that a client happened to use for many would otherwise be those that stay of all."""
    log = [row for n in range(1, 9) for row in talks(f"10.0.1.{n} 5000")]

    assert len(ports(reduced(log), "src") - {5000}) > 3 * KEPT


@pytest.mark.parametrize("more", [{"at_interface": True}, {"is_reply": False}])
def test_other_rows_are_as_before(more: dict[str, object]) -> None:
    """An interface's address needs both ports, and a record that tells needs one."""
    log = [flow(f"{A} {port}", f"{B} 5000", **more) for port in PORTS]

    assert len(reduced(log).edges) == (1 if "is_reply" in more else len(PORTS))


def mixed(random: Random) -> list[Row]:
    """Conversations over few ends and many ports, of two reporters, hidden or not."""
    ends, low = [A, B, "fd00::1"], [80, 443, 30000]
    rows = []
    for _ in range(400):
        client, server = random.sample(ends, 2)
        one = f"{client} {random.randrange(40000, 40060)}"
        pair = [one, f"{server} {random.choice(low)}"]
        more = {"time": at(random.randrange(9) * 3600), "reporter": random.choice(["n1", "n2"])}
        more |= {"at_interface": random.choice([None, None, None, True])}
        more |= {"tcp_flags": random.choice([0, 0, 0, SYN, RST]), "bytes": random.randrange(999)}
        rows.append(flow(*random.sample(pair, 2), **more))
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_samples_of_parts_merge_to_that_of_the_whole(seed: int) -> None:
    """In any grouping; though each part alone keeps other ports."""
    random = Random(seed)
    log = mixed(random)
    one, two, three = (reduced(log[part::3]) for part in range(3))
    whole = reduced(log)

    assert len(whole.edges) < len(one.edges) + len(two.edges) + len(three.edges)
    assert equal(merged(one, two, three), whole)
    assert equal(merged(merged(three, one), two), whole)
    assert equal(merged(three, merged(two, one)), whole)


# ---- what is decided ---------------------------------------------------------------------------


def test_the_rest_is_decided_as_the_sample() -> None:
    """All records of a client are in one connection."""
    assert found(reduced(talks(f"{B} 5000"))) == {f"{A} > {B} 5000": (200, "fan_in")}


def test_a_known_port_decides_of_the_rest_too() -> None:
    """Whether it is known before the records are grouped or afterwards."""
    log = talks(f"{B} 5000")
    once = {f"{A} > {B} 5000": (200, "known_port")}

    assert found(reduced(log), KNOWN) == once
    assert found(reduced(log, KNOWN), KNOWN) == once
    assert found(merged(reduced(log[:50]), reduced(log[50:], KNOWN)), KNOWN) == once


def test_resets_to_a_scan_out_of_one_port_are_no_calls() -> None:
    """What a scanner's targets send back stays its own, from whatever port it comes."""
    scan = [flow(f"{B} 443", f"{A} {port}", tcp_flags=SYN) for port in PORTS]
    resets = [flow(f"{A} {port}", f"{B} 443", tcp_flags=RST, packets=1, bytes=40) for port in PORTS]
    told = found(reduced([*scan, *resets]))

    assert {text.partition(" > ")[0] for text in told} == {B}
    assert told[f"{B} > {A} -"] == (len(PORTS) - KEPT, "same_connection")


def test_without_the_sample_the_many_ports_tell() -> None:
    """A baseline may let go the rows of the sample and keep the rest, which is seen later."""
    whole = reduced(talks(f"{B} 5000"))
    rest = whole.edges["src_port"].isna() | whole.edges["dst_port"].isna()

    assert found(Reduction(whole.edges[rest], whole.notes)) == {
        f"{A} > {B} 5000": (200 - 2 * KEPT, "fan_in")
    }
