"""Web sites on loopback for tests that run the real command: every host name leads to one server.

A page is its body, a status, or a `Reply`. What is asked for is counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from http_servers import serving_http

XML = "application/xml"


@dataclass(frozen=True)
class Reply:
    """An answer: `cut` promises that many more bytes than it sends, `wait` seconds before it starts, `until`
    is what it waits for. One with an ETag is not sent again to who has it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: int = 0
    until: threading.Event | None = None


Page = bytes | str | int | Reply


GATE_SECONDS = 60


def _open() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


@dataclass
class Sites:
    """A running server: `pages` by `host/path`, `asked` what was asked for, in order, `heard` with what
    headers.

    While `gate` is not set, every answer waits. It shuts by itself with request number `shuts_at`, so that
    a test need not hurry to meet the middle of a run.
    """

    pages: dict[str, Page]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)  # bytes of bodies that the client took
    not_modified: int = 0
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=_open)
    shuts_at: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def connect_to(self) -> str:
        """The --connect-to value that leads every name here."""
        return f"::127.0.0.1:{self.port}"

    def reply(self, key: str) -> Reply:
        """What is answered for `host/path`."""
        with self._counting:
            self.asked.append(key)
            if len(self.asked) == self.shuts_at:
                self.gate.clear()
        page = self.pages.get(key, 404)
        if isinstance(page, Reply):
            return page
        if isinstance(page, int):
            return Reply(status=page)
        return Reply(page.encode() if isinstance(page, str) else page)


@contextmanager
def serving(pages: dict[str, Page], *, tls: bool = False) -> Iterator[Sites]:
    """Serves the pages on a free port of 127.0.0.1 until the block ends, with `tls` over https."""
    sites = Sites(pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").partition(":")[0]
            sites.heard.append((host + self.path, dict(self.headers)))
            reply = sites.reply(host + self.path)
            etag = reply.headers.get("ETag")
            if etag is not None and etag == self.headers.get("If-None-Match"):
                reply = Reply(status=304, headers=reply.headers)
                sites.not_modified += 1
            if reply.wait:
                time.sleep(reply.wait)
            if reply.until is not None:
                reply.until.wait(GATE_SECONDS)
            sites.gate.wait(GATE_SECONDS)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 304:
                self.send_header("Content-Length", str(len(reply.body) + reply.cut))
            self.end_headers()
            for start in range(0, len(reply.body), 65536):
                part = reply.body[start : start + 65536]
                self.wfile.write(part)
                sites.sent[host + self.path] += len(part)
            if reply.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving_http(Handler, tls=tls) as port:
        sites.port = port
        yield sites


def urlset(*urls: str, lastmod: str = "2026-01-02") -> str:
    """A sitemap of these URLs."""
    entries = "".join(f"<url><loc>{url}</loc><lastmod>{lastmod}</lastmod></url>\n" for url in urls)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'
    )


def index(*urls: str) -> str:
    """A sitemap index of these files."""
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>\n" for url in urls)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</sitemapindex>\n'
    )


def good_site(host: str, urls: int = 3) -> dict[str, Page]:
    """A site whose robots.txt names one sitemap."""
    pages = [f"http://{host}/page-{number}" for number in range(urls)]
    return {
        f"{host}/robots.txt": f"User-agent: *\nAllow: /\nSitemap: http://{host}/sitemap.xml\n",
        f"{host}/sitemap.xml": urlset(*pages),
    }


def broken_site(host: str) -> dict[str, Page]:
    """A site with a good sitemap, one that answers 500 and one that breaks off inside its third entry."""
    cut = urlset(f"http://{host}/c1", f"http://{host}/c2", f"http://{host}/c3")
    cut = cut[: cut.index("c3") + 1]
    return {
        f"{host}/robots.txt": "".join(
            f"Sitemap: http://{host}/{name}.xml\n" for name in ("good", "error", "cut")
        ),
        f"{host}/good.xml": urlset(f"http://{host}/g1", f"http://{host}/g2"),
        f"{host}/error.xml": 500,
        f"{host}/cut.xml": cut,
    }
