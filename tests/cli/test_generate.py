"""What a run gives: exit codes, standard output, files; data and messages never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cli.conftest import Run, RunProcess
from cli.small_logs import flow, reply, shop, write

NAMES = ["db", "web", "default-deny"]


@pytest.fixture
def findings(tmp_path: Path) -> Path:
    """A log with a finding: an outside server that is known by a DNS name."""
    call = flow("shop/web", "203.0.113.9", 443, at=5, names=["api.example.com"])
    return write(tmp_path / "findings.jsonl", [*shop(), call, reply(call)])


# ---- exit codes --------------------------------------------------------------------------------


def test_nothing_to_look_at_is_0(run: Run, log: Path) -> None:
    """A run without findings is a success."""
    ran = run("generate", log)

    assert ran.code == 0
    assert "finding" not in ran.err


def test_findings_are_1_and_named(run: Run, findings: Path) -> None:
    """The finding and what it is about stand in the summary."""
    ran = run("generate", findings)

    assert ran.code == 1
    assert "1 finding" in ran.err
    assert "shop/web -> api.example.com" in ran.err
    assert "203.0.113.9/32" in ran.out


def test_exit_zero_is_for_pipelines(run: Run, findings: Path) -> None:
    """The same output, another exit code; an error stays one."""
    plain, zero = run("generate", findings), run("generate", findings, "--exit-zero")

    assert (zero.code, zero.out, zero.err) == (0, plain.out, plain.err)
    assert run("generate", "missing.jsonl", "--exit-zero").code == 2


def test_no_command_shows_help(run: Run) -> None:
    """A bare ``netinfer`` is a question."""
    ran = run()

    assert ran.code == 0
    assert "generate" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["generate", "--help"], ["generate", "-h"]]
)
def test_help_is_data(run: Run, arguments: list[str]) -> None:
    """Help that was asked for goes to standard output."""
    ran = run(*arguments)

    assert (ran.code, ran.err) == (0, "")
    assert "Usage: netinfer" in ran.out


def test_version(run: Run) -> None:
    """Name and version, as scripts expect."""
    from infer import __version__

    assert run("--version").out == f"netinfer {__version__}\n"


# ---- standard output ---------------------------------------------------------------------------


def test_stdout_is_yaml_and_nothing_else(run: Run, log: Path) -> None:
    """What is piped into kubectl is manifests: allows first, default-denies last."""
    ran = run("generate", log)
    manifests = list(yaml.safe_load_all(ran.out))

    assert [m["metadata"]["name"] for m in manifests] == NAMES
    assert {m["kind"] for m in manifests} == {"NetworkPolicy"}


def test_stdout_can_be_json(run: Run, log: Path) -> None:
    """One List with the same manifests."""
    as_json = json.loads(run("generate", log, "-o", "json").out)

    assert as_json["kind"] == "List"
    assert as_json["items"] == list(yaml.safe_load_all(run("generate", log).out))


def test_quiet_is_silent(run: Run, findings: Path) -> None:
    """Data and exit code stay, messages go."""
    plain, quiet = run("generate", findings), run("generate", findings, "-q")

    assert (quiet.code, quiet.out, quiet.err) == (1, plain.out, "")


def test_messages_stay_off_stdout(run: Run, log: Path, tmp_path: Path) -> None:
    """With a directory standard output is empty, unless it is asked for too."""
    assert run("generate", log, "-d", tmp_path / "out").out == ""
    assert run("generate", log, "-d", tmp_path / "out", "-o", "yaml").out != ""


def test_standard_input_is_a_log(run_process: RunProcess, log: Path) -> None:
    """A pipe gives what the file gives."""
    piped = run_process("generate", "-", "-q", stdin=log.read_bytes())

    assert (piped.code, piped.out) == (0, run_process("generate", log, "-q").out)


# ---- what is isolated --------------------------------------------------------------------------


def test_namespaces_are_chosen_with_n(run: Run, tmp_path: Path) -> None:
    """Others are peers only; the platform's own get policies only when named."""
    call = flow("pay/api", "shop/db", 5432, at=7)
    path = write(tmp_path / "two.jsonl", [*shop(), call, reply(call)])

    def namespaces(*arguments: str) -> set[str]:
        manifests = yaml.safe_load_all(run("generate", path, *arguments).out)
        return {m["metadata"]["namespace"] for m in manifests}

    assert namespaces() == {"pay", "shop"}
    assert namespaces("-n", "pay") == {"pay"}
    assert namespaces("-n", "pay", "--namespace", "kube-system") == {"kube-system", "pay"}


@pytest.mark.parametrize(
    ("direction", "types"),
    [("both", ["Ingress", "Egress"]), ("ingress", ["Ingress"]), ("egress", ["Egress"])],
)
def test_direction_limits_what_is_isolated(
    run: Run, log: Path, direction: str, types: list[str]
) -> None:
    """Each policyTypes holds the chosen directions, also in the default-deny."""
    manifests = list(yaml.safe_load_all(run("generate", log, "--direction", direction).out))

    assert all(m["spec"]["policyTypes"] == types for m in manifests)
    rules = {key for m in manifests for key in ("ingress", "egress") if key in m["spec"]}
    assert rules == {name.lower() for name in types}


def test_default_deny_can_be_left_out(run: Run, log: Path) -> None:
    """``never`` writes policies of workloads only, ``always`` and ``auto`` one more."""

    def names(choice: str) -> list[str]:
        manifests = yaml.safe_load_all(run("generate", log, "--default-deny", choice).out)
        return [m["metadata"]["name"] for m in manifests]

    assert names("never") == NAMES[:-1]
    assert names("always") == names("auto") == NAMES


def test_stated_ranges_are_used_and_told(run: Run, log: Path) -> None:
    """The summary says what is known from where."""
    told = run("generate", log, "--pod-cidr", "10.1.0.0/16", "--node-cidr", "10.9.0.0/24").err

    assert "10.1.0.0/16 (from flags)" in told
    assert "10.9.0.0/24 (from flags)" in told


# ---- the window --------------------------------------------------------------------------------


def test_the_absolute_window_is_always_printed(run: Run, log: Path) -> None:
    """First and last record, as ``--since`` takes them."""
    assert "2026-03-02T08:00:00Z to 2026-03-02T08:00:50Z (50s)" in run("generate", log).err


@pytest.mark.parametrize("since", ["2026-03-02T08:00:40Z", "10s"])
def test_since_is_absolute_or_relative_to_the_last_record(run: Run, log: Path, since: str) -> None:
    """Both name the same window, and it is printed as times."""
    ran = run("generate", log, "--since", since)

    assert "asked for: from 2026-03-02T08:00:40Z; 8 flow records outside" in ran.err
    assert "2 flow records" in ran.err
    assert [m["metadata"]["name"] for m in yaml.safe_load_all(ran.out)][:1] == ["db"]


def test_until_is_exclusive(run: Run, log: Path) -> None:
    """A window ends before its end, so that windows can be laid side by side."""
    ran = run("generate", log, "--until", "2026-03-02T08:00:50Z")

    assert "until 2026-03-02T08:00:50Z; 2 flow records outside" in ran.err


# ---- several files and formats -----------------------------------------------------------------


def test_formats_may_be_mixed_in_one_run(run: Run, log: Path, tmp_path: Path) -> None:
    """Hubble and a table make one set of policies."""
    table = tmp_path / "more.csv"
    table.write_text(
        "time,src_namespace,src_pod,src_labels,dst_namespace,dst_pod,dst_labels,dst_port,protocol\n"
        "2026-03-02T08:00:20Z,shop,job-0,app=job,shop,db-0,app=db,5432,TCP\n"
    )

    ran = run("generate", log, table, "-n", "shop")
    manifests = {m["metadata"]["name"]: m for m in yaml.safe_load_all(ran.out)}

    assert "from 2 files (1 hubble, 1 table)" in ran.err
    assert set(manifests) >= {"db", "web", "job"}
    assert "job" in str(manifests["db"]["spec"]["ingress"])


def test_the_same_file_twice_is_read_once(run: Run, log: Path) -> None:
    """A directory and a file in it may both be named."""
    once = run("generate", log)

    assert run("generate", log, log.parent, log).err == once.err


def test_two_runs_say_the_same(run: Run, findings: Path, tmp_path: Path) -> None:
    """Standard output, standard error and stats are equal byte for byte."""
    first, second = (run("generate", findings, "--stats", tmp_path / n) for n in ("a", "b"))

    assert first == second
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
