"""robots.txt (RFC 9309): its rules, Crawl-delay and sitemaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise

from protego import Protego

from contentmap_cli.crawl.http.responses import FetchedFile
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import Limits, Problem
from contentmap_cli.models.hosts import origin_of, site_of
from contentmap_cli.models.robots import RobotsFile
from contentmap_cli.sitemap.problems import redact_userinfo
from contentmap_cli.sitemap.robots.document import parse_robots
from contentmap_cli.sitemap.robots.fields import AGENT
from contentmap_cli.sitemap.robots.lines import RobotsLine

CAPPED_DELAY = "crawl_delay_capped"
"""The code of a Crawl-delay that is longer than the crawl waits."""

_COMMENT = re.compile(r"\(([^()]*)\)")
_PRODUCT = re.compile(r"[^\s()]+")
_NAMED = re.compile(r"([A-Za-z0-9_.-]+)(?:/\S*)?")
_BROWSERS = frozenset(
    {"mozilla", "applewebkit", "webkit", "gecko", "khtml", "like", "chrome", "chromium", "headlesschrome"}
    | {"crios", "fxios", "safari", "mobile", "version", "firefox", "edge", "edg", "edga", "edgios", "opr"}
    | {"opera", "presto", "msie", "trident", "konqueror", "vivaldi", "samsungbrowser", "build"}
)


@dataclass(frozen=True, slots=True)
class Robots:
    """What one robots.txt means for this crawl. Delay in seconds.

    `failure` says why there are no rules; `reachable` is False if that disallows everything.
    """

    rules: Protego | None = None
    sitemaps: tuple[str, ...] = ()
    delay: float | None = None
    reachable: bool = True
    failure: Failure | None = None
    product: str = "ContentMap"
    file: RobotsFile | None = None

    def allows(self, url: str) -> bool:
        """Return whether the rules allow this crawler to request a URL (section 2.2.2)."""
        if not self.reachable:
            return False
        return self.rules is None or self.rules.can_fetch(url, self.product)


@cache
def product_token(user_agent: str) -> str:
    """Return the product token of a User-Agent, which selects the group of robots.txt (section 2.2.1).

    It is the first product. If that is a browser's, as in `Mozilla/5.0 (compatible; ExampleBot/1.0; +URL)`,
    it is the one after `compatible` in a comment, or else the first product that is not a browser's.
    """
    first = _leading_token(user_agent)
    if first.lower() not in _BROWSERS:
        return first
    comments = _COMMENT.findall(user_agent)
    parts = [part.strip() for comment in comments for part in comment.split(";")]
    behind = [part for before, part in pairwise(parts) if before.lower().endswith("compatible")]
    products = _PRODUCT.findall(_COMMENT.sub(" ", user_agent))
    versioned = [part for part in parts if "/" in part]
    for candidate in (*behind, *products, *versioned):
        match = _NAMED.fullmatch(candidate)
        if match is not None and match[1].lower() not in _BROWSERS:
            return _leading_token(match[1])
    return first


def _leading_token(text: str) -> str:
    match = re.match(r"[A-Za-z_-]+", text)
    return match[0] if match else text


def is_absent(failure: Failure, status: int | None) -> bool:
    """Return whether there is no robots.txt: 4xx except 429, or invalid redirects (section 2.3.1)."""
    if failure.code in (Code.TOO_MANY_REDIRECTS, Code.REDIRECT_LOOP, Code.REDIRECT_SCHEME):
        return True
    return status is not None and 400 <= status < 500 and status != 429


def read_robots(fetched: FetchedFile, *, limits: Limits, user_agent: str, delay_cap: float) -> Robots:
    """Parse a fetched robots.txt: an absent one allows everything, an unreachable one nothing.

    A body cut at the size limit counts up to its last complete line (section 2.5).
    """
    product = product_token(user_agent)
    failure = fetched.failure
    cut = failure is not None and failure.code in (Code.BODY_TOO_LARGE, Code.BODY_TRUNCATED)
    answer = partial(RobotsFile, _origin(fetched), fetched.url, fetched.final_url, fetched.status)
    if fetched.body is None or (failure is not None and not cut):
        file = answer(failure)
        if failure is None or is_absent(failure, fetched.status):
            return Robots(product=product, file=file)
        code = failure.code if failure.code == Code.HTTPS_REQUIRED else Code.ROBOTS_UNREACHABLE
        unreachable = Failure(code, f"robots.txt: {failure.message}")
        return Robots(product=product, reachable=False, failure=unreachable, file=file)
    parsed = parse_robots(fetched.body, base=fetched.final_url, limits=limits, cut=cut)
    document, text = parsed.document, parsed.text
    problems = document.problems
    if failure is not None and not any(problem.code == failure.code for problem in problems):
        problems += (Problem(str(failure.code), None, failure.message),)
    named = text.sitemaps[: limits.file_urls_hard] if text is not None else ()
    file = answer(
        failure=failure or document.failure,
        body=_without_credentials(parsed.body),
        digest=document.digest,
        understood=text is not None and text.understood,
        problems=problems,
        sitemaps=tuple(each.url for each in named),
        losses=(text.losses if text is not None else 0) + (failure is not None or not document.complete),
    )
    if text is None:
        html = Failure(Code.ROBOTS_IS_HTML, "robots.txt is an HTML page")
        return Robots(product=product, failure=html, file=file)
    rules = Protego.parse("\n".join(relevant_lines(text.lines, product)))
    delay = rules.crawl_delay(product)
    if delay is not None and delay > delay_cap:
        message = f"Crawl-delay {delay:g} exceeds the maximum: {delay_cap:g} seconds are kept"
        file = replace(file, problems=(*file.problems, Problem(CAPPED_DELAY, None, message)))
    return Robots(
        rules=rules,
        sitemaps=file.sitemaps,
        delay=min(delay, delay_cap) if delay is not None and delay > 0 else None,
        product=product,
        file=file,
    )


def _without_credentials(body: bytes) -> bytes:
    """Remove user names and passwords in URLs."""
    if b"@" not in body:
        return body
    return redact_userinfo(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _origin(fetched: FetchedFile) -> str:
    """Return the requested origin, or the one of the same site to which it redirects."""
    moved = fetched.redirects and site_of(fetched.final_url) == site_of(fetched.url)
    return origin_of(fetched.final_url if moved else fetched.url) or ""


def relevant_lines(lines: Iterable[RobotsLine], product: str) -> Iterator[str]:
    """Yield the rules of the groups for this crawler and for all, in order (section 2.2).

    Other groups are left out because the time of the parser grows with agents times rules.
    """
    for agents, line in applicable_lines(lines, product):
        yield f"User-agent: {agents}" if line.key == AGENT else f"{line.key}: {line.value}"


def applicable_lines(lines: Iterable[RobotsLine], product: str) -> Iterator[tuple[str, RobotsLine]]:
    """Yield the lines of the groups for this crawler or for all, with the agents: the product token, `*`, or
    both."""
    kept: dict[str, None] = {}
    naming = False
    for line in lines:
        if line.key == AGENT:
            if not naming:
                kept.clear()
            naming = True
            token = agent_token(line.value)
            if token.lower() in ("*", product.lower()) and token not in kept:
                kept[token] = None
                yield token, line
        else:
            naming = False
            if kept:
                yield ",".join(kept), line


def agent_token(value: str) -> str:
    """Return the product token of a User-agent line, or `*`."""
    words = value.split(None, 1)
    return "*" if words and words[0] == "*" else _leading_token(words[0]) if words else ""
