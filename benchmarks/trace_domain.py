"""How many modules and functions a scan of one small site passes through between claim and record.

usage: python benchmarks/trace_domain.py [--list] [--urls N] [--check]

Scans one site of 20 URLs on loopback (robots.txt and a sitemap) into a new SQLite file by the real command,
in this process, and follows it from the call of `scan_one` to the return of `finish_domain`. Counted are the
modules of contentmap_cli that a call enters, the functions that are called, and the changes of module: the
calls whose function is in another module than the function called before. Calls in worker threads are
counted with the others. A coroutine or generator that goes on is not called again, and comprehensions and
lambdas belong to the function that they are in. What runs beside the scan (heartbeat, display) is counted
where it falls between the two.

--list prints the calls, indented by depth, with their modules. --check exits with 1 unless the goals are
met: 40 modules, 200 functions, 220 changes of module.
"""

from __future__ import annotations

import argparse
import dis
import http.server
import io
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import ClassVar, NamedTuple

import contentmap_cli

ROOT = Path(contentmap_cli.__file__).parent
FIRST, LAST = "scan_one", "finish_domain"
GOALS = {"modules": 40, "functions": 200, "changes of module": 220}
_RESUMABLE = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


class Call(NamedTuple):
    """One call: how deep in calls of the package, the module, and the function's qualified name."""

    depth: int
    module: str
    function: str


class Trace:
    """Records calls of functions of the package from `FIRST` to the return of `LAST`, in all threads."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._recording = False
        self._lock = threading.Lock()
        self._suspended: dict[int, FrameType] = {}  # generators and coroutines that were called
        self._modules: dict[CodeType, str | None] = {}

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        """The function for `sys.setprofile`."""
        code = frame.f_code
        module = self._modules.get(code, "")
        if module == "":
            module = self._modules[code] = _module(code)
        if module is None:
            return
        if event == "call":
            with self._lock:
                self._called(frame, module)
        elif event == "return" and code.co_name == LAST and self._recording and _has_ended(frame):
            self._recording = False

    def _called(self, frame: FrameType, module: str) -> None:
        code = frame.f_code
        if code.co_flags & _RESUMABLE:
            if self._suspended.get(id(frame)) is frame:
                return
            self._suspended[id(frame)] = frame
        if code.co_name == FIRST and not self.calls:
            self._recording = True
        if self._recording and not code.co_name.startswith("<"):
            self.calls.append(Call(self._depth(frame), module, code.co_qualname))

    def _depth(self, frame: FrameType) -> int:
        depth, above = 0, frame.f_back
        while above is not None:
            depth += bool(self._modules.get(above.f_code))
            above = above.f_back
        return depth

    def figures(self) -> dict[str, int]:
        """The three figures."""
        modules = [call.module for call in self.calls]
        return {
            "modules": len(set(modules)),
            "functions": len({call[1:] for call in self.calls}),
            "changes of module": sum(one != other for one, other in pairwise(modules)),
        }


def _module(code: CodeType) -> str | None:
    """The module of a function of the package; None for any other function."""
    try:
        path = Path(code.co_filename).relative_to(ROOT)
    except ValueError:
        return None
    return ".".join(path.with_suffix("").parts)


def _has_ended(frame: FrameType) -> bool:
    """Return whether a coroutine's frame returns for good: one that awaits stands at its instruction."""
    code = frame.f_code.co_code
    return dis.opname[code[frame.f_lasti]] in ("RETURN_VALUE", "RETURN_CONST")


class _Site(http.server.BaseHTTPRequestHandler):
    """robots.txt, and the sitemap that it names."""

    protocol_version = "HTTP/1.1"
    pages: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        """Answers a request."""
        page = self.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        body = page or b""
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain" if self.path.endswith(".txt") else "application/xml")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(urls: int) -> Iterator[int]:
    """Serves the site on loopback; its port."""
    entries = "".join(
        f"<url><loc>http://site.test/page/{number}</loc>"
        f"<lastmod>2024-05-{number % 28 + 1:02}</lastmod></url>\n"
        for number in range(urls)
    )
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    _Site.pages = {
        "/robots.txt": b"User-agent: *\nDisallow: /private/\nSitemap: http://site.test/sitemap.xml\n",
        "/sitemap.xml": f'<?xml version="1.0"?>\n<urlset xmlns="{namespace}">\n{entries}</urlset>\n'.encode(),
    }
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def scan(folder: Path, port: int) -> int:
    """Scans the site as the command does; its exit code."""
    from contentmap_cli.commands.app import main

    sys.argv = [
        *("contentmap", "--db", str(folder / "map.db"), "--quiet"),
        *("scan", "http://site.test", "--connect-to", f"::127.0.0.1:{port}"),
        *("--format", "json", "--output", str(folder / "answer.json")),
    ]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def traced(urls: int) -> Trace:
    """Scan twice in new files, and return what the second scan passed through: by then all is loaded."""
    trace = Trace()
    with serving(urls) as port:
        for number in range(2):
            with tempfile.TemporaryDirectory(prefix="contentmap-trace-") as name:
                said = io.StringIO()
                if number:
                    threading.setprofile(trace.profile)
                    sys.setprofile(trace.profile)
                try:
                    with redirect_stdout(said), redirect_stderr(said):
                        code = scan(Path(name), port)
                finally:
                    sys.setprofile(None)
                    threading.setprofile(None)  # type: ignore[arg-type]
                if code:
                    raise SystemExit(f"the scan ended with {code}: {said.getvalue()}")
    return trace


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures; 1 if they are to be checked and a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--list", action="store_true", help="the calls as well")
    parser.add_argument("--urls", type=int, default=20, metavar="N", help="of the site")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    options = parser.parse_args(arguments)
    trace = traced(options.urls)
    if options.list:
        for call in trace.calls:
            print(f"{'  ' * call.depth}{call.module}: {call.function}")
        print()
    figures = trace.figures()
    print(f"| {FIRST} to {LAST} | here | goal |\n|---|---|---|")
    for name, figure in figures.items():
        print(f"| {name} | {figure} | {GOALS[name]} |")
    print(f"| calls | {len(trace.calls)} | |")
    met = all(figure <= GOALS[name] for name, figure in figures.items())
    return 0 if met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
