"""Judge what listed pages answered, and note each fault with the file that lists the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from contentmap_cli.check.pages import rules
from contentmap_cli.check.pages.dates import contradiction
from contentmap_cli.check.pages.faults import REDIRECTS, Fault, Judgement
from contentmap_cli.check.pages.languages import Links, language_faults
from contentmap_cli.check.registry import Notes
from contentmap_cli.errors import Code
from contentmap_cli.models import Entry
from contentmap_cli.models.findings import CheckedFile
from contentmap_cli.models.hosts import host_of, normalise_url, url_key
from contentmap_cli.models.pages import MAX_HOPS, PageFacts, PageState

MAX_REFRESH_SECONDS: Final = 60
"""A refresh after more seconds is no redirect: it follows a slide show or a session."""

SLOW_MS: Final = 2000

Allows = Callable[[str, str], bool | None]
"""Whether robots.txt allows an agent to request a URL; None if that is not known."""


class PageJudge:
    """Judges the pages of one site. Give it the entries of each file in batches, with the facts they need.

    `agents` are the crawlers whose rules count besides those for all. `probes` are the answers for made-up
    paths. `robots_is_checked` says that the rule url-blocked judges the listed URLs whose
    robots.txt is known. `links` are the `listed_links` of the pages.
    """

    def __init__(
        self,
        notes: Notes,
        agents: Sequence[str],
        probes: Iterable[PageFacts] = (),
        allows: Allows | None = None,
        *,
        robots_is_checked: bool = False,
        links: Links = frozenset(),
        now: datetime | None = None,
    ) -> None:
        self._notes = notes
        self._agents = agents
        self._allows = allows
        self._robots_is_checked = robots_is_checked
        self._links = links
        self._judgement = Judgement(agents, now or datetime.now(UTC))
        for probe in probes:
            self._judgement.add_probe(probe)

    def entries(self, file: CheckedFile, entries: Sequence[Entry], facts: Mapping[str, PageFacts]) -> None:
        """Judge the pages of some entries of a file.

        `facts` has what is known of them, of the targets of their redirects and of their alternates, by
        normalised URL.
        """
        for entry in entries:
            page = facts.get(normalise_url(entry.url) or "")
            if page is None or page.state is PageState.THROTTLED:
                continue
            for fault in self._faults(entry, page, facts):
                self._notes.add(fault.rule, file, fault.message, url=entry.url, value=fault.value)

    def _faults(self, entry: Entry, page: PageFacts, facts: Mapping[str, PageFacts]) -> Iterator[Fault]:
        disallowed = self._disallowed(page)
        if disallowed is not None and not (self._robots_is_checked and self._is_known(page)):
            yield Fault(rules.DISALLOWED, f"robots.txt disallows it for {disallowed}", disallowed)
        if _target(page) is not None:
            yield self._redirect(page, facts)
            return
        faults = list(self._judgement.faults(page))
        for fault in faults:
            if fault.rule is rules.CANONICAL:
                other = facts.get(normalise_url(fault.value or "") or "")
                reason = self._why_not(other) if other is not None and other is not page else None
                yield fault._replace(message=f"{fault.message}, which {reason}") if reason else fault
            else:
                yield fault
            if fault.rule is rules.NOINDEX and disallowed is not None:
                yield Fault(rules.NOINDEX_UNSEEN, f"robots.txt disallows it for {disallowed}", fault.value)
        if page.state is PageState.ANSWERED and not any(_hides_content(fault) for fault in faults):
            yield from self._other_faults(entry, page, facts)

    def _other_faults(self, entry: Entry, page: PageFacts, facts: Mapping[str, PageFacts]) -> Iterator[Fault]:
        """Yield the faults of the content of a page that was read."""
        if page.first_byte_ms is not None and page.first_byte_ms > SLOW_MS:
            seconds = page.first_byte_ms / 1000
            yield Fault(rules.SLOW, f"the first byte came after {seconds:.1f} seconds", f"{seconds:.1f} s")
        refresh = page.head.refresh if page.head is not None else None
        if (
            refresh is not None
            and refresh[0] <= MAX_REFRESH_SECONDS
            and url_key(refresh[1]) != url_key(page.url)
        ):
            yield Fault(rules.REFRESH, f"meta refresh after {refresh[0]:g} seconds", refresh[1])
        wrong = contradiction(page, entry.lastmod)
        if wrong is not None and entry.lastmod is not None:
            text = f"lastmod {entry.lastmod.text[:40]}, {wrong.source} {wrong.text[:40]}"
            yield Fault(rules.LASTMOD, text, wrong.text)
        yield from language_faults(entry, page, facts, self._why_not, self._links)

    def _redirect(self, page: PageFacts, facts: Mapping[str, PageFacts]) -> Fault:
        """Follow the redirects of a page and return the worst that can be said of them."""
        seen = {page.url}
        target, hops = _target(page), 0
        while target is not None:
            hops += 1
            if target in seen:
                return Fault(rules.REDIRECT_LOOP, f"redirect loop of {len(seen)} URLs", target)
            seen.add(target)
            known = facts.get(target)
            final, following = target, _target(known) if known is not None else None
            if known is None or following is None or hops > MAX_HOPS:
                break
            target = following
        reason = self._why_not(known) if known is not None and following is None else None
        if reason is not None:
            return Fault(rules.REDIRECT_TARGET, f"status {page.status} to a page that {reason}", final)
        if hops > 1:
            count = f"{hops}" if hops <= MAX_HOPS else f"more than {MAX_HOPS}"
            return Fault(rules.REDIRECT_CHAIN, f"{count} redirects", final)
        if host_of(final) != host_of(page.url):
            return Fault(rules.REDIRECT_HOST, f"status {page.status} to {host_of(final)}", final)
        return Fault(rules.REDIRECT, f"status {page.status}", final)

    def _why_not(self, page: PageFacts) -> str | None:
        """Return why a page cannot be indexed, as it follows "a page that"; None if it can, or is unknown."""
        disallowed = self._disallowed(page)
        if disallowed is not None:
            return f"robots.txt disallows for {disallowed}"
        if _target(page) is not None:
            return "redirects"
        if page.probe and not page.listed and page.status == 200:
            return "made-up URLs redirect to as well (a soft 404)"
        fault = next((fault for fault in self._judgement.faults(page) if fault.blocks), None)
        return None if fault is None else _REASONS[fault.rule.id].format(fault.message)

    def _is_known(self, page: PageFacts) -> bool:
        """Return whether robots.txt of a page's origin is known."""
        return self._allows is not None and any(
            self._allows(agent, page.url) is not None for agent in self._agents
        )

    def _disallowed(self, page: PageFacts) -> str | None:
        """Return an agent that robots.txt forbids to request a page."""
        if self._allows is not None:
            verdicts = {agent: self._allows(agent, page.url) for agent in self._agents}
            forbidden = next((agent for agent, verdict in verdicts.items() if verdict is False), None)
            if forbidden is not None or None not in verdicts.values():
                return forbidden
        if page.state is not PageState.DISALLOWED or page.failure is None:
            return None
        return "crawlers" if page.failure.code == Code.DISALLOWED else None


_REASONS: Final = {
    rules.NOINDEX.id: "is noindex: {0}",
    rules.CANONICAL.id: "has another canonical URL",
    rules.SOFT_404.id: "is not found, empty or closed: {0}",
    rules.BLOCKED.id: "is blocked: {0}",
    rules.STATUS_4XX.id: "answers with {0}",
    rules.STATUS_5XX.id: "answers with {0}",
    rules.STATUS_OTHER.id: "answers with {0}",
    rules.UNREACHABLE.id: "gives no answer: {0}",
    rules.TIMEOUT.id: "gives no answer in time: {0}",
    rules.CONTENT_TYPE.id: "is no page: {0}",
}


def _target(page: PageFacts) -> str | None:
    """Return the normalised URL to which an answer redirects."""
    if page.state is not PageState.ANSWERED or page.status not in REDIRECTS or not page.location:
        return None
    return normalise_url(page.location)


def _hides_content(fault: Fault) -> bool:
    """Return whether what was read is not the page itself."""
    return fault.rule not in (
        *(rules.NOINDEX, rules.CONTENT_TYPE, rules.CANONICAL, rules.CANONICAL_CONFLICT),
    )
