"""Serves trees of sites on loopback: with nginx where it is installed, else with a server of our own.

A tree has a folder for each host. Every host that is an address of loopback is listened on; a host with a
name answers on 127.0.0.1, to whoever sends its name. nginx runs with a configuration and a folder of its own,
in the foreground, as a child of this process, and ends with it. A delayed answer needs its echo module (the
Debian packages nginx and libnginx-mod-http-echo); where that is missing, our own server takes over.

Run as a program, it is that server: `speed_server.py '[[PORT, "TREE", SECONDS], ...]'`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HOME = "127.0.0.1"
CLAIMS = "127.20.255.254"  # an address of no site
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
ECHO = "ngx_http_echo_module.so"
MODULES = tuple(Path(folder) / "nginx" / "modules" for folder in ("/usr/lib", "/usr/lib64", "/usr/share"))
START_SECONDS = 20
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listener:
    """A port, the tree that it serves, and how many seconds each answer waits."""

    port: int
    tree: Path
    delay: float = 0.0

    def addresses(self) -> list[str]:
        """Where it listens."""
        return [HOME, *sorted(host.name for host in self.tree.iterdir() if host.name.startswith("127."))]


class NotServed(Exception):
    """The server did not start; says what it said."""


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens on it, else any port that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left is free
        try:
            probe.bind((HOME, wanted))
        except OSError:
            probe.bind((HOME, 0))
        return int(probe.getsockname()[1])


def claim_port(wanted: int) -> tuple[int, socket.socket]:
    """A port for later, `wanted` if possible, and the socket that keeps other benchmarks from claiming it."""
    for port in (free_port(wanted), *(free_port() for _ in range(20))):
        claim = socket.socket()
        try:
            claim.bind((CLAIMS, port))
            claim.listen(1)
        except OSError:
            claim.close()
            continue
        return port, claim
    raise NotServed("no port is free")


@contextmanager
def serving(listeners: Sequence[Listener], which: str = "auto") -> Iterator[str]:
    """Serves as long as the block lasts, and says which server does: `nginx` or `own` may be asked for.

    Raises NotServed.
    """
    echo = next((folder / ECHO for folder in MODULES if (folder / ECHO).exists()), None)
    delayed = any(listener.delay for listener in listeners)
    able = Path(NGINX).exists() and (echo is not None or not delayed)
    if which == "nginx" and not able:
        raise NotServed("nginx or its echo module is not installed")
    with tempfile.TemporaryDirectory(prefix="contentmap-served-") as folder:
        prefix = Path(folder)
        if which == "own" or not able:
            name = f"our own server on aiohttp {version('aiohttp')}"
            plain = json.dumps([[each.port, str(each.tree), each.delay] for each in listeners])
            command = [sys.executable, str(Path(__file__)), plain]
        else:
            said = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
            name = said.strip().partition(": ")[2].replace("/", " ")
            (prefix / "nginx.conf").write_text(configuration(listeners, echo if delayed else None))
            command = [NGINX, "-p", folder, "-c", str(prefix / "nginx.conf"), "-e", "stderr"]
        with (prefix / "errors").open("wb") as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        try:
            for listener in listeners:
                if not _answers(process, listener):
                    raise NotServed((prefix / "errors").read_text(errors="replace")[-2000:])
            yield name
        finally:
            process.terminate()  # to nginx this is a fast shutdown, which ends its worker as well
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: subprocess.Popen[bytes], listener: Listener) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection((listener.addresses()[-1], listener.port), 1):
            return process.poll() is None
        time.sleep(0.02)
    return False


def configuration(listeners: Sequence[Listener], echo: Path | None) -> str:
    """An nginx configuration that writes nothing outside its prefix."""
    lines = [
        *([f"load_module {echo};"] if echo else []),
        *(["user root;"] if os.geteuid() == 0 else []),
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr error; worker_rlimit_nofile 20000;",
        "events { worker_connections 8192; multi_accept on; }",
        "http {",
        "  access_log off; server_tokens off; sendfile on; tcp_nopush on; etag on;",
        "  keepalive_timeout 65; keepalive_requests 1000000; open_file_cache max=4096;",
        "  types { application/xml xml; text/plain txt; application/gzip gz; text/html html; }",
        *(f"  {name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
    ]
    for listener in listeners:
        lines.append("  server {")
        lines += [
            f"    listen {address}:{listener.port} backlog={BACKLOG};" for address in listener.addresses()
        ]
        if listener.delay:
            lines += [
                f"    location / {{ echo_sleep {listener.delay}; echo_exec @file; }}",
                f"    location @file {{ root {listener.tree}/$host; }}",
            ]
        else:
            lines.append(f"    location / {{ root {listener.tree}/$host; }}")
        lines.append("  }")
    return "\n".join([*lines, "}\n"])


# -- our own server


TYPES = {".xml": "application/xml", ".txt": "text/plain", ".gz": "application/gzip"}


async def serve(listeners: Sequence[Listener]) -> None:
    """Serves until cancelled. aiohttp answers conditional requests from a file's time and size, as nginx."""
    from aiohttp import web

    async def run(listener: Listener) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            if listener.delay:
                await asyncio.sleep(listener.delay)
            host = request.host.rpartition(":")[0] or request.host
            folder = listener.tree / host
            file = folder / (request.path.lstrip("/") or "index.html")
            if not file.is_relative_to(folder) or ".." in file.parts or not file.is_file():
                return web.Response(status=404)
            return web.FileResponse(file, headers={"Content-Type": TYPES.get(file.suffix, "text/html")})

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        for address in listener.addresses():
            await web.TCPSite(runner, address, listener.port, backlog=BACKLOG).start()

    await asyncio.gather(*map(run, listeners))
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(
            serve([Listener(port, Path(tree), delay) for port, tree, delay in json.loads(sys.argv[1])])
        )
