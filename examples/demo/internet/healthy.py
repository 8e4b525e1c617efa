"""Sites in good order: each publishes its sitemaps in another of the shapes that the field knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import partial

from internet import documents as write
from internet.content import TODAY, Press, months_back, title
from internet.documents import Page
from internet.site import GZIP, Reply, Site

GOODS = "brass oak linen copper walnut ceramic woollen slate amber glass paper tin"
THINGS = "lamp atlas kettle notebook globe inkwell shelf chair clock lantern telescope satchel compass"
STREETS = "harbour station market bridge castle mill abbey garden quay chapel"
EVENTS = "festival strike election fire opening closure record flood parade trial auction rescue"
SUBJECTS = "physics history law medicine music geology botany philosophy"


def packed(pages: Iterable[Page], extensions: tuple[str, ...] = ()) -> Reply:
    """A sitemap as a gzip file."""
    return Reply(write.gzip(write.urlset(pages, extensions)), GZIP)


def lantern_books(day: int) -> Site:
    """A shop: robots.txt names an index of six packed files. On day 2 the third has changed, and says so."""
    domain, shelves = "lanternbooks.example", ("fiction", "travel", "maps", "children", "prints", "gifts")
    home = f"http://{domain}"

    def shelf(name: str) -> Reply:
        press = Press(f"{domain}/{name}")
        slugs = press.slugs(400, GOODS, THINGS, "press reprint signed")
        days = press.days(400, date(2024, 1, 8), TODAY - timedelta(days=1))
        pages = [
            Page(
                f"{home}/{name}/{slug}",
                lastmod,
                "weekly",
                "0.8",
                images=((f"{home}/covers/{name}/{slug}.jpg", f"{title(slug)}, front cover"),),
            )
            for slug, lastmod in zip(slugs, days, strict=True)
        ]
        if name == "maps" and day > 1:
            moment = (TODAY + timedelta(days=1)).isoformat()
            repriced = [Page(page.loc, moment, "daily", "0.9", page.images) for page in pages[5:17]]
            arrivals = [Page(f"{home}/{name}/new-arrival-{number}", moment) for number in (1, 2, 3)]
            pages = [*repriced, *pages[17:], *arrivals]
        return packed(pages, ("image",))

    def lastmod(name: str) -> str:
        return (TODAY + timedelta(days=1 if name == "maps" and day > 1 else 0)).isoformat()

    children = [(f"{home}/sitemaps/{name}.xml.gz", lastmod(name)) for name in shelves]
    return Site(
        domain,
        "Lantern Books: maps, travel and second-hand finds",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap_index.xml"), "text/plain"),
            "/sitemap_index.xml": Reply(write.index(children)),
            **{f"/sitemaps/{name}.xml.gz": partial(shelf, name) for name in shelves},
        },
    )


def harbour_courier() -> Site:
    """A newspaper: a news sitemap, and an index of months whose lastmods go back a year."""
    domain = "harbourcourier.example"
    home, months = f"http://{domain}", months_back(12)

    def news() -> Reply:
        press = Press(f"{domain}/news")
        slugs = press.slugs(40, STREETS, EVENTS)
        moments = press.moments(40, TODAY - timedelta(days=1), TODAY)
        return Reply(
            write.urlset(
                [
                    Page(
                        f"{home}/{moment:%Y/%m/%d}/{slug}",
                        news=("Harbour Courier", f"{moment:%F}", title(slug)),
                    )
                    for slug, moment in zip(slugs, moments, strict=True)
                ],
                ("news",),
            )
        )

    def month(first: date, last: date) -> Reply:
        press = Press(f"{domain}/{first}")
        slugs = press.slugs(60, STREETS, EVENTS, "inquiry report reactions")
        moments = press.moments(60, first, last)
        return Reply(
            write.urlset(
                Page(f"{home}/{moment:%Y/%m/%d}/{slug}", f"{moment:%Y-%m-%dT%H:%M:%S+02:00}")
                for slug, moment in zip(slugs, moments, strict=True)
            )
        )

    archive = {f"/archive/{first:%Y-%m}.xml": (first, last) for first, last in months}
    return Site(
        domain,
        "Harbour Courier",
        {
            "/robots.txt": Reply(write.robots(f"{home}/news.xml", f"{home}/archive.xml"), "text/plain"),
            "/news.xml": news,
            "/archive.xml": Reply(
                write.index((f"{home}{path}", last.isoformat()) for path, (_, last) in archive.items())
            ),
            **{path: partial(month, *span) for path, span in archive.items()},
        },
    )


def tinkerings() -> Site:
    """A weblog with the sitemaps of the best known weblog software, stylesheet and all."""
    domain = "tinkerings.example"
    home, counts = (
        f"http://{domain}",
        {"posts-post": 180, "posts-page": 12, "taxonomies-category": 9, "users": 3},
    )

    def part(name: str, count: int) -> Reply:
        slugs = Press(f"{domain}/{name}").slugs(count, "fixing building tuning painting", THINGS, GOODS)
        folder = name.rpartition("-")[2]
        pages = (Page(f"{home}/{folder}/{slug}/", "2025-05-11T08:30:00+00:00") for slug in slugs)
        return Reply(write.urlset(pages, stylesheet=f"{home}/wp-sitemap.xsl"))

    files = {f"/wp-sitemap-{name}-1.xml": (name, count) for name, count in counts.items()}
    return Site(
        domain,
        "Tinkerings, a workshop diary",
        {
            "/robots.txt": Reply(
                write.robots(f"{home}/wp-sitemap.xml", disallow=("/wp-admin/",)), "text/plain"
            ),
            "/wp-sitemap.xml": Reply(write.index((f"{home}{path}", None) for path in files)),
            **{path: partial(part, *file) for path, file in files.items()},
        },
    )


def northfjord_university() -> Site:
    """A university: a sitemap a faculty, each last touched in another year."""
    domain = "northfjord-university.example"
    home, years = (
        f"http://{domain}",
        {name: 2018 + number for number, name in enumerate(SUBJECTS.split()[:8])},
    )

    def faculty(name: str, year: int) -> Reply:
        press = Press(f"{domain}/{name}")
        slugs = press.slugs(75, "introduction seminar thesis lecture reading", SUBJECTS, "autumn spring")
        days = press.days(75, date(year - 1, 9, 1), date(year, 5, 31))
        pages = (Page(f"{home}/{name}/{slug}.html", day) for slug, day in zip(slugs, days, strict=True))
        return Reply(write.urlset(pages))

    children = ((f"{home}/{name}/sitemap.xml", f"{year}-05-31") for name, year in years.items())
    return Site(
        domain,
        "Northfjord University",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap.xml"), "text/plain"),
            "/sitemap.xml": Reply(write.index(children)),
            **{f"/{name}/sitemap.xml": partial(faculty, name, year) for name, year in years.items()},
        },
    )


def megastore() -> Site:
    """A marketplace: 64,000 products in four packed files, written while they are sent."""
    domain, parts, each = "megastore.example", 4, 16_000
    home = f"http://{domain}"

    def products(part: int) -> Iterator[Page]:
        press = Press(f"{domain}/{part}")
        for number, slug in enumerate(press.slugs(each, GOODS, THINGS, STREETS), start=part * each):
            yield Page(
                f"{home}/p/{number:06d}/{slug}", f"2025-{number % 5 + 1:02d}-{number % 28 + 1:02d}", "daily"
            )

    def body(part: int) -> Iterable[bytes]:
        return write.gzip_parts(write.urlset_parts(products(part)))

    files = {f"/products-{part}.xml.gz": Reply(partial(body, part), GZIP) for part in range(parts)}
    return Site(
        domain,
        "Megastore",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap.xml"), "text/plain"),
            "/sitemap.xml": Reply(write.index((f"{home}{path}", None) for path in files)),
            **files,
        },
    )


def one_file(domain: str, about: str, pages: Iterable[Page], extensions: tuple[str, ...] = ()) -> Site:
    """A site whose robots.txt names its only sitemap."""
    return Site(
        domain,
        about,
        {
            "/robots.txt": Reply(write.robots(f"http://{domain}/sitemap.xml"), "text/plain"),
            "/sitemap.xml": Reply(write.urlset(pages, extensions)),
        },
    )


def museum_of_maps() -> Site:
    """A museum: three photographs a page."""
    domain = "museumofmaps.example"
    slugs = Press(domain).slugs(
        150, "portolan globe atlas chart survey", STREETS, "engraving manuscript print"
    )
    return one_file(
        domain,
        "The Museum of Maps",
        [
            Page(
                f"http://{domain}/collection/{slug}",
                "2025-03-21",
                images=tuple(
                    (f"http://{domain}/img/{slug}-{side}.tif", f"{title(slug)}, {side}")
                    for side in ("front", "back", "detail")
                ),
            )
            for slug in slugs
        ],
        ("image",),
    )


def film_club() -> Site:
    """A film club: a video a page."""
    domain = "filmclub.example"
    slugs = Press(domain).slugs(
        48, "silent lost forgotten last midnight", "harbour waltz letter winter signal train"
    )
    return one_file(
        domain,
        "The Thursday Film Club",
        [
            Page(f"http://{domain}/films/{slug}", video=(title(slug), f"http://{domain}/stills/{slug}.jpg"))
            for slug in slugs
        ],
        ("video",),
    )


def grand_hotel() -> Site:
    """A hotel in five languages, every page naming all its translations."""
    domain, languages = "grandhotelaurora.example", ("en", "de", "fr", "ja", "ar")
    slugs = Press(domain).slugs(20, "rooms suites spa dining terrace", "lake mountain garden tower")
    return one_file(
        domain,
        "Grand Hotel Aurora",
        [
            Page(
                f"http://{domain}/{language}/{slug}",
                priority="0.5",
                alternates=tuple((other, f"http://{domain}/{other}/{slug}") for other in languages),
            )
            for slug in slugs
            for language in languages
        ],
        ("xhtml",),
    )


def bakery() -> Site:
    """A small business: nine pages."""
    domain = "cornerbakery.example"
    paths = ("", "bread", "cakes", "tarts", "opening-hours", "about", "contact", "orders", "imprint")
    return one_file(
        domain, "Corner Bakery", [Page(f"http://{domain}/{path}", "2024-11-30") for path in paths]
    )


def sites(day: int) -> list[Site]:
    """All of them, as they are on that day."""
    return [
        lantern_books(day),
        harbour_courier(),
        tinkerings(),
        northfjord_university(),
        megastore(),
        museum_of_maps(),
        film_club(),
        grand_hotel(),
        bakery(),
    ]
