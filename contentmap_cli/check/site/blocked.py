"""Rules about what robots.txt disallows to search engines, although a sitemap lists it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from contentmap_cli.check.registry import GOOGLE, RFC_9309, Family, Notes, rule
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule
from contentmap_cli.models.robots import RobotsRefusal

EVERY_OTHER = "*"
"""The agent that stands for all crawlers without a group of their own."""

URL_BLOCKED = rule(
    "url-blocked", Severity.ERROR, "URL disallowed by robots.txt",
    "Listing a page and disallowing it contradict each other: crawlers do not fetch it.",
    f"{RFC_9309}#section-2.2.2",
)  # fmt: skip
URL_BLOCKED_OTHERS = rule(
    "url-blocked-others", Severity.INFO, "URL disallowed to all but some crawlers",
    "The named search engines have a group of their own that allows it; all other crawlers do not fetch it.",
    f"{RFC_9309}#section-2.2.1",
)  # fmt: skip
ROBOTS_BLOCKED = rule(
    "robots-blocked", Severity.ERROR, "sitemap disallowed by robots.txt",
    "Crawlers that obey robots.txt do not fetch it.", f"{GOOGLE}/robots/robots_txt",
)  # fmt: skip


class Blocked(Family):
    """Compares the URLs of files and entries with robots.txt, for each crawler."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (URL_BLOCKED, URL_BLOCKED_OTHERS)

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._names_crawlers = any(agent != EVERY_OTHER for agent in site.agents)

    def start(self, file: CheckedFile) -> None:
        """Check the URL of a file."""
        if self.site.refusals is not None and file.url is not None:
            for refusal in self.site.refusals(file.url):
                self.notes.add(ROBOTS_BLOCKED, file, url=file.url, value=refusal_text(refusal))

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check the URL of each page."""
        refusals = self.site.refusals
        if refusals is None:
            return
        for entry in entries:
            if entry.type == "url" and (found := refusals(entry.url)):
                self._report(file, entry.url, found)

    def _report(self, file: CheckedFile, url: str, found: Sequence[RobotsRefusal]) -> None:
        """Report a URL by each line that disallows it."""
        others = self._names_crawlers and all(each.agents == (EVERY_OTHER,) for each in found)
        for refusal in found:
            broken = URL_BLOCKED_OTHERS if others else URL_BLOCKED
            self.notes.add(broken, file, url=url, value=refusal_text(refusal))


def refusal_text(refusal: RobotsRefusal) -> str:
    """Return a line of robots.txt, with its number, its group and the crawlers that obey it."""
    agents = ", ".join(refusal.agents)
    return f"{refusal.rule} (robots.txt line {refusal.line}, group {refusal.group}, for {agents})"
