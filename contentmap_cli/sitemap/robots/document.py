"""Parse a robots.txt as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from contentmap_cli.models import Document, Limits, Problem
from contentmap_cli.sitemap.document import DocumentParser, NullSink
from contentmap_cli.sitemap.robots.lines import RobotsText


class ParsedRobots(NamedTuple):
    """A parsed robots.txt: the document, its rules (None for an HTML page), and its decoded bytes."""

    document: Document
    text: RobotsText | None
    body: bytes


def parse_robots(source: BinaryIO, *, base: str | None, limits: Limits, cut: bool = False) -> ParsedRobots:
    """Parse at most `limits.robots_bytes` of a robots.txt, as `parse_document` does.

    `cut` says that `source` ends before the document does: the last line is then ignored.
    """
    sink = _RobotsSink()
    parser = DocumentParser(source, sink, base, _robots_limits(limits), None, None)
    parser.cut = cut
    document = parser.run(robots=True)
    if limits.details:
        document = replace(document, problems=tuple(sink.problems))
    return ParsedRobots(document, parser.robots, parser.robots_body)


@lru_cache(maxsize=8)
def _robots_limits(limits: Limits) -> Limits:
    return replace(limits, body_bytes=limits.robots_bytes)


class _RobotsSink(NullSink):
    """Collects the problems of a robots.txt, which is small."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def extend_problems(self, problems: Sequence[Problem]) -> None:
        """Add the next problems."""
        self.problems.extend(problems)
