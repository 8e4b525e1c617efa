"""Feeds the sitemap reader with documents that nobody would write, for as long as one likes.

usage: python tests/fuzz/fuzz_parse.py [--seconds 60] [--seed N]

Every document must come back as an outcome: nothing raises, entries are recordable, problems are few, and the
time grows with the size alone. For damage that loses nothing, the URLs must be those that were written. A
failing document is kept in the current folder as `fuzz-<seed>.bin`.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import damaged_sitemaps as damaged  # noqa: E402 - found on the path set above

from contentmap_cli.crawl.pages.refusals import page_kind  # noqa: E402
from contentmap_cli.models import Document, Entry, Limits  # noqa: E402
from contentmap_cli.models.entry_sink import EntryList  # noqa: E402
from contentmap_cli.sitemap import parse_document, parse_lastmod  # noqa: E402
from contentmap_cli.sitemap.html.links import site_links  # noqa: E402

LIMITS = Limits(file_urls=5, file_urls_hard=2000, body_bytes=4 * 1024 * 1024, xml_token_bytes=64 * 1024)
SECONDS_PER_MEGABYTE = 60.0


def parse(data: bytes, *, robots: bool = False) -> tuple[Document, list[Entry]]:
    """Parses one document with small limits."""
    sink = EntryList()
    document = parse_document(
        io.BytesIO(data), sink, base=damaged.BASE, limits=LIMITS, in_scope=lambda _: True, robots=robots
    )
    return document, sink.entries


def check_bounds(data: bytes, *, robots: bool = False) -> None:
    """Asserts what must hold whatever the bytes are."""
    started = time.process_time()
    document, entries = parse(data, robots=robots)
    spent = time.process_time() - started
    assert document.entries == len(entries) <= LIMITS.file_urls_hard, document
    assert len(document.problems) < 400, document
    assert (document.failure is None) == document.complete, document
    assert spent < 0.5 + SECONDS_PER_MEGABYTE * max(len(data), document.decoded_bytes) / 1e6, spent
    for entry in entries:
        assert entry.url.lower().startswith(("http://", "https://")), entry
        assert len(entry.url.encode("utf-8")) <= LIMITS.url_length, entry
        assert not any(c < " " or c == "\x7f" for c in entry.url), entry
        assert entry.priority is None or 0 <= entry.priority <= 1, entry
        for attributes in (*entry.images, *entry.videos, *entry.news, *entry.alternates):
            assert all(value and "\0" not in value for value in attributes.values()), entry
            "".join((*attributes, *attributes.values())).encode("utf-8")


def fuzz_scrambled(rng: random.Random) -> bytes:
    """A sitemap, damaged, encoded and scrambled."""
    text = damaged.write(rng).text if rng.random() < 0.8 else feed(rng)
    for damage in rng.sample(damaged.HARMLESS, rng.randint(0, 3)):
        text = damage(rng, text)
    data = damaged.encode(rng, text)
    for _ in range(rng.randint(1, 3)):
        data = damaged.scramble(rng, data)
    return data


def fuzz_repeated(rng: random.Random) -> bytes:
    """The same splinter again and again: what makes a careless reader slow."""
    head = rng.choice((b"", b"<urlset>", b"<urlset><url><loc>", b"<rss><item>", b"<feed><entry>", b"<html>"))
    splinters = b"".join(rng.choices(damaged.SPLINTERS, k=rng.randint(1, 3)))
    return head + splinters * rng.choice((10, 1000, 10_000))


def feed(rng: random.Random) -> str:
    """An RSS or Atom feed."""
    urls = [damaged.escape(damaged.url(rng, number)) for number in range(rng.randint(0, 5))]
    if rng.random() < 0.5:
        items = "".join(
            f"<item><title>t</title><link>{url}</link><pubDate>x</pubDate></item>" for url in urls
        )
        return f'<?xml version="1.0"?><rss version="2.0"><channel>{items}</channel></rss>'
    items = "".join(f'<entry><link href="{url}"/><updated>2024</updated></entry>' for url in urls)
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{items}</feed>'


def run(seed: int) -> None:
    """One round, repeatable by its seed."""
    rng = random.Random(seed)
    make: Callable[[random.Random], bytes] = rng.choice(
        (fuzz_scrambled, fuzz_scrambled, fuzz_scrambled, fuzz_repeated)
    )
    data = make(rng)
    try:
        check_bounds(data, robots=rng.random() < 0.1)
        site_links(data, damaged.BASE)
        page_kind(data)
        parse_lastmod(data[:60].decode("latin-1"))
    except BaseException:
        Path(f"fuzz-{seed}.bin").write_bytes(data)
        raise
    written = damaged.write(rng)
    text = written.text
    for damage in (chosen := rng.sample(damaged.HARMLESS, rng.randint(0, 2))):
        text = damage(rng, text)
    _, entries = parse(text.encode("utf-8"))
    given = [entry.url for entry in entries]
    known = set(written.urls)
    assert known.issuperset(given), (chosen, text, set(given) - known)
    cut = written.text[: rng.randint(0, len(written.text))]
    document, entries = parse(cut.encode("utf-8"))
    given = [entry.url for entry in entries]
    assert given == list(written.urls[: len(given)]), (cut, given)
    assert len(given) == len(written.urls) or not document.complete, cut


def main() -> int:
    """Runs until the time is up; 1 as soon as one document fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    seed = first = options.seed
    while time.monotonic() < end:
        try:
            run(seed)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed} fails", file=sys.stderr)
            return 1
        seed += 1
    print(f"{seed - first} documents, seeds {first} to {seed - 1}: all came back as outcomes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
