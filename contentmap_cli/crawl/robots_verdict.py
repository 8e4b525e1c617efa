"""Explain what a robots.txt says about a URL: the group that applies and the rule that decides."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache

from protego import Protego

from contentmap_cli.crawl.robots import applicable_lines, product_token, relevant_lines
from contentmap_cli.models import Limits
from contentmap_cli.models.robots import RobotsVerdict, RobotsVersion
from contentmap_cli.sitemap.robots.document import parse_robots
from contentmap_cli.sitemap.robots.fields import AGENT, ALLOW, DISALLOW
from contentmap_cli.sitemap.robots.lines import RobotsLine, RobotsText

_CUT = frozenset({"body_too_large", "body_truncated"})


def read_version(version: RobotsVersion) -> RobotsText | None:
    """Parse a recorded robots.txt; None if there is none, or an HTML page instead."""
    if version.body is None:
        return None
    cut = any(problem.code in _CUT for problem in version.problems)
    return parse_robots(io.BytesIO(version.body), base=version.final_url, limits=Limits(), cut=cut).text


def decide(robots: RobotsText | None, url: str, agent: str) -> RobotsVerdict:
    """Return whether `agent`, a product token or User-Agent, may request `url`, and the deciding rule.

    The longest matching rule decides, `Allow` if two are equally long (RFC 9309 section 2.2.2).
    """
    product = product_token(agent)
    lines = robots.lines if robots is not None else ()
    rules = Protego.parse("\n".join(relevant_lines(lines, product)))
    allowed = bool(rules.can_fetch(url, product))
    group, rows = _group(lines, product)
    wanted = ALLOW if allowed else DISALLOW
    matching = [row for row in rows if row.key == wanted and row.value and _matches(row.value, url)]
    if not matching:
        return RobotsVerdict(url, product, allowed, group)
    longest = max(matching, key=lambda row: len(row.value.encode()))
    return RobotsVerdict(url, product, allowed, group, longest.number, longest.text)


def _group(lines: Iterable[RobotsLine], product: str) -> tuple[str | None, list[RobotsLine]]:
    """Return the user agent of the group that applies, and its rules."""
    found = list(applicable_lines(lines, product))
    names = [agents for agents, line in found if line.key == AGENT]
    group = next((name for name in names if name != "*"), "*" if names else None)
    return group, [
        line
        for agents, line in found
        if line.key != AGENT and group is not None and group.lower() in agents.lower().split(",")
    ]


@lru_cache(maxsize=4096)
def _rule(value: str) -> Protego:
    return Protego.parse(f"User-agent: *\nDisallow: {value}")


def _matches(value: str, url: str) -> bool:
    return not _rule(value).can_fetch(url, "*")
