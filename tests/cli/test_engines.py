from __future__ import annotations

from pathlib import Path

import pytest
from distributed import LocalCluster

from cli.conftest import Run

SAMPLE = Path(__file__).parents[2] / "sample_flows"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "dask"], "--engine dask needs --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler is for --engine dask"),
        (["--engine", "dask", "--scheduler", "nonsense://x"], "--scheduler is no address"),
        (["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler answers"),
    ],
)
def test_what_cannot_be_asked_is_said(
    run: Run, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, what is wrong, and what to do."""
    monkeypatch.setattr("infer.engines.dask._PATIENCE_S", 1)
    ran = run("generate", str(SAMPLE / "hubble"), "-q", *options)

    assert ran.code == 2
    assert said in ran.err
    assert "hint:" in ran.err


def test_a_cluster_gives_the_same_policies(run: Run) -> None:
    """Whole commands: the same bytes and the same summary, whoever read the logs."""
    arguments = [
        "generate",
        str(SAMPLE),
        "-i",
        str(SAMPLE / "inventory.json"),
        "--format",
        "hubble",
    ]
    arguments[1] = str(SAMPLE / "hubble")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        far = run(*arguments, "--engine", "dask", "--scheduler", cluster.scheduler_address)
    near = run(*arguments)

    assert (far.code, far.out, far.err) == (near.code, near.out, near.err)
