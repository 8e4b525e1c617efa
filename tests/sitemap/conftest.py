"""Common fixtures of the reader's tests: a sink that keeps entries, and a function that parses bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from contentmap_cli.models import Document, Entry, Limits
from contentmap_cli.sitemap import parse_document

BASE = "https://site.example/maps/sitemap.xml"


@dataclass
class Reading:
    """A document and the entries that came with it; also the sink that they came through."""

    entries: list[Entry] = field(default_factory=list)
    batches: int = 0
    cleared: int = 0
    document: Document | None = None

    def extend(self, entries: Sequence[Entry]) -> None:
        self.entries.extend(entries)
        self.batches += 1

    def clear(self) -> None:
        self.entries.clear()
        self.cleared += 1

    @property
    def outcome(self) -> Document:
        assert self.document is not None
        return self.document

    @property
    def urls(self) -> list[str]:
        return [entry.url for entry in self.entries]

    @property
    def codes(self) -> set[str]:
        return {problem.code for problem in self.outcome.problems}

    @property
    def failure(self) -> str | None:
        return self.outcome.failure.code if self.outcome.failure else None


Parse = Callable[..., Reading]


@pytest.fixture
def parse() -> Parse:
    """Parses text (as UTF-8) or bytes as if they came from `BASE`."""

    def run(
        content: str | bytes,
        *,
        base: str | None = BASE,
        limits: Limits | None = None,
        in_scope: Callable[[str], bool] | None = None,
        robots: bool = False,
        content_type: str | None = None,
    ) -> Reading:
        data = content.encode() if isinstance(content, str) else content
        reading = Reading()
        source = io.BytesIO(data)
        source.seek(len(data))  # wherever the source stands, it is read from its start
        reading.document = parse_document(
            source,
            reading,
            base=base,
            limits=limits or Limits(),
            in_scope=in_scope,
            robots=robots,
            content_type=content_type,
        )
        assert reading.document.entries == len(reading.entries)
        return reading

    return run


@pytest.fixture
def urlset() -> Callable[..., str]:
    """Writes a urlset around entries."""

    def write(*entries: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n') -> str:
        names = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        names += ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
        names += ' xmlns:video="http://www.google.com/schemas/sitemap-video/1.1"'
        names += ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
        names += ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
        return f"{head}<urlset {names}>\n" + "\n".join(entries) + "\n</urlset>\n"

    return write
