"""An HTTP server on loopback in a thread."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TLS = Path(__file__).parent.parent / "crawl" / "data"
"""Folder of a self-signed certificate and its key, for tls.test, *.tls.test and 127.0.0.1."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is part of the tests


@contextmanager
def serving_http(handler: type[BaseHTTPRequestHandler], port: int = 0, *, tls: bool = False) -> Iterator[int]:
    """Serve requests until the block ends. Yields the port, a free one for 0."""
    server = _Server(("127.0.0.1", port), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "tls-cert.pem", TLS / "tls-key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
