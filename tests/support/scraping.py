"""Reads the endpoint of a worker as a scraper does."""

from __future__ import annotations

import http.client
import socket

OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answer(port: int, path: str) -> tuple[int, str]:
    """The status and the text at a path; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=OPEN_METRICS)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()
