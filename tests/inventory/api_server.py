"""A small server that speaks the list calls of a Kubernetes API, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from inventory.dumps import Thing

TOKEN = "of-a-test"  # noqa: S105 - opens nothing


@dataclass
class Cluster:
    """What the server has, and what it was asked.

    Attributes:
        lists: objects by the path of their list; every other path is not found.
        statuses: paths that are refused, with the status.
        forgets: paths whose pages after the first are gone.
        busy: paths that ask once to come back at once.
        raw: an answer to everything, instead of lists.
        requests: method, path and query of each request, in order.
    """

    lists: Mapping[str, Sequence[Thing]] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    forgets: frozenset[str] = frozenset()
    busy: set[str] = field(default_factory=set)
    raw: str = ""
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    def answer(self, path: str, query: Mapping[str, str]) -> tuple[int, str]:
        """Status and body of a list call."""
        if path in self.busy:
            self.busy.remove(path)
            return 429, "{}"
        if path in self.statuses or path not in self.lists:
            return self.statuses.get(path, 404), '{"kind": "Status", "apiVersion": "v1"}'
        start = int(query.get("continue", "0"))
        if start and path in self.forgets:
            return 410, '{"kind": "Status", "apiVersion": "v1", "reason": "Expired"}'
        return 200, self.raw or json.dumps(self._page(path, start, query.get("limit")))

    def _page(self, path: str, start: int, limit: str | None) -> Thing:
        items = self.lists[path]
        end = start + int(limit) if limit else len(items)
        after = {"continue": str(end)} if end < len(items) else {}
        kind = items[0]["kind"] if items else "Thing"
        # Items of a typed list carry neither kind nor apiVersion.
        bare = [
            {k: v for k, v in item.items() if k not in {"kind", "apiVersion"}} for item in items
        ]
        version = items[0].get("apiVersion", "v1") if items else "v1"
        return {
            "kind": f"{kind}List", "apiVersion": version,
            "metadata": {"resourceVersion": "1", **after}, "items": bare[start:end],
        }  # fmt: skip


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    """The address of a server over the cluster, while it runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix("/")
            cluster.requests.append((self.command, path, query))
            cluster.agents.add(self.headers.get("User-Agent", ""))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.reply(401, "{}")
            else:
                self.reply(*cluster.answer(path, query))

        def reply(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def kubeconfig(path: Path, server: str, token: str = TOKEN, **user: object) -> Path:
    """A configuration with the contexts ``here``, which is current, and ``nowhere``."""
    nowhere = "http://127.0.0.1:1"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "here", "cluster": {"server": server}},
            {"name": "nowhere", "cluster": {"server": nowhere}},
        ],
        "users": [{"name": "me", "user": user or {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "me"}}
            for name in ("here", "nowhere")
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
