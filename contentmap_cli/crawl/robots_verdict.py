"""Explain what a robots.txt says about a URL: the group that applies and the rule that decides."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from contentmap_cli.crawl.robots import agent_token, applicable_lines, product_token
from contentmap_cli.models import Limits
from contentmap_cli.models.hosts import origin_of
from contentmap_cli.models.robots import RobotsRefusal, RobotsVerdict, RobotsVersion
from contentmap_cli.sitemap.robots.document import parse_robots
from contentmap_cli.sitemap.robots.fields import AGENT, DISALLOW
from contentmap_cli.sitemap.robots.lines import RobotsLine, RobotsText
from contentmap_cli.sitemap.robots.matching import GroupRules

_CUT = frozenset({"body_too_large", "body_truncated"})
_SUBSTITUTES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("googlebot-image", "googlebot-video", "googlebot-news", "google-inspectiontool"), ("googlebot",)
    ),
    **dict.fromkeys(("googleother-image", "googleother-video"), ("googleother",)),
    "applebot": ("googlebot",),
}
"""The groups that a crawler obeys if it has none of its own, before the one for all, as documented for it."""

_WITHOUT_GENERAL: Final = frozenset(
    {"adsbot-google", "adsbot-google-mobile", "apis-google", "mediapartners-google"}
)
"""Crawlers that ignore the group for all (Google's special-case crawlers)."""


def read_robots_body(body: bytes | None, url: str, *, cut: bool = False) -> RobotsText | None:
    """Parse the body of a robots.txt; None if there is none, or an HTML page instead."""
    if body is None:
        return None
    return parse_robots(io.BytesIO(body), base=url, limits=Limits(), cut=cut).text


def read_version(version: RobotsVersion) -> RobotsText | None:
    """Parse a recorded robots.txt; None if there is none, or an HTML page instead."""
    cut = any(problem.code in _CUT for problem in version.problems)
    return read_robots_body(version.body, version.final_url, cut=cut)


def decide(robots: RobotsText | None, url: str, agent: str) -> RobotsVerdict:
    """Return whether `agent`, a product token or User-Agent, may request `url`, and the deciding rule.

    The longest matching rule decides, `Allow` if two are equally long (RFC 9309 section 2.2.2).
    """
    product = product_token(agent)
    group, rows = applicable_group(robots.lines if robots is not None else (), product)
    line = GroupRules(rows).deciding(url)
    if line is None:
        return RobotsVerdict(url, product, allowed=True, group=group)
    return RobotsVerdict(url, product, line.key != DISALLOW, group, line.number, line.text)


def applicable_group(lines: Sequence[RobotsLine], product: str) -> tuple[str | None, list[RobotsLine]]:
    """Return the user agent of the group that applies to a crawler, and its rules (section 2.2.1)."""
    name = product.lower()
    general = () if name in _WITHOUT_GENERAL else ("*",)
    named = {agent_token(line.value).lower() for line in lines if line.key == AGENT}
    for token in (name, *_SUBSTITUTES.get(name, ()), *general):
        if token in named:
            return _group(lines, token)
    return None, []


def _group(lines: Iterable[RobotsLine], token: str) -> tuple[str | None, list[RobotsLine]]:
    """Return the user agent of a group as published, and its rules."""
    found = list(applicable_lines(lines, token))
    names = [agents for agents, line in found if line.key == AGENT and agents.lower() == token]
    return names[0], [
        line for agents, line in found if line.key != AGENT and token in agents.lower().split(",")
    ]


class SiteRobots:
    """What the robots.txt files of a site say to some crawlers, prepared for many URLs.

    `files` are the parsed files by origin; of other origins nothing is known, and nothing is refused. Agents
    are product tokens or User-Agents, or `*` for every crawler without a group of its own.
    """

    def __init__(self, files: Mapping[str, RobotsText | None], agents: Sequence[str]) -> None:
        self._groups = {
            origin: _groups(text.lines, dict.fromkeys(agents))
            for origin, text in files.items()
            if text is not None
        }

    def refusals(self, url: str) -> list[RobotsRefusal]:
        """Return the lines that disallow a URL to at least one of the crawlers."""
        found = []
        for agents, group, rules in self._of(url) or ():
            line = rules.deciding(url)
            if line is not None and line.key == DISALLOW:
                found.append(RobotsRefusal(agents, group, line.number, line.text))
        return found

    def allows(self, agent: str, url: str) -> bool | None:
        """Return whether one of the crawlers may request a URL, None if that is not known."""
        if self._of(url) is None:
            return None
        return not any(agent in refusal.agents for refusal in self.refusals(url))

    def _of(self, url: str) -> Sequence[_Group] | None:
        end = url.find("/", 8)
        groups = self._groups.get(url[:end] if end > 0 else url)
        return groups if groups is not None else self._groups.get(origin_of(url) or "")


_Group = tuple[tuple[str, ...], str, GroupRules]


def _groups(lines: Sequence[RobotsLine], agents: Iterable[str]) -> list[_Group]:
    """Return the groups that apply to some crawlers: the crawlers, user agent and rules of each."""
    found: dict[str, tuple[list[str], list[RobotsLine]]] = {}
    for agent in agents:
        group, rows = applicable_group(lines, agent if agent == "*" else product_token(agent))
        if group is not None and any(row.key == DISALLOW and row.value for row in rows):
            found.setdefault(group, ([], rows))[0].append(agent)
    return [(tuple(agents), group, GroupRules(rows)) for group, (agents, rows) in found.items()]
