"""Sites in good order that a crawler has to look for, or to read with care; and sites without a sitemap."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from urllib.parse import quote

from internet import documents as write
from internet.content import TODAY, Press, title
from internet.documents import Page, Post
from internet.site import ATOM, GZIP, HTML, RSS, TEXT, Reply, Site, moved

PLACES = "north south upper lower old new little great"
FEATURES = "church mill bridge weir chapel barn quarry lock"
TOPICS = "install upgrade configure backup restore monitor extend debug test deploy"


def posts(domain: str, count: int, folder: str, *vocabularies: str) -> list[Post]:
    """Items for a feed, newest first."""
    press = Press(domain)
    slugs = press.slugs(count, *vocabularies)
    moments = press.moments(count, TODAY - timedelta(days=700), TODAY)
    return [
        Post(f"http://{domain}/{folder}/{slug}", title(slug), moment)
        for slug, moment in zip(slugs, reversed(moments), strict=True)
    ]


def named(domain: str, about: str, path: str, reply: Reply) -> Site:
    """A site whose robots.txt names one file."""
    return Site(
        domain,
        about,
        {"/robots.txt": Reply(write.robots(f"http://{domain}{path}"), "text/plain"), path: reply},
    )


def slow_radio() -> Site:
    """A podcast: the feed is linked from the home page and named nowhere else."""
    domain = "slowradio.example"
    episodes = posts(
        domain, 64, "episodes", "walking listening waiting sailing", "rain river night forest tide"
    )
    feed = write.rss(f"http://{domain}/", "Slow Radio", episodes, "Studio Press 4.2")
    link = '<link rel="alternate" type="application/rss+xml" title="Episodes" href="/listen/feed">'
    return Site(
        domain,
        "Slow Radio",
        {"/": Reply(write.html("Slow Radio", link), HTML), "/listen/feed": Reply(feed, RSS)},
    )


def cookbook() -> Site:
    """A recipe site that calls its RSS feed a sitemap, as the protocol allows."""
    domain = "cookbook.example"
    recipes = posts(
        domain,
        50,
        "recipes",
        "roast braised baked pickled",
        "leek carrot apple barley trout fennel",
        "soup pie salad",
    )
    return named(
        domain, "Cookbook", "/feed.rss", Reply(write.rss(f"http://{domain}/", "Cookbook", recipes), RSS)
    )


def stargazers() -> Site:
    """An observatory with an Atom feed."""
    domain = "stargazers.example"
    notes = posts(
        domain,
        30,
        "notes",
        "lunar solar stellar",
        "eclipse transit flare occultation",
        "observed predicted explained",
    )
    return named(
        domain, "Stargazers", "/atom.xml", Reply(write.atom(f"http://{domain}/", "Stargazers", notes), ATOM)
    )


def parish_records() -> Site:
    """An archive with a text sitemap."""
    domain = "parishrecords.example"
    slugs = Press(domain).slugs(500, PLACES, FEATURES, "baptisms marriages burials", "1781 1812 1845")
    return named(
        domain,
        "Parish Records",
        "/urls.txt",
        Reply(write.text(f"http://{domain}/{slug}" for slug in slugs), TEXT),
    )


def weather_station() -> Site:
    """A text sitemap under the usual name of an XML one, with a byte order mark and DOS line ends."""
    domain = "weatherstation.example"
    days = ((TODAY - timedelta(days=number)).isoformat() for number in range(96))
    body = write.text((f"http://{domain}/readings/{day}" for day in days), "\r\n")
    return Site(domain, "Hilltop Weather Station", {"/sitemap.xml": Reply(b"\xef\xbb\xbf" + body, TEXT)})


def quiet_docs() -> Site:
    """Documentation: no robots.txt, and a sitemap where everyone looks first."""
    domain = "quietdocs.example"
    pages = [
        Page(
            f"http://{domain}/{version}/{slug}/",
            "2025-04-02T10:15:00Z",
            priority="1.0" if version == "stable" else "0.3",
        )
        for version in ("stable", "4.0", "3.9", "3.8")
        for slug in Press(domain).slugs(55, TOPICS, "server client plugin cluster console storage")
    ]
    return Site(domain, "Quiet documentation", {"/sitemap.xml": Reply(write.urlset(pages))})


def railway_times() -> Site:
    """A magazine: a packed index at a well-known path."""
    domain = "railwaytimes.example"
    home, sections = f"http://{domain}", ("engines", "lines", "stations")

    def section(name: str) -> Reply:
        slugs = Press(f"{domain}/{name}").slugs(70, PLACES, FEATURES, "express local")
        return Reply(write.urlset(Page(f"{home}/{name}/{slug}", "2025-05-20") for slug in slugs))

    index = write.index((f"{home}/{name}.xml", "2025-05-20") for name in sections)
    return Site(
        domain,
        "Railway Times",
        {
            "/sitemap_index.xml": Reply(write.gzip(index), GZIP),
            **{f"/{name}.xml": partial(section, name) for name in sections},
        },
    )


def garden_club() -> Site:
    """A club: the home page links its sitemap, which lies where nobody would look."""
    domain = "gardenclub.example"
    slugs = Press(domain).slugs(45, "rose dahlia fern moss iris", "border bed meadow", "spring summer autumn")
    head = '<link rel="sitemap" type="application/xml" href="/meta/pages-for-robots.xml">'
    sitemap = write.urlset(Page(f"http://{domain}/plants/{slug}") for slug in slugs)
    return Site(
        domain,
        "Garden Club",
        {"/": Reply(write.html("Garden Club", head), HTML), "/meta/pages-for-robots.xml": Reply(sitemap)},
    )


def oldtown_library() -> Site:
    """A library that lives at www. only: the bare name redirects there."""
    domain = "oldtown-library.example"
    home = f"http://www.{domain}"
    slugs = Press(domain).slugs(
        84,
        "reading local family music",
        "room history archive collection",
        "guide hours map catalogue tour rules",
    )
    return Site(
        domain,
        "Old Town Library",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap.xml"), "text/plain"),
            "/sitemap.xml": Reply(write.urlset(Page(f"{home}/{slug}", "2025-02-14") for slug in slugs)),
        },
        www=True,
    )


def buecher_ecke() -> Site:
    """A bookshop with an umlaut in its name and titles from everywhere in its paths."""
    domain = "xn--bcher-ecke-9db.example"
    authors = ("müller", "дар", "本", "łąka", "ñandú")
    paths = (quote(f"/bücher/{author}-{number}") for author in authors for number in range(1, 9))
    sitemap = write.urlset(Page(f"http://{domain}{path}", "2025-01") for path in paths)
    return named(domain, "Bücher-Ecke", "/sitemap.xml", Reply(sitemap))


def theatre() -> Site:
    """A box office whose sitemap has moved, and moved again."""
    domain = "theatre-tickets.example"
    home = f"http://{domain}"
    slugs = Press(domain).slugs(
        33, "tragedy comedy opera ballet", "spring autumn", "gala matinee premiere last"
    )
    sitemap = write.urlset(Page(f"{home}/shows/{slug}", "2025-05") for slug in slugs)
    return Site(
        domain,
        "Theatre Tickets",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap.xml"), "text/plain"),
            "/sitemap.xml": moved("/feeds/v1.xml", 308),
            "/feeds/v1.xml": moved(f"{home}/feeds/v2.xml", 302),
            "/feeds/v2.xml": Reply(sitemap),
        },
    )


def council() -> Site:
    """A town council whose software writes UTF-16."""
    domain = "towncouncil.example"
    slugs = Press(domain).slugs(
        36, "planning parking housing", "minutes notices forms budget", "2023 2024 2025"
    )
    sitemap = write.urlset(Page(f"http://{domain}/{slug}") for slug in slugs).decode()
    return named(
        domain, "Town Council", "/sitemap.xml", Reply(sitemap.replace("UTF-8", "UTF-16", 1).encode("utf-16"))
    )


def messy_adverts() -> Site:
    """Classified adverts, written by hand: no `&` is escaped. A reader must not lose the parameters."""
    domain = "messyadverts.example"
    slugs = Press(domain).slugs(24, "bicycle piano boat tent", "wanted offered", "cheap nearly-new free")
    sitemap = write.urlset(Page(f"http://{domain}/show?ad={slug}&page=1&copy=2") for slug in slugs)
    return named(domain, "Messy Adverts", "/sitemap.xml", Reply(sitemap.replace(b"&amp;", b"&")))


def lost_property() -> Site:
    """An office with a web page where its robots.txt should be, and a sitemap all the same."""
    domain = "lostproperty.example"
    slugs = Press(domain).slugs(
        28, "umbrella glove suitcase violin", "found claimed waiting", "monday tuesday friday"
    )
    return Site(
        domain,
        "Lost Property Office",
        {
            "/robots.txt": Reply(write.html("Robots? None found yet"), HTML),
            "/sitemap.xml": Reply(write.urlset(Page(f"http://{domain}/{slug}") for slug in slugs)),
        },
    )


def job_board() -> Site:
    """A job board that asks crawlers for a second between requests."""
    domain = "jobboard.example"
    home, towns = f"http://{domain}", ("northfjord", "oldtown")

    def jobs(town: str) -> Reply:
        slugs = Press(f"{domain}/{town}").slugs(
            25, "night junior senior", "baker nurse welder pilot gardener", "wanted needed"
        )
        return Reply(write.urlset(Page(f"{home}/{town}/{slug}", changefreq="hourly") for slug in slugs))

    return Site(
        domain,
        "Job Board",
        {
            "/robots.txt": Reply(write.robots(f"{home}/sitemap.xml", delay=1), "text/plain"),
            "/sitemap.xml": Reply(write.index((f"{home}/{town}.xml", None) for town in towns)),
            **{f"/{town}.xml": partial(jobs, town) for town in towns},
        },
    )


def without_sitemap() -> list[Site]:
    """Sites that answer and publish no sitemap: nothing is wrong with them."""
    closed = write.robots(disallow=("/",))
    return [
        Site("onepager.example", "A single page"),
        Site("closedgarden.example", "Members only", {"/robots.txt": Reply(closed, "text/plain")}),
        Site("openingsoon.example", "Opening soon", {"/robots.txt": Reply(b"", "text/plain")}),
    ]


def sites() -> list[Site]:
    """All of them."""
    return [
        slow_radio(),
        cookbook(),
        stargazers(),
        parish_records(),
        weather_station(),
        quiet_docs(),
        railway_times(),
        garden_club(),
        oldtown_library(),
        buecher_ecke(),
        theatre(),
        council(),
        messy_adverts(),
        lost_property(),
        job_board(),
        *without_sitemap(),
    ]
