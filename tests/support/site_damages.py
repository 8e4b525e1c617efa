"""Damages of a simulated site: what is sent instead, and what a scan may conclude from it.

`DAMAGES` holds every kind by its name. A damage changes only what is sent. What the site publishes stays.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote

from site_model import (
    HOME,
    ROBOTS,
    TEXT,
    XML,
    Answer,
    Kind,
    Site,
    Style,
    html,
    index_text,
    not_found,
)

ELSEWHERE = "http://elsewhere.test/"
LOGIN = "/login"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"

Sent = Callable[[Site, str], Answer]


class Where(StrEnum):
    """What a damage is a damage of."""

    ROBOTS = "robots.txt"
    INDEX = "index"
    FILE = "file"
    HOME = "home page"
    SITE = "site"


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    `sent` returns the answer for a site and a path. `whole` is False where no careful reader can take the
    source for read whole, and None where it may: the damage can be repaired or cannot be noticed. `clean`
    allows the outcome `ok`; `unseen` allows `empty` where nothing was known before, because the document is
    sound and names nothing. `part` says that some entries of the file can be read. `kinds` limits a damage
    to files of these kinds, `named` to sites whose robots.txt names a sitemap.
    """

    name: str
    where: Where
    sent: Sent
    whole: bool | None = False
    clean: bool = False
    unseen: bool = False
    part: bool = False
    kinds: tuple[Kind, ...] = tuple(Kind)
    named: bool = False


@dataclass(frozen=True)
class Active:
    """A damage that is there now; `path` is the damaged index or file."""

    damage: Damage
    path: str | None = None

    def __str__(self) -> str:
        return self.damage.name + (f" of {self.path}" if self.path else "")

    def affects(self, path: str) -> bool:
        """Whether what is sent for this path is damaged."""
        where = self.damage.where
        if where is Where.SITE:
            return True
        return path == {Where.ROBOTS: ROBOTS, Where.HOME: HOME}.get(where, self.path)


# -- answers that can stand for anything

CHALLENGE = html(
    "Just a moment",
    "<noscript>Please turn on JavaScript.</noscript><p>Checking your browser before you enter.</p>"
    '<script>document.cookie="passed=1;path=/";setTimeout(function(){location.reload()},4000)</script>',
    '<meta name="robots" content="noindex,nofollow">',
)
MAINTENANCE = html("Maintenance", "<h1>We are working on the shop</h1><p>Please come back later.</p>")
PARKING = html("Domain for sale", "<h1>This domain may be for sale.</h1><p>Make an offer.</p>")


def _status(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Sent:
    return lambda site, path: Answer(status, body or html(f"Error {status}"), headers=headers)


def _page(body: bytes, status: int = 200) -> Sent:
    return lambda site, path: Answer(status, body)


def _login(site: Site, path: str) -> Answer:
    if path.startswith(LOGIN):
        form = '<form method="post"><input name="user"><input name="password" type="password"></form>'
        return Answer(body=html("Sign in", form))
    return Answer(302, location=f"{LOGIN}?next={quote(path, safe='')}")


def _redirect(location: str, status: int = 301) -> Sent:
    return lambda site, path: Answer(status, location=location)


def _reset(site: Site, path: str) -> Answer:
    return Answer(reset=True)


def _body(body: bytes, content_type: str) -> Sent:
    return lambda site, path: Answer(body=body, content_type=content_type)


def _json(site: Site, path: str) -> Answer:
    return Answer(body=b'{"error": "rate limited"}', content_type="application/json")


def _changing_challenge(site: Site, path: str) -> Answer:
    """A challenge that is another document for each path."""
    return Answer(body=CHALLENGE.replace(b"passed=1", f"passed={quote(path, safe='')}".encode()))


# -- robots.txt


def _robots(change: Callable[[Site, str], str]) -> Sent:
    return lambda site, path: Answer(body=change(site, site.robots_text()).encode(), content_type=TEXT)


def _replaced(old: str, new: str) -> Sent:
    return _robots(lambda site, text: text.replace(old, new))


def _sitemap_line(make: Callable[[Site, str], str]) -> Sent:
    """Write each Sitemap line of robots.txt in another way; a site without one is given a wrong line."""

    def change(site: Site, text: str) -> str:
        paths = site.roots if site.style is Style.ROBOTS and site.roots else ["/maps/pages.xml"]
        head = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("Sitemap:"))
        return head + "".join(make(site, path) + "\n" for path in paths)

    return _robots(change)


def _cut_robots(site: Site, path: str) -> Answer:
    body = site.robots_text().encode()
    return Answer(body=body[: len(body) // 2], content_type=TEXT, missing=len(body) - len(body) // 2)


# -- documents


def _document(change: Callable[[Site, str], str]) -> Sent:
    return lambda site, path: site.page(path, change(site, site.document(path)))


def _with_base(base: str) -> Sent:
    """Write another base in every entry."""
    return _document(lambda site, text: text.replace(site.origin, base))


def _some_with_base(base: str) -> Sent:
    """Write another base in the last entry only."""

    def change(site: Site, text: str) -> str:
        head, _, tail = text.rpartition(site.origin)
        return head + base + tail

    return _document(change)


def _one_slash(site: Site, text: str) -> str:
    return text.replace(site.origin, site.origin.replace("//", "/"))


def _cut_text(site: Site, text: str) -> str:
    """Cut inside the URL of an entry in the second half of the document."""
    at = text.index(site.origin, min(len(text) // 2, text.rindex(site.origin)))
    return text[: at + len(site.origin) + 2]


def _cut_gzip(site: Site, path: str) -> Answer:
    body = gzip.compress(site.document(path).encode(), mtime=0)
    return Answer(body=body[: len(body) * 2 // 3], content_type="application/gzip")


def _cut_transfer(site: Site, path: str) -> Answer:
    """Close the connection in the middle of the body, with the validator of the whole body."""
    answer = site.answer(path)
    half = len(answer.body) // 2
    return replace(answer, body=answer.body[:half], missing=len(answer.body) - half, conditional=False)


def _unknown_elements(site: Site, path: str) -> Answer:
    text = site.document(path)
    for old, new in (("url>", "item>"), ("sitemap>", "item>"), ("loc>", "link>")):
        text = text.replace(f"<{old}", f"<{new}").replace(f"</{old}", f"</{new}")
    return site.page(path, text)


def _itself(site: Site, path: str) -> Answer:
    return site.page(path, index_text([site.url(path)]))


def _no_children(site: Site, path: str) -> Answer:
    return site.page(path, index_text([]))


_XML_KINDS = (Kind.XML, Kind.GZIP)


STATUSES = (401, 403, 407, 429, 451, 500, 502, 503)


def _refusals(where: Where) -> list[Damage]:
    """Statuses and closed connections, which any document can have."""
    return [
        *(Damage(f"{where} {status}", where, _status(status)) for status in STATUSES),
        Damage(f"{where} closes the connection", where, _reset),
        Damage(f"{where} is a challenge with 403", where, _page(CHALLENGE, 403)),
        Damage(f"{where} is a challenge with 503", where, _page(CHALLENGE, 503)),
    ]


def _replacements(where: Where) -> list[Damage]:
    """Refusals, and pages in place of the document."""
    return [
        *_refusals(where),
        Damage(f"{where} is an HTML page", where, _page(html("Welcome", "<p>New shelves tonight.</p>"))),
        Damage(f"{where} is a challenge", where, _page(CHALLENGE)),
        Damage(f"{where} is a maintenance page", where, _page(MAINTENANCE)),
        Damage(f"{where} leads to a login page", where, _login),
        Damage(f"{where} leads to another site", where, _redirect(ELSEWHERE)),
        Damage(f"{where} leads to the home page", where, _redirect(HOME, 302)),
        Damage(f"{where} is cut off in transfer", where, _cut_transfer, part=where is Where.FILE),
    ]


def _of_home_page() -> list[Damage]:
    """Refusals only: any page is a valid home page."""
    return [replace(damage, whole=None, clean=True) for damage in _refusals(Where.HOME)]


def _of_robots() -> list[Damage]:
    def robots(name: str, sent: Sent, **more: bool) -> Damage:
        return Damage(f"robots.txt {name}", Where.ROBOTS, sent, whole=None, **more)

    lines: dict[str, Callable[[Site, str], str]] = {
        "has braces in its Sitemap line": lambda site, path: f"Sitemap: {{{{ site.url }}}}{path}",
        "has an undefined Sitemap base": lambda site, path: f"Sitemap: undefined{path}",
        "names another sitemap that is not there": lambda site, path: f"Sitemap: {site.origin}/other.xml",
        "names a sitemap of localhost": lambda site, path: f"Sitemap: http://localhost:3000{path}",
    }
    sound: dict[str, Callable[[Site, str], str]] = {
        "has one slash in its Sitemap line": lambda site, path: f"Sitemap: http:/{site.host}{path}",
        "has a relative Sitemap line": lambda site, path: f"Sitemap: {path}",
        "has a Sitemap line without a value": lambda site, path: "Sitemap:",
        "has a misspelt Sitemap line": lambda site, path: f"Sitmap: {site.url(path)}",
        "has a Site-map line": lambda site, path: f"Site-map: {site.url(path)}",
        "has a Sitemaps line": lambda site, path: f"Sitemaps: {site.url(path)}",
        "has a Sitemap line without a colon": lambda site, path: f"Sitemap {site.url(path)}",
        "has a Sitemap line with =": lambda site, path: f"Sitemap = {site.url(path)}",
        "has a comment for a Sitemap line": lambda site, path: f"# Sitemap: {site.url(path)}",
    }
    return [
        *_replacements(Where.ROBOTS),
        robots("404", lambda site, path: not_found(), clean=True, unseen=True),
        robots("is a JSON error", _json, clean=True, unseen=True),
        robots("has an empty body", _body(b"", TEXT), clean=True, unseen=True),
        robots("has literal line ends", _replaced("\n", r"\n"), clean=True),
        robots("has literal CR LF", _replaced("\n", r"\r\n"), clean=True),
        robots("has blanks for line ends", _replaced("\n", " "), clean=True, unseen=True),
        *(robots(name, _sitemap_line(make)) for name, make in lines.items()),
        *(robots(name, _sitemap_line(make), clean=True, unseen=True) for name, make in sound.items()),
        Damage(
            "robots.txt forbids everything",
            Where.ROBOTS,
            _robots(lambda site, text: "User-agent: *\nDisallow: /\n"),
        ),
        robots("forbids everything and names its sitemap", _replaced("/cart", "/"), clean=True, named=True),
    ]


def _of_documents(where: Where) -> list[Damage]:
    """Damages of an index or a file that are written in XML, and of text files where that makes sense."""

    def damage(name: str, sent: Sent, **more: object) -> Damage:
        return Damage(f"{where} {name}", where, sent, **more)  # type: ignore[arg-type]

    part = where is Where.FILE
    repaired = {"whole": None, "clean": True, "part": part, "kinds": _XML_KINDS}
    return [
        *_replacements(where),
        damage("is a JSON error", _json),
        damage("has an empty body", _body(b"", XML), kinds=_XML_KINDS),
        damage("is binary data", _body(bytes(range(256)) * 4, "application/octet-stream")),
        damage("has unknown elements", _unknown_elements, kinds=_XML_KINDS),
        damage("has braces in every entry", _with_base("{{ base_url }}"), part=part),
        damage("has braces in an entry", _some_with_base("{{ base_url }}"), part=part, kinds=_XML_KINDS),
        damage("has PHP in every entry", _with_base("<?php echo $base; ?>"), **repaired),
        damage("has ${ } in every entry", _with_base("${BASE_URL}"), part=part),
        damage("has no host in every entry", _with_base("https://"), part=part),
        damage("has one slash in every entry", _document(_one_slash), whole=None, clean=True, part=part),
        damage("is cut off", _document(_cut_text), part=part, kinds=_XML_KINDS),
        damage(
            "has another namespace",
            _document(
                lambda site, text: text.replace('"http://www.sitemaps.org/schemas/sitemap/0.9"', f'"{NEWS}"')
            ),
            **repaired,
        ),
    ]


def _of_site() -> list[Damage]:
    def site(name: str, sent: Sent, **more: bool) -> Damage:
        return Damage(f"site {name}", Where.SITE, sent, **more)

    return [
        site("shows a maintenance page", _page(MAINTENANCE)),
        site("shows a maintenance page with 503", _page(MAINTENANCE, 503)),
        site("shows a challenge", _page(CHALLENGE)),
        site("shows a challenge that changes", _changing_challenge),
        site("shows a challenge with 403", _page(CHALLENGE, 403)),
        site("shows a parking page", _page(PARKING)),
        site("leads to a login page", _login),
        site("leads to another site", _redirect(ELSEWHERE)),
        site("leads to another site with 302", _redirect(ELSEWHERE, 302)),
        site("closes every connection", _reset),
        site("answers 429", _status(429)),
        site("answers 429 for an hour", _status(429, b"", ("Retry-After", "3600"))),
        site("answers 503 for an hour", _status(503, MAINTENANCE, ("Retry-After", "3600"))),
        site("answers 500", _status(500)),
    ]


DAMAGES: dict[str, Damage] = {
    damage.name: damage
    for damage in (
        *_of_robots(),
        *_of_documents(Where.INDEX),
        Damage("index names itself", Where.INDEX, _itself, whole=None, clean=True),
        Damage("index names no child", Where.INDEX, _no_children, whole=None, clean=True),
        Damage("index 404", Where.INDEX, lambda site, path: not_found(), whole=None),
        *_of_documents(Where.FILE),
        Damage("file is cut off in its gzip data", Where.FILE, _cut_gzip, part=True, kinds=(Kind.GZIP,)),
        *_of_home_page(),
        *_of_site(),
    )
}


def sent(site: Site, active: Iterable[Active], path: str) -> Answer:
    """Return what the site sends for a path while these damages are there, those of the whole site first."""
    for each in sorted(active, key=lambda each: each.damage.where is not Where.SITE):
        if each.affects(path) or (each.damage.sent is _login and path.startswith(LOGIN)):
            return each.damage.sent(site, path)
    return site.answer(path)
