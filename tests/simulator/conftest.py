"""What the simulator's tests share: the sample cluster, its day, and the folder of ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator import SimCluster, SimConnection, sample_cluster, sample_day

SEED = 7
APPLICATIONS = ("bookinfo", "kube-prometheus", "online-boutique", "sock-shop", "voting-app")
SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture(scope="session")
def cluster() -> SimCluster:
    """The sample cluster of one seed."""
    return sample_cluster(SEED)


@pytest.fixture(scope="session")
def day(cluster: SimCluster) -> list[SimConnection]:
    """The sample cluster's day."""
    return sample_day(cluster, SEED)


@pytest.fixture(
    params=["bookinfo", "kube-prometheus", "online-boutique", "sock-shop", "voting-app"]
)
def document(request: pytest.FixtureRequest) -> dict[str, object]:
    """The description of one public application."""
    path = SHARED / "ground_truth" / f"{request.param}.json"
    if not path.exists():
        pytest.skip("needs ../shared/ground_truth beside the project")
    loaded: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
