from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from infer.errors import InventoryError
from infer.inventory import read_inventory


@pytest.fixture
def dumps(samples: Path) -> Path:
    """The folder of real dumps; skips where it is absent."""
    place = samples / "inventory"
    if not place.is_dir():
        pytest.skip(f"no inventories at {place}")
    return place


def test_aks(dumps: Path) -> None:
    """A real AKS cluster, dumped kind by kind: 20 pods, 4 nodes, 7 Deployments."""
    told = read_inventory(sorted(dumps.glob("aks-docker-provider__*.json")))

    assert (len(told.pods), len(told.nodes), len(told.workloads)) == (20, 4, 7)
    assert sum(pod.host_network for pod in told.pods) == 8
    assert all(pod.ips and pod.gone is None for pod in told.pods)
    deployments = {(w.kind, w.name) for w in told.workloads}
    owners = {(pod.owner.kind, pod.owner.name) for pod in told.pods if pod.owner}
    # The label's hash of heapster is not its ReplicaSet's, and there are no ReplicaSets here.
    assert deployments == {owner for owner in owners if owner[0] == "Deployment"}
    assert {"10.240.0.4", "10.240.0.5", "10.240.0.6", "10.240.0.7"} == {
        ip for node in told.nodes for ip in node.ips
    }


def test_online_boutique(dumps: Path) -> None:
    """The real Online Boutique: twelve Deployments of one pod each, in YAML."""
    told = read_inventory(sorted(dumps.glob("np-guard__onlineboutique_*s.yaml"))[1:])

    assert set(told.namespaces) >= {"default", "kube-system"}
    owners = Counter(pod.owner.name for pod in told.pods if pod.owner)
    assert len(owners) == 12
    assert set(owners.values()) == {1}
    frontend = next(pod for pod in told.pods if pod.owner and pod.owner.name == "frontend")
    assert [(port.port, port.protocol) for port in frontend.ports] == [(8080, "TCP")]


def test_policies_are_no_inventory(dumps: Path) -> None:
    """A file of NetworkPolicies is named as such, with the command that makes an inventory."""
    with pytest.raises(InventoryError, match="found NetworkPolicy") as err:
        read_inventory([dumps / "np-guard__onlineboutique_netpols.yaml"])

    assert "kubectl get pods" in (err.value.hint or "")
