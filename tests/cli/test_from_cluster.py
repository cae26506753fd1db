"""``--from-cluster``: the inventory of a running cluster, for every command that takes one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cli.conftest import Run
from inventory.api_server import Cluster, kubeconfig, serving
from inventory.dumps import Thing

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
"""
CLIENT, SERVER, DNS = "10.1.0.1", "10.1.0.2", "10.1.0.3"


def pod(name: str, ip: str, namespace: str = "shop", **labels: str) -> Thing:
    """A running pod of a StatefulSet, called by ``app`` unless its labels are given."""
    owner = {"kind": "StatefulSet", "name": name, "controller": True}
    metadata = {"name": f"{name}-0", "namespace": namespace, "labels": labels or {"app": name},
                "ownerReferences": [owner]}  # fmt: skip
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "status": {"podIP": ip}}


LISTS: Mapping[str, list[Thing]] = {
    "api/v1/pods": [
        pod("client", CLIENT),
        pod("web", SERVER),
        pod("coredns", DNS, "kube-system", **{"k8s-app": "kube-dns"}),
    ]
}


@pytest.fixture
def cluster() -> Cluster:
    """A cluster of three pods, of which nodes may not be listed."""
    return Cluster(LISTS, statuses={"api/v1/nodes": 403})


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of the running cluster."""
    with serving(cluster) as address:
        yield kubeconfig(tmp_path / "config", address)


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A log that knows only addresses."""
    path = tmp_path / "flows.csv"
    path.write_text(
        "src_ip,src_port,dst_ip,dst_port,protocol\n"
        f"{CLIENT},40000,{SERVER},8080,TCP\n{CLIENT},40001,{DNS},53,UDP\n"
    )
    return path


@pytest.fixture
def commands(flows: Path, tmp_path: Path) -> Mapping[str, list[object]]:
    """A whole command line of each command, but for where its inventory comes from."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    pair = ["--from", "shop/client", "--to", "shop/web", "--port", "8080"]
    return {
        "generate": ["generate", flows],
        "verify": ["verify", flows, "-p", policy],
        "diff": ["diff", policy, policy, "--flows", flows],
        "explain": ["explain", "-p", policy, *pair],
        "evidence": ["evidence", "shop/web ingress[0]", flows],
        "inspect": ["inspect", flows],
    }


COMMANDS = ("generate", "verify", "diff", "explain", "evidence", "inspect")


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_as_good_as_a_file(
    name: str, commands: Mapping[str, list[object]], config: Path, run: Run, tmp_path: Path
) -> None:
    """The same answer as from a dump of the same objects."""
    file = tmp_path / "dump.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": LISTS["api/v1/pods"]}))

    live = run(*commands[name], "--from-cluster", "--kubeconfig", config)
    assert live.code in {0, 1}, live.err
    assert (live.code, live.out) == (run(*commands[name], "-i", file).code, run(
        *commands[name], "-i", file).out)  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_what_could_not_be_listed_is_said(
    name: str, commands: Mapping[str, list[object]], config: Path, run: Run
) -> None:
    """Every command goes on without nodes, and says so."""
    ran = run(*commands[name], "--from-cluster", "--kubeconfig", config)

    assert ran.code in {0, 1}
    assert "nodes could not be listed" in " ".join(ran.err.split())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--context", "--kubeconfig"])
def test_a_cluster_that_is_not_asked_for(
    name: str, option: str, commands: Mapping[str, list[object]], run: Run
) -> None:
    """Saying which cluster without saying to read it is a mistake."""
    ran = run(*commands[name], option, "x")

    assert ran.code == 2
    assert f"error: {option} is for --from-cluster" in ran.err


def test_errors_are_for_people(run: Run, flows: Path, tmp_path: Path) -> None:
    """No traceback: what failed, where, and a way out."""
    config = kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    ran = run("generate", flows, "--from-cluster", "--kubeconfig", config)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[0].startswith("error: http://127.0.0.1:1: the cluster cannot be")
    assert "hint: see whether kubectl can reach it" in ran.err
