"""Logs of other plugins, from the file to the policies."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from cli.conftest import Run
from infer.cli.options import ProfileChoice
from infer.cli.reading import profile_of
from infer.netpol import Profile
from infer.reduce import merge_reductions, reduce_flows
from infer.schema import ALWAYS, FLOW, FileRead, LogsRead, empty

OWN = Path(__file__).resolve().parents[1] / "contracts" / "samples"
REAL = (
    "antrea/flowlogger-test-lines.csv",
    "calico/enterprise-flows.log.docs-sample.jsonl",
    "calico/whisker-flows.SYNTHETIC-from-schema.json",
    "netobserv/flp__benchmarks_log-lines.json",
    "netobserv/netobserv-console__loki__flow_records.json",
)


@pytest.mark.parametrize("name", REAL)
def test_real_logs_end_with_findings_and_not_with_an_error(
    name: str, samples: Path, run: Run
) -> None:
    """Little is known from so little; it is said, and every record is accounted for."""
    ran = run("generate", samples / name)

    assert ran.code == 1
    assert "findings" in ran.err or "1 finding" in ran.err
    assert "Traceback" not in ran.err


def test_metrics_are_refused(samples: Path, run: Run) -> None:
    """A file without any flow is an error, not an empty policy set."""
    ran = run("generate", samples / "netobserv/netobserv-console__loki__flow_metrics_resource.json")

    assert (ran.code, ran.out) == (2, "")
    assert "no flow record" in ran.err


def test_aggregated_names_select_by_labels(run: Run) -> None:
    """What Calico joins is one workload under its labels; networks without addresses are named."""
    ran = run("generate", OWN / "calico" / "whisker.json")
    policies = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(ran.out)}

    assert policies["db"]["podSelector"] == {"matchLabels": {"app": "db"}}
    (rule,) = policies["db"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "web"}}}]
    assert "-*" not in ran.out
    assert "the log gives neither pod nor address" in ran.err
    assert "world -> shop/web 8080/TCP" in ran.err


def test_what_antrea_denied_is_not_allowed(run: Run) -> None:
    """A server that was only reached by what a rule rejected gets no rule for it."""
    ran = run("generate", OWN / "antrea" / "antrea-flows.log")

    assert "203.0.113.9" not in ran.out
    assert "denied by policy already" in ran.err


@pytest.mark.parametrize(
    ("formats", "profile"),
    [
        (["hubble", "hubble"], Profile.CILIUM),
        (["calico"], Profile.CALICO),
        (["calico", ""], Profile.CALICO),
        (["calico", "hubble"], Profile.SPEC),
        (["aws_vpc"], Profile.SPEC),
        ([], Profile.SPEC),
    ],
)
def test_the_profile_is_that_of_the_only_writer(formats: list[str], profile: Profile) -> None:
    """Logs that one plugin alone writes tell which plugin enforces; a choice goes first."""
    import duckdb

    with duckdb.connect() as con:
        part = reduce_flows(con, empty(con, FLOW))
        files = tuple(FileRead(name or "empty", name, MappingProxyType({})) for name in formats)
        logs = LogsRead(merge_reductions(con, [part]), files, ALWAYS)

    assert profile_of(ProfileChoice.AUTO, logs) is profile
    assert profile_of(ProfileChoice.AWS, logs) is Profile.AWS
