"""The official client against a small server that speaks the API's list calls."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infer.errors import InventoryError
from infer.inventory import Live, list_cluster, read_inventory
from infer.inventory.cluster import PAGE
from infer.inventory.snapshot import KINDS
from inventory.api_server import Cluster, kubeconfig, serving
from inventory.dumps import Thing

PODS, SERVICES, SLICES = (
    "api/v1/pods",
    "api/v1/services",
    "apis/discovery.k8s.io/v1/endpointslices",
)


def thing(kind: str, name: str, version: str = "v1", **more: object) -> Thing:
    """An object of the namespace ``shop``."""
    metadata = {"name": name, "namespace": "shop", "labels": {"app": name}}
    return {"kind": kind, "apiVersion": version, "metadata": metadata, **more}


def pods(count: int) -> list[Thing]:
    """Running pods, each with an address."""
    return [
        thing("Pod", f"web-{n}", status={"podIP": f"10.1.{n // 250}.{n % 250 + 1}"})
        for n in range(count)
    ]


SHOP: dict[str, list[Thing]] = {
    PODS: pods(2),
    SERVICES: [thing("Service", "web", spec={"clusterIP": "10.2.0.1", "ports": [{"port": 80}]})],
    SLICES: [],
    "api/v1/namespaces": [{"kind": "Namespace", "metadata": {"name": "shop"}}],
    "apis/gateway.networking.k8s.io/v1beta1/httproutes": [
        thing("HTTPRoute", "r", "gateway.networking.k8s.io/v1beta1",
              spec={"rules": [{"backendRefs": [{"name": "web"}]}]})
    ],
}  # fmt: skip


def listed(cluster: Cluster, place: Path) -> Live:
    """What the client lists of a cluster."""
    with serving(cluster) as address:
        return list_cluster(kubeconfig(place / "config", address))


def refused(cluster: Cluster, place: Path) -> InventoryError:
    """Why the client gives up."""
    with pytest.raises(InventoryError) as raised:
        listed(cluster, place)
    return raised.value


# ---- what is listed ----------------------------------------------------------------------------


def test_a_cluster_reads_as_a_file_of_its_objects(tmp_path: Path) -> None:
    """The lists go through the parser of files, and old versions of an API are found."""
    found = read_inventory([], listed(Cluster(SHOP), tmp_path))

    assert [pod.name for pod in found.pods] == ["web-0", "web-1"]
    assert [(s.name, s.ips, s.routed) for s in found.services] == [("web", ("10.2.0.1",), True)]
    assert set(found.namespaces) == {"shop"}
    assert found.warnings == ()


def test_every_kind_of_an_inventory_is_listed(tmp_path: Path) -> None:
    """What files may hold, the cluster is asked for; old Endpoints where there are no slices."""
    cluster = Cluster({PODS: []})
    listed(cluster, tmp_path)

    asked = {path.rpartition("/")[2] for _, path, _ in cluster.requests}
    plural = {f"{kind.lower().removesuffix('s')}s" for kind in KINDS}
    assert plural - {"ingress"} | {"ingresses"} == asked


def test_only_lists_are_asked_for(tmp_path: Path) -> None:
    """Nothing but GET, no secret, and each list once."""
    cluster = Cluster(SHOP)
    listed(cluster, tmp_path)

    assert {method for method, _, _ in cluster.requests} == {"GET"}
    paths = [path for _, path, _ in cluster.requests]
    assert len(set(paths)) == len(paths)
    assert not [path for path in paths if "secrets" in path or "configmaps" in path]
    assert {agent.partition("/")[0] for agent in cluster.agents} == {"netinfer"}


def test_lists_come_in_pages(tmp_path: Path) -> None:
    """Large lists are read to their end, and no pod twice."""
    cluster = Cluster(SHOP | {PODS: pods(2 * PAGE + 1)})
    found = read_inventory([], listed(cluster, tmp_path))

    assert len(found.pods) == 2 * PAGE + 1
    queries = [query for _, path, query in cluster.requests if path == PODS]
    assert queries == [
        {"limit": str(PAGE)},
        {"limit": str(PAGE), "continue": str(PAGE)},
        {"limit": str(PAGE), "continue": str(2 * PAGE)},
    ]


def test_a_list_whose_next_page_is_gone_is_read_at_once(tmp_path: Path) -> None:
    """410 between two pages: the whole list again, and what came before counts once."""
    cluster = Cluster(SHOP | {PODS: pods(PAGE + 1)}, forgets=frozenset({PODS}))
    found = read_inventory([], listed(cluster, tmp_path))

    assert len(found.pods) == PAGE + 1
    assert [query for _, path, query in cluster.requests if path == PODS][-1] == {}


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    """429 with Retry-After is no failure."""
    assert listed(Cluster(SHOP, busy={PODS}), tmp_path).documents


def test_old_endpoints_stand_in_for_slices(tmp_path: Path) -> None:
    """A cluster before EndpointSlices still tells what is behind a Service."""
    subsets = [{"addresses": [{"ip": "10.1.0.9"}], "ports": [{"port": 8080}]}]
    old = {"api/v1/endpoints": [thing("Endpoints", "web", subsets=subsets)]}
    lists = {path: items for path, items in SHOP.items() if path != SLICES} | old

    (service,) = read_inventory([], listed(Cluster(lists), tmp_path)).services
    assert [backend.ip for backend in service.backends] == ["10.1.0.9"]


def test_cluster_and_files_are_read_together(tmp_path: Path) -> None:
    """The cluster is one snapshot more, and always the newest."""
    file = tmp_path / "old.yaml"
    file.write_text(
        "{kind: Service, apiVersion: v1,"
        " metadata: {name: web, namespace: shop, creationTimestamp: 2026-03-01T00:00:00Z},"
        " spec: {clusterIP: 10.2.0.99, ports: [{port: 80}]}}"
    )
    live = listed(Cluster(SHOP), tmp_path)

    assert [s.ips for s in read_inventory([file], live).services] == [("10.2.0.1",)]


# ---- what is refused ---------------------------------------------------------------------------


def test_a_kind_that_the_user_may_not_list_is_named(tmp_path: Path) -> None:
    """403 on anything but pods: the rest is read, and what is missing is said."""
    cluster = Cluster(SHOP, statuses={"api/v1/nodes": 403, SERVICES: 403})
    found = read_inventory([], listed(cluster, tmp_path))

    assert len(found.pods) == 2
    assert [warning.split()[0] for warning in found.warnings] == ["services", "nodes"]
    assert all("403" in warning for warning in found.warnings)


@pytest.mark.parametrize("status", [403, 404])
def test_without_pods_there_is_no_inventory(status: int, tmp_path: Path) -> None:
    """A cluster that seems empty would get policies that cut what it has."""
    error = refused(Cluster(SHOP, statuses={PODS: status}), tmp_path)

    assert f"pods cannot be listed in all namespaces (HTTP {status})" in str(error)
    assert error.hint is not None
    assert "kubectl auth can-i" in error.hint


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "does not accept the credentials"), (500, "no answer that can be used (HTTP 500)"),
     (410, "no answer that can be used (HTTP 410)")],
)  # fmt: skip
def test_other_refusals_end_it(status: int, message: str, tmp_path: Path) -> None:
    """Half an inventory is not given for a whole one."""
    assert message in str(refused(Cluster(SHOP, statuses={SERVICES: status}), tmp_path))


@pytest.mark.parametrize("raw", ["<html>log in</html>", "{}", '{"kind": "Status"}', "", '["a"]'])
def test_an_answer_that_is_no_list(raw: str, tmp_path: Path) -> None:
    """What a proxy before the API server may say."""
    with serving(Cluster(SHOP, raw=raw or " ")) as address:
        config = kubeconfig(tmp_path / "config", address)
        with pytest.raises(InventoryError) as raised:
            list_cluster(config)

    assert f"{address}/api/v1/pods" in str(raised.value)


def test_a_malformed_object_is_named_by_its_address(tmp_path: Path) -> None:
    """Errors say of which list and object they speak, as for files."""
    bad = {PODS: [thing("Pod", "web", status={"podIP": "here"})]}
    with serving(Cluster(bad)) as address:
        live = list_cluster(kubeconfig(tmp_path / "config", address))
    with pytest.raises(InventoryError) as raised:
        read_inventory([], live)

    assert f"{address}/api/v1/pods:1: items[0].status.podIP: not an IP address" in str(raised.value)


def test_a_cluster_that_cannot_be_reached(tmp_path: Path) -> None:
    """Nobody listens there: said at once, with the address."""
    config = kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(InventoryError, match=r"127\.0\.0\.1:1: .*cannot be reached \(.*refused"):
        list_cluster(config)


# ---- which cluster -----------------------------------------------------------------------------


def test_the_kubeconfig_is_found_as_by_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG may name several files, some of which are not there; else it is at home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(Cluster(SHOP)) as address:
        config = kubeconfig(tmp_path / "config", address)
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'gone'}:{config}")
        assert list_cluster().documents
        monkeypatch.delenv("KUBECONFIG")
        (tmp_path / ".kube").mkdir()
        config.rename(tmp_path / ".kube" / "config")
        assert list_cluster().documents


def test_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was looked for, and what to do."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    with pytest.raises(InventoryError, match=r"no kubeconfig \(looked for .*gone\)") as raised:
        list_cluster()

    assert raised.value.hint is not None
    assert "-i" in raised.value.hint


def test_the_context_chooses_the_cluster(tmp_path: Path) -> None:
    """Another context is another cluster; one that is not there is an error with those that are."""
    config = kubeconfig(tmp_path / "config", "http://127.0.0.1:2")

    with pytest.raises(InventoryError, match=r"127\.0\.0\.1:1: "):
        list_cluster(config, "nowhere")
    with pytest.raises(InventoryError, match=r"no context 'mars' \(found here, nowhere\)"):
        list_cluster(config, "mars")


@pytest.mark.parametrize(
    "text",
    ["a: [", "- a", "kind: Config", "{contexts: [{name: a}], current-context: a}", "3", "\0"],
)
def test_a_kubeconfig_that_is_none(text: str, tmp_path: Path) -> None:
    """Named as the cause, without quoting what may be a credential."""
    config = tmp_path / "config"
    config.write_text(text)
    with pytest.raises(InventoryError, match="config"):
        list_cluster(config)


def test_credentials_are_never_quoted(tmp_path: Path) -> None:
    """A broken entry of a user is not shown, though the client's own error quotes it whole."""
    config = tmp_path / "config"
    config.write_text(
        "{current-context: a, contexts: [{name: a, context: {user: u}}],"
        " users: [{name: u, user: {token: hush}}], clusters: []}"
    )
    with pytest.raises(InventoryError) as raised:
        list_cluster(config)

    assert "hush" not in f"{raised.value}{raised.value.hint}"


def test_a_credential_plugin_that_fails_is_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The cluster says only 401: the plugin's own failure is said beside, once."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false",
              "interactiveMode": "Never"}  # fmt: skip
    with serving(Cluster(SHOP)) as address:
        config = kubeconfig(tmp_path / "config", address, exec=plugin)
        with pytest.raises(InventoryError, match=r"HTTP 401\) \(exec: process returned 1"):
            list_cluster(config)

    assert capfd.readouterr().err == ""


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is an extra: the hint tells how to get it."""
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(InventoryError, match="not installed") as raised:
        list_cluster()

    assert raised.value.hint == "pip install 'netinfer[cluster]'"
