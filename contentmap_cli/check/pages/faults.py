"""What is wrong with one answer, redirects aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from contentmap_cli.check.pages import rules
from contentmap_cli.check.pages.indexing import exclusion_of
from contentmap_cli.errors import Code
from contentmap_cli.models.findings import Rule
from contentmap_cli.models.hosts import host_of, url_key
from contentmap_cli.models.pages import PageFacts, PageState
from contentmap_cli.models.pages.directories import directory_of
from contentmap_cli.models.pages.links import canonicals_of

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
SHORT: Final = 150
"""Words of a page with the title or heading of an error page; a longer one is about errors."""

FEW: Final = 60
"""Words of a page that is an error page by one sentence, or by a number in its title."""

MIN_MARKS: Final = 4
"""A text with fewer marks is not compared."""

ALIKE: Final = 0.9
"""The part of their marks that two texts have in common to count as the same."""

_REFUSED: Final = frozenset({401, 403, 407, 451})
_WALLS: Final = {
    "challenge": "a challenge page",
    "login": "a login page",
    "consent": "a consent page",
}
_EMPTY_KINDS: Final = {
    "parked": "the page of a parked or suspended domain",
    "maintenance": "a maintenance page",
    "default_page": "the default page of a web server",
    "empty": "an empty page",
}
_NO_ANSWER: Final = frozenset(
    {Code.DNS_ERROR, Code.CONNECT_ERROR, Code.TLS_CERTIFICATE, Code.TLS_ERROR, Code.HTTP_PROTOCOL}
    | {Code.BODY_TRUNCATED, Code.UNSUPPORTED_ENCODING, Code.DECOMPRESS_MEMBERS}
)
"""Failures of the site. Others are those of this run, and say nothing about the page."""

_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_DOCUMENTS: Final = (
    *("application/pdf", "application/postscript", "application/rtf", "text/rtf", "application/epub+zip"),
    *("application/msword", "application/x-tex", "application/vnd.ms-", "image/", "video/", "audio/"),
    *(
        "application/vnd.openxmlformats-",
        "application/vnd.oasis.opendocument.",
        "application/vnd.google-earth.",
    ),
)
"""Beginnings of other types that search engines index."""

_FILES: Final = frozenset({"text/plain", "text/csv", "text/markdown", "text/xml", "application/xml"})
"""Types that are indexed, and expected only where the URL has the name of a file."""

_PAGE_NAMES: Final = frozenset({"", "html", "htm", "xhtml", "php", "asp", "aspx", "jsp", "cgi", "do"})


class Fault(NamedTuple):
    """A fault of one answer. `blocks`: the page cannot be indexed under its URL."""

    rule: Rule
    message: str
    value: str | None = None
    blocks: bool = True


@dataclass(slots=True)
class Judgement:
    """What pages are judged by: agents, the time, and the answers for made-up paths by directory and host."""

    agents: Sequence[str]
    now: datetime
    by_directory: dict[str, list[PageFacts]] = field(default_factory=dict)
    by_host: dict[str, list[PageFacts]] = field(default_factory=dict)

    def add_probe(self, facts: PageFacts) -> None:
        """Add the answer for a made-up URL, unless its canonical URL says that the query does not count."""
        path, question, _ = facts.url.partition("?")
        ignores_query = bool(question) and url_key(path) in map(url_key, canonicals_of(facts))
        if (
            facts.state is PageState.ANSWERED
            and facts.text is not None
            and len(facts.text.marks) >= MIN_MARKS
            and not ignores_query
        ):
            self.by_directory.setdefault(directory_of(facts.url), []).append(facts)
            if facts.status in (404, 410):
                self.by_host.setdefault(host_of(facts.url) or "", []).append(facts)

    def faults(self, facts: PageFacts) -> Iterator[Fault]:
        """Yield the faults of an answer that is no redirect, the worst one first.

        Of a page that was not requested, or whose host refused for the moment, nothing is known.
        """
        status, failure = facts.status, facts.failure
        is_cut = facts.state is PageState.ANSWERED and status is not None and 200 <= status < 300
        if failure is not None and (facts.state is PageState.UNREACHABLE or is_cut):
            broken = rules.TIMEOUT if failure.code == Code.TIMEOUT else rules.UNREACHABLE
            if broken is rules.TIMEOUT or failure.code in _NO_ANSWER:
                yield Fault(broken, failure.message, failure.code)
                return
        if facts.state is not PageState.ANSWERED or status is None or status == 429:
            return
        wall = next((kind for kind in _WALLS if kind in _signals(facts)), None)
        is_own_login = wall == "login" and facts.listed and "login_url" in _signals(facts)
        if status in _REFUSED or (wall == "challenge" and status not in (404, 410)):
            what = f" with {_WALLS[wall]}" if wall is not None else ""
            yield Fault(rules.BLOCKED, f"status {status}{what}", str(status))
        elif 400 <= status < 500:
            yield Fault(rules.STATUS_4XX, f"status {status}", str(status))
        elif status >= 500:
            yield Fault(rules.STATUS_5XX, f"status {status}", str(status))
        elif status == 206 or not 200 <= status < 300:  # no part of the page was requested
            why = " without a valid Location" if status in REDIRECTS else ""
            yield Fault(rules.STATUS_OTHER, f"status {status}{why}", str(status))
        elif wall is not None and not is_own_login:
            yield Fault(rules.BLOCKED, f"{_WALLS[wall]} with status {status}", wall)
        else:
            yield from self._content_faults(facts, status)

    def _content_faults(self, facts: PageFacts, status: int) -> Iterator[Fault]:
        soft = self._soft_404(facts, status)
        if soft is not None:
            yield Fault(rules.SOFT_404, *soft)
        excluded = exclusion_of(facts, self.agents, self.now)
        if excluded is not None:
            who = f" for {excluded.agent}" if excluded.agent is not None else ""
            yield Fault(rules.NOINDEX, f"noindex{who} ({excluded.source})", excluded.text)
        if soft is not None:
            return
        kind = _other_type(facts)
        if kind is not None:
            yield Fault(rules.CONTENT_TYPE, f"Content-Type {kind[:100]}", kind)
        yield from _canonical_faults(facts)

    def _soft_404(self, facts: PageFacts, status: int) -> tuple[str, str | None] | None:
        """Return message and value if a page is an error page in spite of its status."""
        if status in (204, 205):
            return f"status {status}: no content", str(status)
        text = facts.text
        if text is None:
            return None
        signals = _signals(facts)
        for kind, name in _EMPTY_KINDS.items():
            if kind in signals:
                return name, kind
        limit = FEW if signals & {"not_found_text", "not_found_code"} else 0
        if signals & {"not_found_title", "not_found_heading"}:
            limit = SHORT
        if text.words < limit:
            title = facts.head.title if facts.head is not None else ""
            return "the text says that there is no page, with status 200", title or None
        probe = self._same_text(facts)
        if probe is not None:
            return "the same text as a made-up URL (a soft 404)", probe.url
        return None

    def _same_text(self, facts: PageFacts) -> PageFacts | None:
        """Return a made-up URL whose answer has the same text."""
        if facts.probe or facts.text is None or len(facts.text.marks) < MIN_MARKS:
            return None
        probes = self.by_directory.get(directory_of(facts.url), [])
        for probe in (*probes, *self.by_host.get(host_of(facts.url) or "", [])):
            path, question, _ = probe.url.partition("?")
            if (
                probe.url != facts.url
                and probe.text is not None
                and (not question or path == facts.url.partition("?")[0])  # the page may be that of the path
                and alike(facts.text.marks, probe.text.marks)
            ):
                return probe
        return None


def alike(one: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two texts are the same, by the smallest marks of both."""
    size = max(len(one), len(other))
    smallest = sorted({*one, *other})[:size]
    common = set(one).intersection(other)
    return sum(mark in common for mark in smallest) >= ALIKE * len(smallest)


def _signals(facts: PageFacts) -> set[str]:
    return set(facts.text.signals) if facts.text is not None else set()


def _other_type(facts: PageFacts) -> str | None:
    """Return a media type that is not that of a page, nor of a document that search engines index."""
    media_type = (facts.content_type or "").partition(";")[0].partition(",")[0].strip().lower()
    if "/" not in media_type or media_type in _PAGES:
        inside = next((each for each in _signals(facts) if each.startswith("type:")), None)
        return inside and f"{media_type or 'missing'}, for {inside.removeprefix('type:')}"
    path = urlsplit(facts.url).path
    name = path.rpartition("/")[2]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    is_page_name = suffix in _PAGE_NAMES
    if media_type.startswith(_DOCUMENTS):
        is_medium = media_type.startswith(("image/", "video/", "audio/"))
        return media_type if is_medium and is_page_name else None
    is_file = media_type in _FILES or media_type.endswith("+xml")
    return None if is_file and not is_page_name else media_type


def _canonical_faults(facts: PageFacts) -> Iterator[Fault]:
    named = {key: url for url in canonicals_of(facts) if (key := url_key(url)) is not None}
    if len(named) > 1:
        urls = " ".join(named.values())
        yield Fault(rules.CANONICAL_CONFLICT, f"{len(named)} canonical URLs", urls, blocks=False)
    elif named and url_key(facts.url) not in named:
        (url,) = named.values()
        yield Fault(rules.CANONICAL, rules.CANONICAL.what, url)
