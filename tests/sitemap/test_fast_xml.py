"""Plain entries read without a parser equal those of the parser. A processing instruction before the root
disables the fast path and changes nothing else."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.models import Document, Entry, Limits
from contentmap_cli.models.entry_sink import PlainEntries
from contentmap_cli.sitemap import entry_builder, parse_document
from contentmap_cli.sitemap.entry_builder import EntryBuilder, Extensions
from contentmap_cli.sitemap.xml import fast_xml

SITE = "https://site.example"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"

URLS = (
    f"{SITE}/blog/{{n}}",
    f"{SITE}/{{n}}?a=1&amp;b=2&amp;amp;c",
    f"{SITE}",
    f"{SITE}/",
    f"{SITE}?q={{n}}",
    f"{SITE}/Products",
    f"{SITE}/newsletter.html#{{n}}",
    f"{SITE}/same",
)
ODD_URLS = (
    "https://site.example.evil/{n}",
    "https://other.example/{n}",
    "http://site.example/{n}",
    "https://site.example:8443/{n}",
    "https://site.examplex",
    "/relative/{n}",
    "https://site.example/caf\u00e9/{n}",
    "https://site.example/a b/{n}",
    "https://site.example/&lt;{n}&gt;",
    "https://site.example/&#101;{n}",
    "<![CDATA[https://site.example/?a&b={n}]]>",
    "https://site.example/<!-- hidden -->{n}",
    "ftp://site.example/{n}",
    "https://site.example/" + "x" * 2040,
    "",
)
DATES = ("2024-02-29", "2024-12-31T23:59:59Z", "2021-06-30T00:00:00+00:00", "2020-01-01")
ODD_DATES = (
    *("2023-02-29", "2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00.5Z", "2024", "", " 2024-01-02 "),
    *("yesterday", "2024-13-01", "2024-04-31", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00Zulu", "&amp;"),
)
FREQS = ("daily", "never", "always")
ODD_FREQS = ("Daily", "", "sometimes", " weekly ", "hourly<!-- -->")
PRIORITIES = ("0.5", "1", "1.0", "0")
ODD_PRIORITIES = ("1.5", "", ".5", "0,5", "high", "-1", "1e400", "..", "0.50000000000000000000001")
SPACES = ("", "\n", "\r\n  ", "\t")
ODD_SPACES = ("<!-- <url><loc>https://site.example/hidden</loc></url> -->", "stray text", "<?pi?>", "\u00a0")
HEADS = ("", '<?xml version="1.0"?>\n', "<?xml version='1.0' encoding='utf-8'?><!-- made - by -->\n")
ROOTS = (
    f'<urlset xmlns="{NAMESPACE}">',
    "<urlset>",
    f"<urlset\n xmlns='{NAMESPACE}' xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\" >",
)
ODD_ROOTS = (
    '<urlset xmlns="http://www.google.com/schemas/sitemap-image/1.1">',
    '<urlset a="1" a="2">',
    "<urlset x:y='1'>",
    f'<s:urlset xmlns:s="{NAMESPACE}">',
    "<urlset><!-- --> ",
    f'<urlset xmlns="{NAMESPACE}"><url/>',
)
ENDS = ("</urlset>", "\n</urlset>\n", "</urlset><!-- bye -->")
ODD_ENDS = ("", "</urlse", "</urlset></urlset>", "<url><loc>https://site.example/x", "</urlset><urlset/>")


class Writer:
    """Writes plain sitemaps with a share of `odd` pieces."""

    def __init__(self, seed: int, odd: float) -> None:
        self.random = random.Random(seed)
        self.odd = odd

    def pick(self, usual: tuple[str, ...], odd: tuple[str, ...]) -> str:
        return self.random.choice(odd if self.random.random() < self.odd else usual)

    def space(self) -> str:
        return self.pick(SPACES, ODD_SPACES if self.random.random() < 0.1 else SPACES)

    def field(self, name: str, usual: tuple[str, ...], odd: tuple[str, ...]) -> str:
        if self.random.random() < 0.3:
            return ""
        return f"{self.space()}<{name}>{self.pick(usual, odd)}</{name}>"

    def entry(self, number: int) -> str:
        space = self.random.choice(("", " ", "\n"))
        loc = f"<loc>{space}{self.pick(URLS, ODD_URLS).replace('{n}', str(number))}{space}</loc>"
        fields = [
            self.field("lastmod", DATES, ODD_DATES),
            self.field("changefreq", FREQS, ODD_FREQS),
            self.field("priority", PRIORITIES, ODD_PRIORITIES),
        ]
        if self.random.random() < self.odd / 4:
            self.random.shuffle(fields)
        return f"<url>{self.space()}{loc}{''.join(fields)}{self.space()}</url>{self.space()}"

    def document(self, entries: int) -> tuple[str, str]:
        """What stands before the root, and the rest."""
        body = "".join(self.entry(number) for number in range(entries))
        root, end = self.pick(ROOTS, ODD_ROOTS), self.pick(ENDS, ODD_ENDS)
        return self.random.choice(HEADS), f"{root}{self.space()}{body}{end}"


class Kept(list[Entry]):
    """A sink that keeps the entries."""


def parse(data: bytes, limits: Limits | None = None) -> tuple[Document, list[str], list[Entry]]:
    sink = Kept()
    document = parse_document(io.BytesIO(data), sink, base=f"{SITE}/map.xml", limits=limits or Limits())
    return document, [entry.url for entry in sink], list(sink)


def both_ways(head: str, rest: str, limits: Limits | None = None) -> tuple[tuple[Document, list[Entry]], ...]:
    """The document read by the fast path and by the parser, without the digests, which differ."""
    read = []
    for text in (head + rest, f"{head}<?by the parser?>{rest}"):
        document, _, entries = parse(text.encode(), limits)
        read.append((replace(document, digest=None, decoded_bytes=0), entries))
    return tuple(read)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.002, 0.02, 0.2]), st.integers(0, 60))
def test_both_ways_agree(seed: int, odd: float, entries: int) -> None:
    """Entries, problems with lines, facts and failures are equal."""
    short, long = both_ways(*Writer(seed, odd).document(entries))
    assert short == long


@pytest.mark.parametrize("piece", [64, 300, 5000])
def test_pieces_of_any_size(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result does not depend on the pieces."""
    monkeypatch.setattr(fast_xml, "PIECE", piece)
    for seed in range(150):
        short, long = both_ways(*Writer(seed, 0.01).document(seed % 90))
        assert short == long, seed


@pytest.mark.parametrize("most", [1, 7, 1500])
def test_limits_hold_on_the_short_way(most: int) -> None:
    """Both limits on the number of URLs are equal on both paths."""
    limits = Limits(file_urls_hard=most, file_urls=5)
    short, long = both_ways(*Writer(1, 0.0).document(2000), limits)
    assert short == long
    assert len(short[1]) == most


def taken(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many entries of a document the fast path read."""
    counts: list[int] = []
    take: Callable[..., bool] = EntryBuilder.add_plain

    def counting(
        builder: EntryBuilder, entries: PlainEntries, extensions: Sequence[Extensions], lines: Sequence[int]
    ) -> bool:
        done = take(builder, entries, extensions, lines)
        counts.append(len(entries.urls) if done else 0)
        return done

    monkeypatch.setattr(EntryBuilder, "add_plain", counting)
    parse(text.encode())
    return sum(counts)


def test_what_most_sitemaps_are_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path reads a whole document."""
    for seed in range(20):
        head, rest = Writer(seed, 0.0).document(100)
        assert taken(head + rest, monkeypatch) == 100


@pytest.mark.parametrize(
    "origin", ["http://a.example:80", "https://a.example:8443", "http://127.0.0.1:18080"]
)
def test_ports_are_plain(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs with a port are read by the fast path."""
    entries = "".join(f"<url><loc>{origin}/{number}</loc></url>" for number in range(9))
    assert taken(f"<urlset>{entries}</urlset>", monkeypatch) == 9


def test_several_origins_of_one_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many hosts in one piece are read by the fast path if all have the same scope."""
    hosts = ("a.example", "www.a.example", "a.example:8443", "b.example")
    entries = [f"<url><loc>https://{host}/x</loc></url>" for host in hosts]
    for inside in (hosts, (), ("b.example",)):
        kept = Kept()
        text = f"<urlset>{''.join(entries)}</urlset>".encode()
        parse_document(
            io.BytesIO(text), kept, in_scope=lambda url, inside=inside: url.split("/")[2] in inside
        )
        assert [entry.in_scope for entry in kept] == [host in inside for host in hosts]


def test_one_odd_entry_leaves_the_pieces_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces before the first odd entry are read by the fast path, the rest is not."""
    entry = f"<url><loc>{SITE}/a</loc></url>\n"
    odd = f"<url><loc>{SITE}/b</loc><image/></url>\n"
    text = f"<urlset>{entry * 5000}{odd}{entry * 5000}</urlset>"
    count = taken(text, monkeypatch)
    assert 3000 < count < 5000


def test_hidden_entries_stay_hidden() -> None:
    """An entry in a comment is not listed."""
    entry = f"<url><loc>{SITE}/{{}}</loc></url>\n"
    for opening in ("", entry.format("first")):
        _, urls, _ = parse(
            f"<urlset>{opening}<!-- {entry.format('hidden')} -->{entry.format('b')}</urlset>".encode()
        )
        assert f"{SITE}/hidden" not in urls
        assert f"{SITE}/b" in urls


def test_more_dates_and_priorities_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without repeated values is read equally on both paths."""
    for module in (entry_builder, fast_xml):
        monkeypatch.setattr(module, "CACHED", 100)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    entries = "".join(
        f"<url><loc>{SITE}/{n}</loc><lastmod>{(first + timedelta(minutes=n)).isoformat()}</lastmod>"
        f"<priority>0.{n:05}</priority></url>\n"
        for n in range(2_000)
    )
    short, long = both_ways("", f"<urlset>{entries}</urlset>")
    assert short == long
    assert len({entry.lastmod for entry in short[1]}) == len(short[1]) == 2_000
