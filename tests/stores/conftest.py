"""Stores on this machine: a real S3 API, and servers that refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pyarrow.fs import S3FileSystem

from cli.conftest import log, run

__all__ = ["log", "run"]  # fixtures of the command's own tests

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

Put = Callable[[str, bytes], None]


@pytest.fixture(scope="session")
def moto(root: Path) -> Iterator[str]:
    """The endpoint of a server with the API of S3, in a process of its own."""
    asked = os.environ.get("NETINFER_MOTO", str(root / ".moto" / "venv" / "bin" / "python"))
    python = shutil.which(asked)
    if python is None:
        pytest.skip(f"no {asked}; scripts/moto_env makes it, NETINFER_MOTO names another Python")
    with subprocess.Popen(
        [python, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()
        server.wait(timeout=20)


@pytest.fixture
def at_endpoint(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points the client for S3 to an endpoint, by the environment."""

    def point(endpoint: str) -> None:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")

    return point


@pytest.fixture
def put(moto: str, at_endpoint: Callable[[str], None]) -> Put:
    """Puts an object below ``s3://logs/`` of the server that commands then read from."""
    at_endpoint(moto)
    files = S3FileSystem(
        access_key="a",
        secret_key="b",  # noqa: S106 - the server takes any
        region="us-east-1",
        scheme="http",
        endpoint_override=moto.removeprefix("http://"),
        allow_bucket_creation=True,
    )
    files.create_dir("logs")

    def put_object(key: str, content: bytes) -> None:
        with files.open_output_stream(f"logs/{key}", compression=None) as file:
            file.write(content)

    return put_object


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@contextmanager
def serving(answers: Callable[[str, dict[str, str]], Answer]) -> Iterator[str]:
    """The address of a web server that answers a path, with the headers of the request, so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
