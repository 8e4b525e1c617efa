"""What a site is and how it answers: values, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from internet.documents import html

XML = "application/xml; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
GZIP = "application/gzip"
RSS = "application/rss+xml"
ATOM = "application/atom+xml"


class Fate(Enum):
    """How an answer ends."""

    WHOLE = auto()  # as HTTP has it
    RESET = auto()  # the connection is reset (RST) before a byte of it
    CUT = auto()  # the length is announced, half is sent, and the connection closes


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. A body that is a function is made and sent piece by piece, chunked."""

    body: bytes | Callable[[], Iterable[bytes]] = b""
    content_type: str = XML
    status: int = 200
    reason: str | None = None  # the status's own where None
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0  # seconds before its first byte
    pace: float = 0.0  # seconds over which a body of bytes is drawn out
    fate: Fate = Fate.WHOLE


def moved(location: str, status: int = 301) -> Reply:
    """A redirect."""
    return Reply(html("Moved"), HTML, status, headers=(("Location", location),))


def failing(status: int, reason: str | None = None, **headers: str) -> Reply:
    """An error page. Header names are given with `_` for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(html("Something is not right"), HTML, status, reason, named)


NOT_FOUND = failing(404)

Pages = Mapping[str, Reply | Callable[[], Reply]]


@dataclass(frozen=True, slots=True)
class Site:
    """One domain: what it publishes by path, and what every other path gets.

    `domain` is its name in lower case A-labels. Of the bare name and `www.` one is the site and the
    other redirects to it. A page that is a function is written when it is asked for.
    """

    domain: str
    about: str
    pages: Pages = field(default_factory=dict)
    otherwise: Reply = NOT_FOUND
    www: bool = False

    @property
    def host(self) -> str:
        """The name under which it serves."""
        return f"www.{self.domain}" if self.www else self.domain

    def url(self, path: str) -> str:
        """The URL of a path, which starts with `/`."""
        return f"http://{self.host}{path}"

    def answer(self, host: str, path: str) -> Reply:
        """What the site says to a request."""
        if host != self.host:
            return moved(self.url(path))
        page = self.pages.get(path)
        if page is None:
            if path == "/" and self.otherwise is NOT_FOUND:
                return Reply(html(self.about), HTML)
            return self.otherwise
        return page if isinstance(page, Reply) else page()
