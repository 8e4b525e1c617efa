"""Properties of all sitemaps, tested on damaged and random ones. `tests/fuzz/fuzz_parse.py` runs the same
without a time limit."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import damaged_sitemaps as damaged
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.models import Document, DocumentKind, Entry, Limits
from contentmap_cli.models.entry_sink import EntryList
from contentmap_cli.sitemap import parse_document

SEEDS = st.integers(0, 2**32)


def parse(data: bytes, limits: Limits | None = None) -> tuple[Document, list[str], list[Entry]]:
    sink = EntryList()
    document = parse_document(io.BytesIO(data), sink, base=damaged.BASE, limits=limits or Limits())
    assert document.entries == len(sink.entries)
    return document, [entry.url for entry in sink.entries], sink.entries


def is_in_order(given_urls: Iterable[str], written: Sequence[str]) -> bool:
    """Return whether the first is a subsequence of the second."""
    rest = iter(written)
    return all(any(url == other for other in rest) for url in given_urls)


@given(SEEDS, st.sampled_from(damaged.ENCODINGS))
def test_well_formed(seed: int, encoding: str) -> None:
    """Every URL is listed in order, without repairs and problems."""
    written = damaged.write(random.Random(seed))
    document, urls, entries = parse(written.text.encode(encoding))
    assert urls == list(written.urls)
    assert not any(entry.repaired for entry in entries)
    codes = {problem.code for problem in document.problems}
    assert codes <= {f"invalid_{name}" for name in ("lastmod", "changefreq", "priority")} | {
        *("empty_lastmod", "changefreq_format", "priority_format")
    }
    assert document.complete


@pytest.mark.parametrize("damage", damaged.HARMLESS, ids=lambda damage: damage.__name__)
def test_each_damage_loses_nothing(damage: Callable[[random.Random, str], str]) -> None:
    """With one kind of damage to the markup every URL is listed in order, and the damage is reported."""
    for seed in range(60):
        rng = random.Random(seed)
        written = damaged.write(rng, entries=rng.randint(1, 12))
        text = damage(rng, written.text)
        document, urls, _ = parse(text.encode(rng.choice(damaged.ENCODINGS)))
        assert urls == list(written.urls), (damage.__name__, seed, text)
        assert document.kind in ("urlset", "index")


@given(SEEDS)
def test_damages_together_invent_nothing(seed: int) -> None:
    """Several kinds of damage may lose URLs, but list only written ones, in order, and report losses."""
    rng = random.Random(seed)
    written = damaged.write(rng)
    text = written.text
    for damage in rng.sample(damaged.HARMLESS, rng.randint(1, 4)):
        text = damage(rng, text)
    document, urls, _ = parse(damaged.encode(rng, text))
    assert is_in_order(urls, written.urls), text
    assert len(urls) == len(written.urls) or document.problems, text


@given(SEEDS)
def test_both_readers_agree(seed: int) -> None:
    """The tolerant and the strict reader give equal values."""
    written = damaged.write(random.Random(seed))
    _, _, strict = parse(written.text.encode())
    _, _, tolerant = parse(f"x{written.text}".encode())
    assert tolerant == strict


@given(SEEDS)
def test_doubled(seed: int) -> None:
    """Two documents in one file are both read."""
    rng = random.Random(seed)
    written = damaged.write(rng)
    document, urls, _ = parse(damaged.doubled(rng, written.text).encode())
    assert urls == [*written.urls, *written.urls]
    assert document.complete


@given(SEEDS, st.floats(0, 1), st.booleans())
def test_truncated(seed: int, share: float, also_damaged: bool) -> None:
    """A truncated document gives complete URLs from the start, and is reported."""
    rng = random.Random(seed)
    written = damaged.write(rng)
    text = damaged.bare_ampersands(rng, written.text) if also_damaged else written.text
    cut = text[: int(len(text.rstrip()) * share)].rstrip()
    document, urls, _ = parse(cut.encode())
    assert urls == list(written.urls[: len(urls)])
    assert len(urls) >= cut.count("</loc>") - cut.count("<!-- <loc>") - 1
    if len(urls) < len(written.urls):
        assert not document.complete
        assert document.problems


@given(SEEDS, st.integers(0, 3))
def test_scrambled(seed: int, times: int) -> None:
    """Random bytes raise nothing, and every entry can be stored."""
    rng = random.Random(seed)
    data = damaged.encode(rng, damaged.write(rng).text)
    for _ in range(times):
        data = damaged.scramble(rng, data)
    document, _, entries = parse(
        data, Limits(body_bytes=2_000_000, file_urls_hard=1000, xml_token_bytes=50_000)
    )
    assert (document.failure is None) == document.complete
    for entry in entries:
        assert entry.url.lower().startswith(("http://", "https://"))
        assert len(entry.url.encode("utf-8")) <= 2048
        assert entry.priority is None or 0 <= entry.priority <= 1


@given(st.binary(max_size=3000), st.booleans())
def test_any_bytes(data: bytes, robots: bool) -> None:
    """Any bytes have an outcome: what is not read to its end has a reason, and what was read is counted."""
    entries = EntryList()
    document = parse_document(io.BytesIO(data), entries, base=damaged.BASE, robots=robots)
    assert (document.failure is None) == document.complete
    assert document.entries == len(entries.entries)
    assert (document.kind is DocumentKind.ROBOTS) == robots
    assert all(problem.count > 0 for problem in document.problems)


@pytest.mark.campaign
def test_the_fuzzing_program_runs(tmp_path: Path) -> None:
    """It finds nothing in one second."""
    program = Path(__file__).parents[1] / "fuzz" / "fuzz_parse.py"
    command = [sys.executable, str(program), "--seconds", "1", "--seed", "1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "all came back as outcomes" in result.stdout


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("</urlset>", id="well-formed"),
        pytest.param("&</urlset>", id="broken", marks=pytest.mark.campaign),
    ],
)
def test_memory_does_not_grow_with_the_document(end: str) -> None:
    """A document of 10 MB, read strictly or tolerantly, costs a few megabytes.

    The tree that lxml keeps is not Python's memory and is not measured here; it is freed after each chunk.
    """

    class Counting:
        def extend(self, entries: Sequence[Entry]) -> None:
            """Keeps nothing."""

        def clear(self) -> None:
            """Has nothing to forget."""

    entry = "<url><loc>https://site.example/{}</loc><lastmod>2024-05-06T07:08:09+00:00</lastmod></url>\n"
    data = ("<urlset>" + "".join(entry.format(f"{n}/{'x' * 100}") for n in range(55_000)) + end).encode()
    source = io.BytesIO(data)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    document = parse_document(source, Counting())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert document.entries == 55_000
    assert peak - before < 10 * 1024 * 1024
