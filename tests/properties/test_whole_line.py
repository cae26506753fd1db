from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random

import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infer import schema
from infer.emit.kubernetes import emit
from infer.engines.local import session
from infer.generate import Options, Suggestion, suggest_policies
from infer.manifests import dump_manifests
from infer.model import Inventory
from infer.reduce import merge_reductions, reduce_flows

Row = Mapping[str, object]

# One example goes through DuckDB and pandas, so a few must do; the same laws are searched for
# without tables in the other files of this folder.
FEW = settings(
    max_examples=max(settings().max_examples // 20, 1),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

START = datetime(2026, 3, 2)  # noqa: DTZ001 - FLOW times are UTC without saying so


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    """One database for all examples."""
    with session(threads=1) as opened:
        yield opened


def _end(side: str, app: str, revision: int) -> Row:
    """A pod of one of two revisions, or an address outside."""
    if app == "world":
        return {f"{side}_ip": "203.0.113.7"}
    return {
        f"{side}_namespace": "bank" if app == "ledger" else "shop",
        f"{side}_pod": f"{app}-{'5d4f8c7b9' if revision else '6b7d9c8f5'}-x2x9z",
        f"{side}_labels": [f"app={app}", f"pod-template-hash={revision}"],
        f"{side}_ip": f"10.1.{revision}.{len(app)}",
    }


def _row(client: str, server: str, port: int, hour: int, revision: int) -> Row:
    return {
        "kind": "flow",
        "verdict": "FORWARDED",
        "protocol": "TCP",
        "is_reply": False,
        "time": START + timedelta(hours=hour),
        "dst_port": port,
        "weight": 1,
        **_end("src", client, revision),
        **_end("dst", server, revision),
    }


apps = st.sampled_from(["cart", "web", "orders", "ledger", "world"])
rows = st.builds(
    _row, apps, apps, st.sampled_from([80, 443, 8080]), st.integers(0, 11), st.just(0)
).filter(lambda row: row.get("src_pod") != row.get("dst_pod"))
logs = st.lists(rows, min_size=1, max_size=12)


def suggested(con: DuckDBPyConnection, *parts: Sequence[Row]) -> Suggestion:
    """What the whole line makes of logs that were reduced apart and merged."""
    reductions = []
    for part in parts:
        con.register("log", pa.Table.from_pylist(_whole(part)))
        flows = schema.project(con.table("log"), schema.FLOW)
        reductions.append(reduce_flows(con, flows))
    return suggest_policies(con, merge_reductions(con, reductions), Inventory(), Options())


def _whole(part: Sequence[Row]) -> list[dict[str, object]]:
    """Rows that all have the columns of any of them."""
    names = sorted({name for row in part for name in row})
    return [{name: row.get(name) for name in names} for row in part]


def text(suggestion: Suggestion) -> str:
    """What is written."""
    return dump_manifests([emit(policy) for policy in suggestion.policies])


@FEW
@given(logs)
def test_laws_of_the_whole_line(con: DuckDBPyConnection, log: list[Row]) -> None:
    """Everything that was read is accounted for, nothing that stands is cut, nothing is added."""
    found = suggested(con, log)

    assert found.coverage.records.total == len(log)
    assert found.coverage.records.denied == 0
    assert found.exposure.over_granted == 0


@FEW
@given(logs, st.integers(0, 12), st.randoms(use_true_random=False))
def test_order_and_files_do_not_matter(
    con: DuckDBPyConnection, log: list[Row], cut: int, rng: Random
) -> None:
    """One file, or two in any order with their records shuffled: equal bytes."""
    shuffled = rng.sample(log, len(log))
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]

    assert text(suggested(con, log)) == text(suggested(con, *parts))


@FEW
@given(logs)
def test_a_rollout_changes_no_byte(con: DuckDBPyConnection, log: list[Row]) -> None:
    """New template hashes, pod names and addresses half-way: equal bytes."""
    again = [_next_revision(row) for row in log]

    assert text(suggested(con, log)) == text(suggested(con, [*log, *again]))


def _next_revision(row: Row) -> Row:
    """The same record twelve hours later, between pods of the next revision."""
    client, server = _app(row, "src"), _app(row, "dst")
    time, port = row["time"], row["dst_port"]
    assert isinstance(time, datetime)
    assert isinstance(port, int)
    return _row(client, server, port, time.hour + 12, 1)


def _app(row: Row, side: str) -> str:
    pod = row.get(f"{side}_pod")
    return str(pod).split("-", maxsplit=1)[0] if pod else "world"
