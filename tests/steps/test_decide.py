"""What the log as a whole tells of a conversation whose records say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from infer.model import Inventory, PodRecord
from infer.netpol import ContainerPort, Protocol
from steps.line import NOTHING, SYN, Row, flow, oriented, who

A, B, SERVER = "10.0.0.1", "10.0.0.2", "10.0.9.9"
HOSTS = [f"10.0.1.{number}" for number in range(1, 7)]


def talk(client: str, server: str, **more: object) -> list[Row]:
    """Both sides of a conversation, each with data."""
    return [flow(client, server, **more), flow(server, client, **more)]


def traffic(client_ports: Iterable[int]) -> Iterator[Row]:
    """Conversations with one server, each with both sides in the log."""
    for port in client_ports:
        yield from talk(f"{A} {port}", f"{SERVER} 5000")


def known(port: int) -> Inventory:
    """An inventory in which the server declares its port."""
    pod = PodRecord("shop", "web", ips=(SERVER,), ports=(ContainerPort("", port, Protocol.TCP),))
    return Inventory(pods=(pod,))


def by(rows: Iterable[Row], inventory: Inventory = NOTHING) -> dict[str, tuple[str, ...]]:
    """How each connection was oriented, without those of the server."""
    found = who(oriented(rows, inventory).connections)
    return {text: how for text, how in found.items() if SERVER not in text}


# ---- answers -----------------------------------------------------------------------------------


def test_a_scan_out_of_one_port_makes_no_server() -> None:
    """Many targets share the scanner's port, but none answers: who speaks alone is the client."""
    scan = [flow(f"{A} 50505", f"{host} 50051") for host in HOSTS]

    assert by([*traffic(range(40000, 40004)), *scan]) == {
        f"{A} > {host} 50051": ("no_answer",) for host in HOSTS
    }


def test_a_low_port_is_no_reason_to_serve_without_speaking() -> None:
    """A scan out of port 53 does not make its targets the clients of a DNS server."""
    scan = [flow(f"{A} 53", f"{host} 8080") for host in HOSTS]

    assert set(by([*traffic(range(40000, 40004)), *scan])) == {f"{A} > {h} 8080" for h in HOSTS}


def test_resets_are_no_peers_of_a_server() -> None:
    """Targets that answer with a reset alone do not make the scanner's port a shared one."""
    tiny: dict[str, object] = {"packets": 1, "bytes": 40}
    scan = [row for host in HOSTS for row in talk(f"{A} 50505", f"{host} 8080", **tiny)]

    assert by([*traffic(range(40000, 40004)), *scan]) == {
        f"{A} > {host} 8080": ("port_range",) for host in HOSTS
    }


def test_a_log_with_half_of_the_records_cannot_tell_who_was_not_answered() -> None:
    """Where answers are missing by chance, one side alone proves nothing, and fans count all."""
    halves = [flow(f"{SERVER} 5000", f"{A} {port}") for port in range(50000, 50003)]
    served = [flow(f"{B} 55555", f"{host} 40000") for host in HOSTS]
    lone = flow(f"{HOSTS[0]} 45000", f"{HOSTS[1]} 46000")

    found = by([*traffic([40000]), *halves, *served, lone])
    assert {found[f"{host} > {B} 55555"] for host in HOSTS} == {("fan_in",)}
    assert found[f"{HOSTS[0]} > {HOSTS[1]} 46000"] == ("ambiguous",)


def test_known_servers_tell_that_answers_are_logged() -> None:
    """Where every other port is known, a scan out of one port makes no server either."""
    scan = [flow(f"{A} 50505", f"{host} 50051") for host in HOSTS]
    rows = [*traffic(range(40000, 40004)), *scan]

    assert {how for (how,) in by(rows, known(5000)).values()} == {"common_port"}


def test_a_log_of_one_direction_has_fans_all_the_same() -> None:
    """Where nobody's answers are logged, peers count without them."""
    sent = [flow(f"{host} 40000", f"{B} 50000") for host in HOSTS]

    assert set(by([flow(f"{A} 40000", f"{SERVER} 5000"), *sent]).values()) == {("fan_in",)}


def test_unanswered_scans_do_not_make_a_log_look_incomplete() -> None:
    """However many attempts fail, what is answered between other places tells how much is heard."""
    scan = [flow(f"{A} 50505", f"{host} {port}") for host in HOSTS for port in range(50000, 50020)]

    found = by([*traffic(range(40000, 40002)), *scan])
    assert len(found) == len(scan)
    assert set(found.values()) == {("no_answer",)}


def test_udp_needs_no_answer_to_have_peers() -> None:
    """A collector that many send to serves, though it never answers."""
    sent = [flow(f"{host} 40000", f"{B} 50000", protocol="UDP") for host in HOSTS]

    assert by([*traffic(range(40000, 40004)), *sent]) == {
        f"{host} > {B} 50000": ("fan_in",) for host in HOSTS
    }


# ---- the range of client ports -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("client_ports", "how"),
    [(range(40000, 40020), "port_range"), (range(20000, 20020), "ambiguous")],
)
def test_the_range_of_client_ports_is_that_of_the_log(client_ports: range, how: str) -> None:
    """Where clients use ports below 32768, such a port is no sign of a server."""
    rows = [*traffic(client_ports), *talk(f"{A} 30000", f"{B} 50051")]

    assert set(by(rows).values()) == {(how,)}


def test_system_ports_serve_in_any_range() -> None:
    """Below 1024 there are no client ports, whatever the range."""
    rows = [*traffic(range(20000, 20020)), *talk(f"{A} 5000", f"{B} 80")]

    assert by(rows) == {f"{A} > {B} 80": ("port_range",)}


# ---- numbers that serve elsewhere --------------------------------------------------------------


@pytest.mark.parametrize("evidence", ["inventory", "records"])
def test_a_number_that_serves_elsewhere_serves_here(evidence: str) -> None:
    """Of two high ports the one on which others are known to listen is the server's."""
    inventory = known(50051) if evidence == "inventory" else NOTHING
    told = [flow(f"{A} 40000", f"{SERVER} 50051", tcp_flags=SYN)]
    rows = [*talk(f"{A} 40001", f"{B} 50051"), *(told if evidence == "records" else [])]

    assert by(rows, inventory) == {f"{A} > {B} 50051": ("common_port",)}


def test_two_numbers_that_serve_elsewhere_tell_nothing() -> None:
    """Client ports may be numbers that serve elsewhere too."""
    told = [flow(f"{A} 40000", f"{SERVER} {port}", tcp_flags=SYN) for port in (50051, 40001)]
    rows = [*talk(f"{A} 40001", f"{B} 50051"), *told]

    assert {how for (how,) in by(rows).values()} == {"ambiguous"}


def test_a_number_at_many_places_serves() -> None:
    """A scraper calls each of many once: the number that all of them share is theirs."""
    rows = [
        row
        for number, host in enumerate(HOSTS)
        for row in talk(f"{A} {41000 + number}", f"{host} 50051")
    ]

    assert by(rows) == {f"{A} > {host} 50051": ("common_port",) for host in HOSTS}


def test_among_many_open_ones_a_number_must_stand_out() -> None:
    """Of thousands of client ports some are met at a few places by chance."""
    many = [flow(f"10.1.{n // 250}.{n % 250} {33000 + n}", f"{B} {36000 + n}") for n in range(2000)]
    rows = [flow(f"{A} {41000 + n}", f"{host} 50051") for n, host in enumerate(HOSTS[:4])]

    assert set(by(rows).values()) == {("common_port",)}
    assert set(by([*many, *rows]).values()) == {("ambiguous",)}
