"""robots.txt (RFC 9309): what it allows, how long it asks to wait, which sitemaps it names."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from protego import Protego

from contentmap_cli.crawl.hosts import origin_of, site_of
from contentmap_cli.crawl.parsing import parse_document
from contentmap_cli.crawl.responses import FetchedFile, decoded
from contentmap_cli.errors import Code, Failure
from contentmap_cli.robots import RobotsFile
from contentmap_cli.values import Entry, Limits

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


_AGENT = re.compile(r"user[- ]?agent\b\s*:?\s*(\S*)", re.IGNORECASE)
_SITE_WIDE = re.compile(r"(?:sitemaps?|site-map|host)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Robots:
    """What one robots.txt means for this crawl. Delay in seconds.

    `failure` says why there are no rules to go by; `reachable` is False where that forbids everything.
    """

    rules: Protego | None = None
    sitemaps: tuple[str, ...] = ()
    delay: float | None = None
    reachable: bool = True
    failure: Failure | None = None
    product: str = "ContentMap"
    file: RobotsFile | None = None

    def allows(self, url: str) -> bool:
        """Whether the rules let this crawler ask for a URL (section 2.2.2)."""
        if not self.reachable:
            return False
        return self.rules is None or self.rules.can_fetch(url, self.product)


def product_token(user_agent: str) -> str:
    """The part of a User-Agent that robots.txt groups are matched with (section 2.2.1)."""
    match = re.match(r"[A-Za-z_-]+", user_agent)
    return match[0] if match else user_agent


def is_absent(failure: Failure, status: int | None) -> bool:
    """Whether a server has said that it has no robots.txt: 4xx, or redirects without end (section 2.3.1).

    429 is a plea for time, not an answer.
    """
    if failure.code in (Code.TOO_MANY_REDIRECTS, Code.REDIRECT_LOOP, Code.REDIRECT_SCHEME):
        return True
    return status is not None and 400 <= status < 500 and status != 429


def read_robots(fetched: FetchedFile, *, limits: Limits, user_agent: str, delay_cap: float) -> Robots:
    """What a fetched robots.txt means: absent allows everything, unreachable nothing. Pure but for the body's
    file. A body cut at the size limit counts up to its last whole line (section 2.5)."""
    product = product_token(user_agent)
    failure = fetched.failure
    cut = failure is not None and failure.code in (Code.BODY_TOO_LARGE, Code.BODY_TRUNCATED)
    file = RobotsFile(
        origin=_origin(fetched),
        url=fetched.url,
        final_url=fetched.final_url,
        http_status=fetched.status,
        failure=failure,
    )
    if fetched.body is None or (failure is not None and not cut):
        if failure is None or is_absent(failure, fetched.status):
            return Robots(product=product, file=file)
        unreachable = Failure(Code.ROBOTS_UNREACHABLE, f"robots.txt: {failure.message}")
        return Robots(product=product, reachable=False, failure=unreachable, file=file)
    sink = _Sitemaps()
    fetched.body.seek(0)
    bounds = replace(limits, body_bytes=limits.robots_bytes)
    document = parse_document(fetched.body, sink, base=fetched.final_url, limits=bounds, robots=True)
    data = decoded(fetched.body, limits.robots_bytes)
    html = document.failure is not None and document.failure.code == Code.ROBOTS_IS_HTML
    file = replace(
        file,
        failure=failure or document.failure,
        body=data,
        digest=document.digest,
        understood=not html,
        problems=document.problems,
        sitemaps=tuple(dict.fromkeys(sink.urls)),
    )
    if html:
        return Robots(
            product=product, failure=Failure(Code.ROBOTS_IS_HTML, "robots.txt is an HTML page"), file=file
        )
    text = _text(data)
    if cut:
        text = text.rpartition("\n")[0]
    rules = Protego.parse("\n".join(relevant_lines(text, product)))
    delay = rules.crawl_delay(product)
    return Robots(
        rules=rules,
        sitemaps=file.sitemaps,
        delay=min(delay, delay_cap) if delay is not None and delay > 0 else None,
        product=product,
        file=file,
    )


def _origin(fetched: FetchedFile) -> str:
    """The origin that was asked, or that of the same site which it redirects to."""
    asked, answered = (origin_of(url) or "" for url in (fetched.url, fetched.final_url))
    return answered if answered and site_of(fetched.final_url) == site_of(fetched.url) else asked


def relevant_lines(text: str, product: str) -> Iterator[str]:
    """The groups for this crawler and for everyone, in order, without what is meant for others (section 2.2).

    The parser's work grows with agents times rules: half a megabyte of a stranger's agents would keep it busy
    for minutes.
    """
    kept: set[str] = set()
    naming = False
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        agent = _AGENT.match(line)
        if agent is not None:
            if not naming:
                kept.clear()
            naming = True
            token = product_token(agent[1]) if agent[1] != "*" else "*"
            if token.lower() in ("*", product.lower()) and token not in kept:
                kept.add(token)
                yield f"User-agent: {token}"
        elif ":" in line and not _SITE_WIDE.match(line):
            naming = False
            if kept:
                yield line


def _text(data: bytes) -> str:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


class _Sitemaps:
    """Where the parser puts the Sitemap lines."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def extend(self, entries: Sequence[Entry]) -> None:
        self.urls.extend(entry.url for entry in entries)

    def clear(self) -> None:  # pragma: no cover - of a robots.txt nothing that was read is taken back
        self.urls.clear()
