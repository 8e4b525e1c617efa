"""Look up what the pages of a batch of entries answered, and what their redirects and alternates did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contentmap_cli.commands.checking.page_store import PageStore
from contentmap_cli.commands.checking.selection import normalised
from contentmap_cli.models import Entry
from contentmap_cli.models.pages import MAX_HOPS, PageFacts
from contentmap_cli.models.pages.links import named_urls


async def facts_of(store: PageStore, urls: Iterable[str], entries: Sequence[Entry]) -> dict[str, PageFacts]:
    """Return the facts that the run has of normalised URLs, of the targets of their redirects, and of what
    the pages and their `entries` name as alternates and canonical URLs."""
    found: dict[str, PageFacts] = {}
    wanted = set(urls)
    named = normalised(each["href"] for entry in entries for each in entry.alternates if "href" in each)
    for hop in range(MAX_HOPS + 1):
        new = {url: known.facts for url, known in (await store.find(wanted)).items() if known.now}
        found |= new
        wanted = set(normalised(facts.location for facts in new.values() if facts.location))
        if not hop:
            wanted.update(named, normalised(url for facts in new.values() for url in named_urls(facts)))
        wanted -= found.keys()
        if not wanted:
            break
    return found
