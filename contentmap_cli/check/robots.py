"""Rules about the lines of a robots.txt. Its delivery is checked in `delivery`."""

from __future__ import annotations

from typing import Final

from contentmap_cli.check.registry import GOOGLE, PROTOCOL, RFC_9309, rule
from contentmap_cli.models import Severity
from contentmap_cli.models.findings import Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

LIMIT_ROBOTS = rule(
    "limit-robots", _W, "robots.txt larger than 500 KiB",
    "Crawlers need not read more than that, so later rules may be ignored.",
    f"{RFC_9309}#section-2.5",
)  # fmt: skip
ROBOTS_HTML = rule(
    "robots-html", _E, "HTML page served as robots.txt",
    "Its rules and its Sitemap lines are ignored.", f"{RFC_9309}#section-2.3",
)  # fmt: skip
ROBOTS_CONTENT = rule(
    "robots-content", _E, "robots.txt without any valid line",
    "Another document is served at its address; crawlers then fetch everything.",
    f"{RFC_9309}#section-2.2",
)  # fmt: skip
ROBOTS_LINES = rule(
    "robots-lines", _E, "several robots.txt lines in one",
    "Most crawlers read one key per line: rules and sitemaps after the first are lost.",
    f"{RFC_9309}#section-2.2",
)  # fmt: skip
ROBOTS_SITEMAP = rule(
    "robots-sitemap", _E, "Sitemap line is not one absolute URL",
    "Strict crawlers do not find the sitemap.", f"{PROTOCOL}#submit_robots",
)  # fmt: skip
ROBOTS_KEY = rule(
    "robots-key", _W, "misspelt key or missing colon",
    "Some crawlers accept it and others ignore the line.", f"{RFC_9309}#section-2.2",
)  # fmt: skip
ROBOTS_GROUP = rule(
    "robots-group", _W, "rule before the first User-agent line",
    "It belongs to no group, so it applies to no crawler.", f"{RFC_9309}#section-2.2.1",
)  # fmt: skip
ROBOTS_UNKNOWN = rule(
    "robots-unknown", _I, "line that no robots.txt standard defines",
    "Crawlers ignore it.", f"{RFC_9309}#section-2.2.4",
)  # fmt: skip
ROBOTS_ENCODING = rule(
    "robots-encoding", _W, "robots.txt is not plain UTF-8",
    "Crawlers may drop the characters, or the first line after a byte order mark.",
    f"{GOOGLE}/robots/robots_txt#file-format",
)  # fmt: skip

ROBOTS_PROBLEMS: Final[dict[str, Rule]] = {
    "robots_is_html": ROBOTS_HTML,
    "robots_not_understood": ROBOTS_CONTENT,
    "line_ends_lost": ROBOTS_LINES,
    "several_urls": ROBOTS_SITEMAP,
    "misspelt_key": ROBOTS_KEY,
    "missing_colon": ROBOTS_KEY,
    "unknown_line": ROBOTS_UNKNOWN,
    "rule_without_agent": ROBOTS_GROUP,
    "byte_order_mark": ROBOTS_ENCODING,
}
"""The rules for problems that only a robots.txt has."""

IN_ROBOTS: Final[dict[str, Rule]] = {
    **ROBOTS_PROBLEMS,
    **dict.fromkeys(("rejected_url", "missing_url", "url_too_long", "url_repaired"), ROBOTS_SITEMAP),
    **dict.fromkeys(("relative_url", "scheme_added"), ROBOTS_SITEMAP),
    "wrong_encoding": ROBOTS_ENCODING,
    "body_too_large": LIMIT_ROBOTS,
}
"""The rules for problems in a robots.txt, where they differ from those in a sitemap."""
