"""A receiver of webhooks on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from http_servers import serving_http

HANG, CLOSE = -1, -2
"""Answers: none until the receiver ends, and a connection that is closed."""


@dataclass
class Receiver:
    """What was received: `answers` are the statuses of the first requests, 200 follows."""

    answers: list[int] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address, with a token."""
        return f"{self.scheme}://127.0.0.1:{self.port}/hook/t0k3n-Zq"

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each request."""
        return [headers["webhook-id"] for headers, _ in self.requests]

    @property
    def events(self) -> list[Any]:
        """The body of each request."""
        return [json.loads(body) for _, body in self.requests]


@contextmanager
def receiving(*answers: int, port: int = 0, tls: bool = False) -> Iterator[Receiver]:
    """Receives webhooks on a port of 127.0.0.1 until the block ends."""
    receiver = Receiver([*answers], scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status == HANG:
                receiver.ended.wait(60)
            if status < 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving_http(Handler, port, tls=tls) as receiver.port:
        try:
            yield receiver
        finally:
            receiver.ended.set()
