"""Services with their backends, the API server's addresses, and what the API server calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from infer.inventory.fields import Field
from infer.inventory.pods import protocol
from infer.inventory.snapshot import ApiObject, service_of
from infer.model import Backend, ServicePort, ServiceRecord

Kinds = Mapping[str, Sequence[ApiObject]]
Name = tuple[str, str]  # (namespace, name)

_APISERVER: Final = ("default", "kubernetes")
_HTTPS: Final = 443
_OUTWARD_TYPES: Final = frozenset({"LoadBalancer", "NodePort"})
_ROUTES: Final = ("GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute")


def service_records(kinds: Kinds) -> tuple[ServiceRecord, ...]:
    """Every Service, sorted by namespace and name; exact."""
    backends = _backends(kinds)
    routed = frozenset(_routed(kinds))
    return tuple(
        _service_record(each, backends.get((each.namespace, each.name), ()), routed)
        for each in kinds["Service"]
    )


def _service_record(
    service: ApiObject, backends: tuple[Backend, ...], routed: frozenset[Name]
) -> ServiceRecord:
    spec = service.body.get("spec")
    type_ = spec.get("type").text() or "ClusterIP"
    if type_ == "ExternalName":
        # API reference: an alias in DNS; selector, ClusterIP and proxying do not apply to it.
        return ServiceRecord(service.namespace, service.name, type_)
    external = _external_ips(service.body)
    return ServiceRecord(
        namespace=service.namespace,
        name=service.name,
        type=type_,
        ips=_cluster_ips(spec),
        external_ips=external,
        selector=spec.get("selector").labels() or None,
        ports=tuple(_service_port(port) for port in spec.get("ports").each()),
        backends=backends,
        outward=type_ in _OUTWARD_TYPES or bool(external),
        keeps_source=spec.get("externalTrafficPolicy").text() == "Local",
        routed=(service.namespace, service.name) in routed,
    )


def _cluster_ips(spec: Field) -> tuple[str, ...]:
    """The virtual addresses; a headless Service ("None") has none."""
    several = spec.get("clusterIPs").each() or [spec.get("clusterIP")]
    return tuple(ip.address() for ip in several if ip and ip.value != "None")


def _external_ips(body: Field) -> tuple[str, ...]:
    """The addresses outside the cluster that nodes translate, sorted.

    Not those of a balancer with ``ipMode: Proxy``: "traffic is delivered to the node or pod" by
    the balancer, so nodes let the address be. A hostname has no address that nodes know.
    Source: https://kubernetes.io/docs/concepts/services-networking/service/#load-balancer-ip-mode
    """
    ingress = body.dig("status", "loadBalancer", "ingress").each()
    balancers = [
        point.get("ip")
        for point in ingress
        if point.get("ip") and point.get("ipMode").text() != "Proxy"
    ]
    wished = body.dig("spec", "loadBalancerIP")  # what a manifest has, before there is a status
    given = body.dig("spec", "externalIPs").each()
    asked = [wished] if wished and not ingress else []
    return tuple(sorted({ip.address() for ip in (*given, *balancers, *asked)}))


def _service_port(port: Field) -> ServicePort:
    number = port.get("port").port()
    return ServicePort(
        port=number,
        protocol=str(protocol(port)),
        target_port=_target_port(port.get("targetPort"), number),
        name=port.get("name").text(),
        node_port=port.get("nodePort").port() if port.get("nodePort") else None,
    )


def _target_port(target: Field, port: int) -> int | str:
    """The number or name at the pods."""
    # API reference: "If this is not specified, the value of the 'port' field is used".
    if not target:
        return port
    return target.text() if isinstance(target.value, str) else target.port()


# ---- backends ----------------------------------------------------------------------------------


def _backends(kinds: Kinds) -> dict[Name, tuple[Backend, ...]]:
    """The ready backends of each Service: from its slices, else from its old Endpoints object."""
    sliced: dict[Name, list[Backend]] = {}
    for each in kinds["EndpointSlice"]:
        sliced.setdefault(service_of(each), []).extend(_slice_backends(each))
    listed = {
        (each.namespace, each.name): list(_endpoints_backends(each)) for each in kinds["Endpoints"]
    }
    return {name: _merged(backends) for name, backends in (listed | sliced).items()}


def _slice_backends(slice_: ApiObject) -> Iterator[Backend]:
    body = slice_.body
    if body.get("addressType").text() == "FQDN":
        return
    ports = _backend_ports(body.get("ports"))
    for endpoint in body.get("endpoints").each():
        if _takes_traffic(endpoint.get("conditions")):
            for address in endpoint.get("addresses").each():
                target = _target_pod(endpoint.get("targetRef"), slice_.namespace)
                yield Backend(address.address(), ports, target)


def _takes_traffic(conditions: Field) -> bool:
    """Ready, or serving while it ends.

    "A nil value ... should be interpreted as "true"" for both, and ``serving`` is defined as
    ready unless told.
    """
    ready = conditions.get("ready").flag()
    serving = conditions.get("serving").flag()
    return ready is not False or bool(serving)


def _endpoints_backends(endpoints: ApiObject) -> Iterator[Backend]:
    for subset in endpoints.body.get("subsets").each():
        ports = _backend_ports(subset.get("ports"))
        for address in subset.get("addresses").each():
            target = _target_pod(address.get("targetRef"), endpoints.namespace)
            yield Backend(address.get("ip").address(), ports, target)


def _backend_ports(ports: Field) -> tuple[tuple[str, str, int], ...]:
    """Ports by the Service port's name; one without a number stands for every port: left out."""
    return tuple(
        (port.get("name").text(), str(protocol(port)), port.get("port").port())
        for port in ports.each()
        if port.get("port").value is not None
    )


def _target_pod(target: Field, namespace: str) -> Name | None:
    if target.get("kind").text() != "Pod":
        return None
    return (target.get("namespace").text() or namespace, target.get("name").name())


def _merged(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """One backend an address, with the ports of all its slices, sorted by address."""
    found: dict[str, Backend] = {}
    for each in backends:
        known = found.get(each.ip, each)
        ports = tuple(sorted({*known.ports, *each.ports}))
        found[each.ip] = Backend(each.ip, ports, known.pod or each.pod)
    return tuple(found[ip] for ip in sorted(found))


# ---- routes ------------------------------------------------------------------------------------


def _routed(kinds: Kinds) -> Iterator[Name]:
    """The Services that an Ingress or a Gateway API route names as backends."""
    for ingress in kinds["Ingress"]:
        for backend in _ingress_backends(ingress.body.get("spec")):
            # networking.k8s.io/v1 has service.name, the older API serviceName.
            name = backend.dig("service", "name").text() or backend.get("serviceName").text()
            if name:
                yield (ingress.namespace, name)
    for route in chain.from_iterable(kinds[kind] for kind in _ROUTES):
        for rule in route.body.dig("spec", "rules").each():
            for backend in rule.get("backendRefs").each():
                if (backend.get("kind").text() or "Service") == "Service":
                    namespace = backend.get("namespace").text() or route.namespace
                    yield (namespace, backend.get("name").name())


def _ingress_backends(spec: Field) -> Iterator[Field]:
    yield spec.get("defaultBackend")
    yield spec.get("backend")
    for rule in spec.get("rules").each():
        for path in rule.dig("http", "paths").each():
            yield path.get("backend")


# ---- the API server ----------------------------------------------------------------------------


def apiserver_addresses(kinds: Kinds) -> tuple[tuple[str, int], ...]:
    """The API server's addresses and ports behind ``default/kubernetes``, sorted."""
    slices = (_slice_backends(s) for s in kinds["EndpointSlice"] if service_of(s) == _APISERVER)
    lists = (
        _endpoints_backends(each)
        for each in kinds["Endpoints"]
        if (each.namespace, each.name) == _APISERVER
    )
    backends = chain.from_iterable((*slices, *lists))
    return tuple(sorted({(each.ip, port) for each in backends for _, _, port in each.ports}))


def called_services(kinds: Kinds) -> tuple[tuple[str, str, int], ...]:
    """The Services that the API server calls, each with the port, sorted.

    They are named by webhooks, aggregated APIs and CRD conversions.
    """
    named = {
        (service.get("namespace").name(), service.get("name").name(), _called_port(service))
        for service in _called(kinds)
        if service
    }
    return tuple(sorted(named))


def _called_port(service: Field) -> int:
    # API reference of all three: "the port ... Default to 443 for backward compatibility".
    return service.get("port").port() if service.get("port") else _HTTPS


def _called(kinds: Kinds) -> Iterator[Field]:
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for configuration in kinds[kind]:
            for webhook in configuration.body.get("webhooks").each():
                yield webhook.dig("clientConfig", "service")
    for service in kinds["APIService"]:
        yield service.body.dig("spec", "service")
    for definition in kinds["CustomResourceDefinition"]:
        conversion = definition.body.dig("spec", "conversion")
        yield conversion.dig("webhook", "clientConfig", "service")
        yield conversion.dig("webhookClientConfig", "service")  # apiextensions.k8s.io/v1beta1
