"""A running cluster's own objects, listed through the official client; nothing is ever written.

Only the lists of ``_LISTS`` are asked for, page by page, and what comes back is text that goes
through the same parser as files. Secrets and ConfigMaps are not among them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infer import __version__
from infer.errors import InputError, InventoryError, Location
from infer.manifests import Document, load_documents, read_documents

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

PAGE: Final = 500
"""Objects a request. Source: kubectl's own ``--chunk-size``."""

_PATIENCE: Final = (10, 60)  # seconds to connect, and between two parts of an answer
_BUSY: Final = 4  # how often the API server may ask to come back later
_DEFAULT: Final = "~/.kube/config"
_EXTRA: Final = "pip install 'netinfer[cluster]'"
_SHOWN: Final = 200  # characters of somebody else's message

_ADMISSION: Final = "apis/admissionregistration.k8s.io/v1"
_GATEWAY: Final = "apis/gateway.networking.k8s.io"
# What is listed, and where: the first place that the cluster serves. All but pods may be missing.
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "pods": ("api/v1/pods",),
    "services": ("api/v1/services",),
    "endpointslices": ("apis/discovery.k8s.io/v1/endpointslices", "api/v1/endpoints"),
    "namespaces": ("api/v1/namespaces",),
    "nodes": ("api/v1/nodes",),
    "deployments": ("apis/apps/v1/deployments",),
    "replicasets": ("apis/apps/v1/replicasets",),
    "statefulsets": ("apis/apps/v1/statefulsets",),
    "daemonsets": ("apis/apps/v1/daemonsets",),
    "replicationcontrollers": ("api/v1/replicationcontrollers",),
    "jobs": ("apis/batch/v1/jobs",),
    "cronjobs": ("apis/batch/v1/cronjobs",),
    "ingresses": ("apis/networking.k8s.io/v1/ingresses",),
    "mutatingwebhookconfigurations": (f"{_ADMISSION}/mutatingwebhookconfigurations",),
    "validatingwebhookconfigurations": (f"{_ADMISSION}/validatingwebhookconfigurations",),
    "apiservices": ("apis/apiregistration.k8s.io/v1/apiservices",),
    "customresourcedefinitions": ("apis/apiextensions.k8s.io/v1/customresourcedefinitions",),
    "servicecidrs": (
        "apis/networking.k8s.io/v1/servicecidrs",
        "apis/networking.k8s.io/v1beta1/servicecidrs",
    ),
    "httproutes": (f"{_GATEWAY}/v1/httproutes", f"{_GATEWAY}/v1beta1/httproutes"),
    "grpcroutes": (f"{_GATEWAY}/v1/grpcroutes", f"{_GATEWAY}/v1alpha2/grpcroutes"),
    "tlsroutes": tuple(f"{_GATEWAY}/{v}/tlsroutes" for v in ("v1", "v1alpha3", "v1alpha2")),
    "tcproutes": tuple(f"{_GATEWAY}/{version}/tcproutes" for version in ("v1", "v1alpha2")),
    "udproutes": tuple(f"{_GATEWAY}/{version}/udproutes" for version in ("v1", "v1alpha2")),
    "ciliumnodes": ("apis/cilium.io/v2/ciliumnodes",),
    "deploymentconfigs": ("apis/apps.openshift.io/v1/deploymentconfigs",),
    "rollouts": ("apis/argoproj.io/v1alpha1/rollouts",),
}
_NEEDED: Final = "pods"


@dataclass(frozen=True, slots=True)
class Live:
    """What a running cluster lists.

    Attributes:
        documents: one list a page, each at the address it came from.
        warnings: which kinds the user may not list, in the order in which they were asked for.
    """

    documents: tuple[Document, ...]
    warnings: tuple[str, ...]


class _Refused(Exception):
    """A list that the cluster does not serve (404), or not to this user (403)."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Expired(Exception):
    """The cluster no longer knows the page that comes next (410)."""


def list_cluster(kubeconfig: Path | None = None, context: str | None = None) -> Live:
    """Every object that an inventory is made of, as the cluster has it now.

    Args:
        kubeconfig: the client's configuration; None: as ``kubectl`` finds it, by ``KUBECONFIG``,
            in the home directory, or inside a pod by its service account.
        context: of the configuration; None for its current one.

    Raises:
        InventoryError: there is no usable configuration, the cluster cannot be reached, pods
            cannot be listed, or the ``kubernetes`` package is not installed.
    """
    try:
        from kubernetes.client import ApiClient, Configuration
    except ImportError as err:
        what = "--from-cluster needs the package 'kubernetes', which is not installed"
        raise InventoryError(what, hint=_EXTRA) from err
    configuration: Configuration = Configuration()
    with _overheard() as said:
        _configure(configuration, kubeconfig, context)
    _ask_again_when_busy(configuration)
    with ApiClient(configuration) as client:
        client.user_agent = f"netinfer/{__version__}"
        return _everything(client, said)


def _ask_again_when_busy(configuration: Configuration) -> None:
    """One try for each request, but for answers that ask to come back: 429 with Retry-After."""
    from urllib3 import Retry

    configuration.retries = Retry(
        total=_BUSY, connect=0, read=0, redirect=0, other=0,
        status_forcelist=[HTTPStatus.TOO_MANY_REQUESTS], raise_on_status=False,
    )  # fmt: skip


# ---- which cluster -----------------------------------------------------------------------------


def _configure(configuration: Configuration, kubeconfig: Path | None, context: str | None) -> None:
    """Fill in server and credentials.

    The client's own errors are not repeated: some quote whole entries, with their tokens.
    """
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

    paths = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or _DEFAULT
    found = _existing(paths)
    try:
        if found:
            _check_context(paths, found, context)
            load_kube_config(paths, context, configuration, persist_config=False)
        elif kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            load_incluster_config(configuration)
        else:
            what = f"no kubeconfig (looked for {paths})"
            hint = "give one with --kubeconfig or KUBECONFIG, or read files with -i"
            raise InventoryError(what, hint=hint)
    except (ConfigException, AttributeError, KeyError, TypeError, ValueError, OSError) as err:
        what = f"the kubeconfig gives no way to a cluster ({type(err).__name__})"
        hint = "see whether kubectl can use it: kubectl get pods -A"
        raise InventoryError(what, at=Location(paths), hint=hint) from err


def _existing(paths: str) -> list[Path]:
    """The files that a list of paths names, those that are there."""
    parts = (Path(part).expanduser() for part in paths.split(os.pathsep) if part)
    return [path for path in parts if path.is_file()]


def _check_context(paths: str, files: Sequence[Path], context: str | None) -> None:
    """Raises InventoryError with the place in a file that is not YAML, or with known contexts."""
    from kubernetes.config import list_kube_config_contexts

    for file in files:
        try:
            read_documents(file)
        except InputError as err:
            raise InventoryError(err.what, at=err.at, hint=err.hint) from err
    if context is None:
        return
    contexts, _ = list_kube_config_contexts(paths)
    names = sorted(str(each["name"]) for each in contexts)
    if context not in names:
        what = f"no context {context!r} (found {', '.join(names) or 'none'})"
        raise InventoryError(what, at=Location(paths), hint="give one of them to --context")


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the client logs meanwhile, which says why a credential plugin failed."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip()[:_SHOWN])

    listener = Listener(logging.ERROR)
    logging.getLogger().addHandler(listener)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(listener)


# ---- listing -----------------------------------------------------------------------------------


def _everything(client: ApiClient, said: Sequence[str]) -> Live:
    documents: list[Document] = []
    warnings: list[str] = []
    for resource, places in _LISTS.items():
        try:
            documents += _first_served(client, places, said)
        except _Refused as err:
            if resource == _NEEDED:
                raise _no_pods(client, err.status) from err
            if err.status == HTTPStatus.FORBIDDEN:
                what = f"{resource} could not be listed: this user may not (HTTP {err.status})"
                warnings.append(f"{what}; what they would tell is not known")
    return Live(tuple(documents), tuple(warnings))


def _no_pods(client: ApiClient, status: int) -> InventoryError:
    what = f"pods cannot be listed in all namespaces (HTTP {status})"
    hint = "ask for the right to list pods in the cluster (kubectl auth can-i list pods -A)"
    return InventoryError(what, at=Location(client.configuration.host), hint=hint)


def _first_served(
    client: ApiClient, places: Sequence[str], said: Sequence[str]
) -> tuple[Document, ...]:
    """The pages of the first place that the cluster serves.

    Raises:
        _Refused: none is; 403 where any was forbidden, else 404.
    """
    statuses = []
    for place in places:
        try:
            return _pages(client, place, said)
        except _Refused as err:
            statuses.append(err.status)
    raise _Refused(min(statuses))


def _pages(client: ApiClient, place: str, said: Sequence[str]) -> tuple[Document, ...]:
    """All pages of a list; at once where the cluster forgot the next one.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
        "410 Gone ... the client will need to start from the beginning or omit the limit".
    """
    try:
        return tuple(_paged(client, place, said))
    except _Expired:
        return (_page(client, place, {}, said),)


def _paged(client: ApiClient, place: str, said: Sequence[str]) -> Iterator[Document]:
    query = {"limit": str(PAGE)}
    while True:
        page = _page(client, place, query, said)
        yield page
        if not (after := _after(page)):
            return
        query = {"limit": str(PAGE), "continue": after}


def _after(page: Document) -> str:
    """What names the next page; empty on the last."""
    match page.value:
        case {"metadata": {"continue": str(after)}}:
            return after
        case _:
            return ""


def _page(client: ApiClient, place: str, query: Mapping[str, str], said: Sequence[str]) -> Document:
    status, text = _get(client, place, query)
    source = f"{client.configuration.host}/{place}"
    match status:
        case HTTPStatus.OK:
            return _only(load_documents(text, source), source)
        case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
            raise _Refused(status)
        case HTTPStatus.GONE if "continue" in query:
            raise _Expired
        case HTTPStatus.UNAUTHORIZED:
            why = f" ({said[-1]})" if said else ""
            what = f"the cluster does not accept the credentials (HTTP 401){why}"
            raise InventoryError(what, at=Location(source), hint="log in again, as for kubectl")
        case _:
            raise InventoryError(f"no answer that can be used (HTTP {status})", at=Location(source))


def _only(documents: Sequence[Document], source: str) -> Document:
    """The one list of an answer."""
    match documents:
        case [Document(value={"kind": str(kind)}) as page] if kind.endswith("List"):
            return page
        case _:
            what = "the answer is not a list of Kubernetes objects"
            hint = "a proxy or a login page may stand before the API server"
            raise InventoryError(what, at=Location(source), hint=hint)


def _get(client: ApiClient, place: str, query: Mapping[str, str]) -> tuple[int, str]:
    """Status and body of one request.

    Raises:
        InventoryError: the cluster cannot be reached.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    request = client.param_serialize(
        "GET", f"/{place}", query_params=list(query.items()),
        header_params={"Accept": "application/json"}, auth_settings=["BearerToken"],
    )  # fmt: skip
    try:
        answer = client.call_api(*request, _request_timeout=_PATIENCE)
        return int(answer.status), answer.read().decode("utf-8", "replace")
    except (ApiException, HTTPError, OSError, ValueError) as err:
        reason = getattr(err, "reason", None) or err
        what = f"the cluster cannot be reached ({str(reason).rpartition(': ')[2][:_SHOWN]})"
        hint = "see whether kubectl can reach it, or read files with -i"
        raise InventoryError(what, at=Location(client.configuration.host), hint=hint) from err
