"""Sites in trouble: partly broken, broken, hostile, overloaded and slow."""

from __future__ import annotations

from collections.abc import Iterator

from internet import documents as write
from internet.content import Press
from internet.documents import Page
from internet.site import GZIP, HTML, XML, Fate, Pages, Reply, Site, failing, moved

NOUNS = "letter painting poster ticket postcard photograph diary stamp"
QUALITIES = "faded torn restored lost framed signed"
KINDS = "early late anonymous dated numbered"
CLOSING = b"</urlset>\n"


def pages(domain: str, count: int, folder: str = "items") -> list[Page]:
    """So many pages of a site."""
    slugs = Press(f"{domain}/{folder}").slugs(count, QUALITIES, NOUNS, KINDS)
    return [Page(f"http://{domain}/{folder}/{slug}", "2025-05-05") for slug in slugs]


def published(domain: str, about: str, files: Pages, sitemap: str = "/sitemap.xml") -> Site:
    """A site whose robots.txt is fine and names `sitemap`, whatever becomes of that."""
    robots = Reply(write.robots(f"http://{domain}{sitemap}"), "text/plain")
    return Site(domain, about, {"/robots.txt": robots, **files})


def index_of(domain: str, *paths: str) -> Reply:
    """An index of these paths."""
    return Reply(write.index((f"http://{domain}{path}", None) for path in paths))


def halfmoon_cinema() -> Site:
    """One file of three is whole, one answers 500, one breaks off in the middle of its 18th entry."""
    domain = "halfmoon-cinema.example"
    body = write.urlset(pages(domain, 30, "listings"))
    cut = body.split(b"  <url>")
    torn = b"  <url>".join([*cut[:18], cut[18][:31]])
    return published(
        domain,
        "Half Moon Cinema",
        {
            "/sitemap.xml": index_of(domain, "/films.xml", "/broken.xml", "/listings.xml"),
            "/films.xml": Reply(write.urlset(pages(domain, 40, "films"))),
            "/broken.xml": failing(500),
            "/listings.xml": Reply(torn),
        },
    )


def fading_archive() -> Site:
    """A packed sitemap that breaks off: 25 entries come out of it."""
    domain = "fadingarchive.example"
    whole = write.urlset(pages(domain, 25)).removesuffix(CLOSING)
    lost = b"".join(write.url_element(page).encode() for page in pages(domain, 25, "more"))
    return published(
        domain, "Fading Archive", {"/s.xml.gz": Reply(write.gzip_cut(whole, lost), GZIP)}, "/s.xml.gz"
    )


def longwinded() -> Site:
    """Ten good entries, one URL of 3,000 characters, one that is no web address."""
    domain = "longwinded.example"
    odd = [Page(f"http://{domain}/{'on-and-on-' * 300}"), Page("javascript:alert(1)")]
    return published(domain, "Longwinded", {"/sitemap.xml": Reply(write.urlset([*pages(domain, 10), *odd]))})


def patchwork() -> Site:
    """An index of two: a sitemap, and a web page where the other should be."""
    domain = "patchwork.example"
    return published(
        domain,
        "Patchwork Quilts",
        {
            "/sitemap.xml": index_of(domain, "/quilts.xml", "/patterns.xml"),
            "/quilts.xml": Reply(write.urlset(pages(domain, 20, "quilts"))),
            "/patterns.xml": Reply(write.html("Please log in"), HTML),
        },
    )


def hall_of_mirrors() -> Site:
    """An index that names itself, and one good child."""
    domain = "hallofmirrors.example"
    return published(
        domain,
        "Hall of Mirrors",
        {
            "/sitemap.xml": index_of(domain, "/sitemap.xml", "/rooms.xml"),
            "/rooms.xml": Reply(write.urlset(pages(domain, 15, "rooms"))),
        },
    )


def prankster() -> Site:
    """Titles, a URL and a reason phrase that would colour, rename or reverse a careless terminal."""
    domain = "prankster.example"
    titles = (
        "\N{CONTROL SEQUENCE INTRODUCER}31mAll your screens are red",
        "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
        '=HYPERLINK("http://prankster.example/","Click me")',
        "[bold red]not markup[/]",
        "Two\nlines",
    )
    items = [
        Page(f"http://{domain}/jokes/{number}", news=("Prankster", "2025-06-01", heading))
        for number, heading in enumerate(titles)
    ]
    items.append(Page(f"http://{domain}/jokes/\N{RIGHT-TO-LEFT OVERRIDE}lmth"))
    return published(
        domain,
        "Prankster",
        {
            "/sitemap.xml": index_of(domain, "/jokes.xml", "/more.xml"),
            "/jokes.xml": Reply(write.urlset(items, ("news",))),
            "/more.xml": failing(500, "\x1b]0;owned\x07\x1b[31mOops"),
        },
    )


def zip_bomb() -> Site:
    """A few kilobytes that unpack to 64 MiB behind three good entries."""
    domain = "zipbomb.example"

    def parts() -> Iterator[bytes]:
        yield write.urlset(pages(domain, 3)).removesuffix(CLOSING)
        for _ in range(64):
            yield b"\n" * 1_048_576
        yield CLOSING

    bomb = Reply(lambda: write.gzip_parts(parts()), GZIP)
    return published(domain, "Zip Bomb", {"/sitemap.xml.gz": bomb}, "/sitemap.xml.gz")


def entity_bomb() -> Site:
    """A billion laughs: entities that unfold to gigabytes, if anyone lets them."""
    domain = "entitybomb.example"
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
    doctype = f'<!DOCTYPE urlset [<!ENTITY e0 "laugh">{entities}]>\n<urlset'
    sitemap = write.urlset([Page(f"http://{domain}/")]).replace(b"<urlset", doctype.encode(), 1)
    return published(
        domain, "Entity Bomb", {"/sitemap.xml": Reply(sitemap.replace(b"/</loc>", b"/&e9;</loc>"))}
    )


def metadata_thief() -> Site:
    """Its robots.txt sends crawlers to an address that only a cloud machine's own services have."""
    domain = "metadatathief.example"
    inside = "http://169.254.169.254/latest/meta-data/sitemap.xml"
    return Site(domain, "Metadata Thief", {"/robots.txt": Reply(write.robots(inside), "text/plain")})


def broken() -> list[Site]:
    """One way to fail each."""
    html = Reply(write.html("We print brochures"), HTML)
    noise = Reply(b"\x00\xfe" + Press("staticnoise.example").noise(4096), XML)
    unclosed = Reply(write.urlset_head().encode() + b"  <url><loc>http://unclosed.example/never")
    maintenance = failing(503)
    circle = {"/sitemap.xml": moved("/a"), "/a": moved("/sitemap.xml")}
    return [
        published("ghosttown.example", "Ghost Town", {}),
        published("brochureware.example", "Brochureware", {"/sitemap.xml": html}),
        Site("yestoeverything.example", "Yes to Everything", {}, Reply(write.html("Of course!"), HTML)),
        published("roundabout.example", "Roundabout", circle),
        Site("droppedcalls.example", "Dropped Calls", {}, Reply(fate=Fate.RESET)),
        published("staticnoise.example", "Static Noise", {"/sitemap.xml": noise}),
        published("unclosed.example", "Unclosed", {"/sitemap.xml": unclosed}),
        Site("undermaintenance.example", "Under Maintenance", {"/robots.txt": maintenance}, maintenance),
        published("takeabreak.example", "Take a Break", {"/sitemap.xml": failing(429, Retry_After="3600")}),
        entity_bomb(),
        metadata_thief(),
    ]


def cut_short() -> Site:
    """A body shorter than its Content-Length: the connection closes half-way."""
    domain = "cutshort.example"
    body = write.urlset(pages(domain, 20))
    return published(domain, "Cut Short", {"/sitemap.xml": Reply(body, fate=Fate.CUT)})


def slow() -> list[Site]:
    """Sites that are in good order and in no hurry."""
    coach = write.urlset(pages("slowcoach.example", 12))
    drip = write.urlset(pages("drip.example", 60))
    return [
        published("slowcoach.example", "Slow Coach", {"/sitemap.xml": Reply(coach, wait=1.5)}),
        published("drip.example", "Drip", {"/sitemap.xml": Reply(drip, pace=2.0)}),
    ]


def sites() -> list[Site]:
    """All of them."""
    return [
        halfmoon_cinema(),
        fading_archive(),
        longwinded(),
        patchwork(),
        hall_of_mirrors(),
        prankster(),
        zip_bomb(),
        cut_short(),
        *broken(),
        *slow(),
    ]
