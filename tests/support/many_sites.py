"""A list of small sites for the tests of faults: slow enough that a fault meets the middle of a run."""

from __future__ import annotations

from web_sites import Page, Reply, broken_site, urlset

FAILING = "fails.test"
BROKEN = "broken.test"
EMPTY = "empty.test"
CLOSED = "closed.test"


def small_sites(count: int, wait: float = 0.0) -> dict[str, Page]:
    """Pages of `count` domains (at least 4) of one to three files each, every answer `wait` seconds late.

    The last four are a site whose only sitemap is missing, one of which a part is broken, an empty one, and
    one that cannot serve its robots.txt, so that there is nothing to record but its failure.
    """
    pages: dict[str, Page] = {}
    for number in range(count - 4):
        host = f"d{number}.test"
        names = [f"map-{part}.xml" for part in range(number % 3 + 1)]
        lines = "".join(f"Sitemap: http://{host}/{name}\n" for name in names)
        pages[f"{host}/robots.txt"] = f"User-agent: *\nAllow: /\n{lines}"
        for name in names:
            pages[f"{host}/{name}"] = urlset(*(f"http://{host}/{name}/{page}" for page in range(7)))
    pages[f"{FAILING}/robots.txt"] = f"Sitemap: http://{FAILING}/gone.xml\n"
    pages |= broken_site(BROKEN) | {f"{BROKEN}/error.xml": 410}  # which is not tried again
    pages[f"{EMPTY}/robots.txt"] = "User-agent: *\nAllow: /\n"
    pages[f"{CLOSED}/robots.txt"] = 501  # a 5xx that is not tried again
    return {key: _late(page, wait) for key, page in pages.items()}


def hosts_of(pages: dict[str, Page]) -> list[str]:
    """The domains of these pages, in order."""
    return list(dict.fromkeys(key.partition("/")[0] for key in pages))


def targets_of(pages: dict[str, Page]) -> list[str]:
    """What is typed to scan them: plain http, so that no time goes into trying TLS."""
    return [f"http://{host}" for host in hosts_of(pages)]


def _late(page: Page, wait: float) -> Page:
    if isinstance(page, Reply):
        return Reply(page.body, page.status, page.headers, wait, page.cut)
    if isinstance(page, int):
        return Reply(status=page, wait=wait)
    return Reply(page.encode() if isinstance(page, str) else page, wait=wait)
