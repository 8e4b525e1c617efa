"""hreflang of pages: return links, targets, and what sitemap and page say about the same page.

Only pages that were seen are judged: a page without hreflang links is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from contentmap_cli.check.hashing import HashSet
from contentmap_cli.check.pages import rules
from contentmap_cli.check.pages.faults import Fault
from contentmap_cli.models import Entry
from contentmap_cli.models.hosts import normalise_url, url_key
from contentmap_cli.models.pages import PageFacts
from contentmap_cli.models.pages.links import alternates_of

Lookup = Mapping[str, PageFacts]
Links = HashSet | frozenset[int]


def listed_links(entries: Iterable[Entry]) -> Iterator[int]:
    """Yield a hash for each page and alternate of sitemap entries, for `language_faults`."""
    for entry in entries:
        me = url_key(entry.url)
        yield from (hash((me, url_key(each.get("href", "")))) for each in entry.alternates)


def language_faults(
    entry: Entry,
    page: PageFacts,
    facts: Lookup,
    why_not: Callable[[PageFacts], str | None],
    links: Links = frozenset(),
) -> Iterator[Fault]:
    """Yield the faults of a page's alternates, those of its markup and those of its sitemap entry.

    `why_not` says why a page cannot be indexed, None if it can. `links` has the `listed_links` of the pages
    that were requested: a page may link back by its sitemap entry.
    """
    own = _links(alternates_of(page))
    listed = _links((each.get("hreflang", ""), each.get("href", "")) for each in entry.alternates)
    yield from _differences(own, listed)
    me = url_key(page.url)
    seen: set[str] = set()
    for code, (key, href) in {**listed, **own}.items():
        if key == me or key in seen:
            continue
        seen.add(key)
        other = facts.get(normalise_url(href) or "")
        if other is None:
            continue
        reason = why_not(other)
        if reason is not None:
            yield Fault(rules.HREFLANG_TARGET, f"the page for {code} {reason}", href)
        elif (
            other.head is not None
            and code in own
            and code != "x-default"
            and key not in {each for each, _ in listed.values()}
            and hash((key, me)) not in links
        ):
            theirs = _links(alternates_of(other))
            if not theirs:
                yield Fault(rules.HREFLANG_ALONE, f"the page for {code} has no hreflang links", href)
            elif me not in {each for each, _ in theirs.values()}:
                yield Fault(rules.HREFLANG_RETURN, f"the page for {code} does not link back", href)


def _differences(own: dict[str, tuple[str, str]], listed: dict[str, tuple[str, str]]) -> Iterator[Fault]:
    """Compare the alternates of page and sitemap, where both have some."""
    if not own or not listed:
        return
    differing = [code for code in own if code in listed and own[code][0] != listed[code][0]]
    if differing:
        values = " ".join(f"{code}={own[code][1]}" for code in differing)
        yield Fault(rules.HREFLANG_DIFFERS, f"another URL for {', '.join(differing)[:100]}", values)
    missing = sorted(own.keys() ^ listed.keys())
    if missing:
        yield Fault(rules.HREFLANG_PARTIAL, "hreflang of page and sitemap differ", " ".join(missing))


def _links(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return comparable and published URL by hreflang in lower case."""
    found: dict[str, tuple[str, str]] = {}
    for code, href in pairs:
        key = url_key(href)
        if code and key is not None:
            found.setdefault(code.strip().lower(), (key, href))
    return found
