"""Every real flow log at hand goes through the whole command, and no record is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acceptance.runs import generate

NOT_LOGS = {".proto", ".md"}
NO_FLOWS = {"hubble-otel__kind-bookinfo.edges.txt", "eks-drewpy__2024-12-20_kubectl_inventory.log"}
SHARED = Path(os.environ.get("NETINFER_SHARED", Path(__file__).resolve().parents[2] / "../shared"))
SAMPLES = SHARED / "samples"


def real_logs() -> list[Path]:
    """The Hubble and AWS flow logs of the shared folder, sorted; empty where it is absent."""
    found = [path for kind in ("hubble", "aws") for path in (SAMPLES / kind).rglob("*")]
    return sorted(
        path
        for path in found
        if path.is_file() and path.suffix not in NOT_LOGS and path.name not in NO_FLOWS
    )


@pytest.fixture(params=real_logs() or [SAMPLES], ids=lambda path: path.name[-60:])
def log(request: pytest.FixtureRequest) -> Path:
    """One real flow log."""
    path = Path(request.param)
    if not path.is_file():
        pytest.skip(f"no samples at {SAMPLES}")
    return path


def test_a_real_log_is_read_and_every_record_counted(log: Path, tmp_path: Path) -> None:
    """The command accepts it, and read = allowed + denied + unknown + left out."""
    several_clusters = log.name == "variants-real.jsonl"
    run = generate(tmp_path, log, *(["--cluster", "default"] if several_clusters else []))

    run.assert_conserved()
    assert run.stats["records"]["read"] > 0
    assert run.stats["records"]["denied"] == run.stats["exposure"]["over_granted"] == 0


def test_several_logs_are_read_together(samples: Path, tmp_path: Path) -> None:
    """Formats mix: the counts of one run over several files are the sums of the files'."""
    tcp = samples / "hubble/hubble-otel__basic-sample-400-tcp-flows.json"
    cloudwatch = samples / "aws/variants/aws-logs-get-log-events.json"
    headers = samples / "aws/variants/concatenated-repeated-headers.log"
    logs = [path for path in (tcp, cloudwatch, headers) if path.exists()]
    if len(logs) < 3:
        pytest.skip(f"not all of the logs are in {samples}")

    together = generate(tmp_path, *logs)
    apart = [generate(tmp_path, path).stats["records"]["read"] for path in logs]
    together.assert_conserved()
    assert together.stats["records"]["read"] == sum(apart)
