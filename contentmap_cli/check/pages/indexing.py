"""Rules of a page for crawlers that keep it out of the index: meta elements and X-Robots-Tag.

The rules for all crawlers and those for one crawler are added up, and the strictest one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from contentmap_cli.check.pages.dates import parse_date
from contentmap_cli.models.pages import PageFacts

_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_AGENT = re.compile(r"\s*([A-Za-z][A-Za-z0-9_./-]*)\s*:(.*)", re.DOTALL)
_AFTER = re.compile(r"unavailable_after\s*:", re.IGNORECASE)


class Exclusion(NamedTuple):
    """A rule that keeps a page out of the index. `agent` is None if it is for all crawlers.

    `source` is where it stands, `text` the rules as published.
    """

    agent: str | None
    source: str
    text: str


def exclusion_of(facts: PageFacts, agents: Sequence[str], now: datetime) -> Exclusion | None:
    """Return the rule that keeps a page out of the index of all crawlers or of one of `agents`."""
    wanted = {agent.lower() for agent in agents}
    for name, content in facts.head.robots if facts.head is not None else ():
        agent = None if name == "robots" else name
        if (agent is None or agent in wanted) and _excludes(content, now):
            return Exclusion(agent, f"meta {name}", content)
    for line in facts.robots_tags:
        for agent, content in _groups(line):
            if (agent is None or agent in wanted) and _excludes(content, now):
                return Exclusion(agent, "X-Robots-Tag", line.strip())
    return None


def _groups(line: str) -> Iterator[tuple[str | None, str]]:
    """Split one X-Robots-Tag header into (agent, rules); an agent counts up to the next one."""
    agent: str | None = None
    rules: list[str] = []
    for part in line.split(","):
        match = _AGENT.fullmatch(part)
        if match is not None and match[1].lower() not in _WITH_VALUE:
            yield agent, ",".join(rules)
            agent, rules = match[1].lower(), [match[2]]
        else:
            rules.append(part)
    yield agent, ",".join(rules)


def _excludes(content: str, now: datetime) -> bool:
    """Return whether rules for crawlers exclude a page now."""
    after = _AFTER.search(content)
    if after is not None:
        parts = content[after.end() :].split(",")
        for end in range(len(parts), 0, -1):  # a date may have a comma, and rules may follow it
            until = parse_date(",".join(parts[:end]))
            if until is not None:
                if until.end < now:
                    return True
                content = ",".join([content[: after.start()], *parts[end:]])
                break
    for part in content.lower().split(","):
        if ":" not in part and not {"noindex", "none"}.isdisjoint(re.split(r"[\s;]+", part)):
            return True
    return False
