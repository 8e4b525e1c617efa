"""The sites that speed is measured on: made by rule, the same everywhere, with what they hold as values.

usage: python benchmarks/speed_sites.py FOLDER big|changed|wide|rich --truth FILE.json
           [--style names|addresses] [--port N] [--files N] [--urls N] [--domains N]

big      one site: robots.txt, an index, gzipped files of plain entries (20 of 50,000 URLs)
changed  the same site after one entry in a hundred has changed: half of those have another lastmod, half
         have given way to a new URL
wide     many small sites (500 of 200 URLs): of twenty, fourteen have robots.txt and a sitemap, two a sitemap
         that robots.txt does not name, three an index of three files, and one answers 404 to everything
rich     one sitemap of 50,000 URLs, each with images and languages, some with news or a video

Sites have names, and need a client that can be sent elsewhere (`--connect-to`), or addresses of loopback, and
then a port in every URL. Writes FOLDER/HOST/... and last, as the mark that all is there, the truth file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
EXTENSIONS = (
    ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    ' xmlns:video="http://www.google.com/schemas/sitemap-video/1.1"'
)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
WORDS = (
    "anchor", "basket", "candle", "dragon", "ember", "falcon", "glacier", "hammer", "igloo", "juniper",
    "kettle", "ladder", "meadow", "nectar", "oyster", "pebble", "quiver", "rocket", "saffron", "thimble",
    "umbrella", "violet", "walnut", "xylem", "yarrow", "zenith", "almond", "bamboo", "cobalt", "dahlia",
    "ebony", "feather",
)  # fmt: skip
CHANGEFREQS = ("always", "hourly", "daily", "weekly", "monthly", "yearly", "never")
LANGUAGES = ("en", "de", "fr")
WRITTEN, REWRITTEN = 1_717_200_000, 1_717_286_400
"""Modification times of all files, before and after the change: they make Last-Modified and ETag."""

_MASK = (1 << 64) - 1
_CHUNK = 1_000  # entries written at once


@dataclass(frozen=True, slots=True)
class Truth:
    """What one site or several hold: distinct URLs, the characters in them, how many have a lastmod, files
    with entries, and bytes before and after compression."""

    urls: int = 0
    characters: int = 0
    lastmods: int = 0
    files: int = 0
    bytes: int = 0
    wire: int = 0

    def __add__(self, other: Truth) -> Truth:
        mine, others = asdict(self), asdict(other)
        return Truth(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True, slots=True)
class Made:
    """A workload that is ready: the home pages, what all of them hold together, and which kinds there are."""

    sites: tuple[str, ...]
    truth: Truth
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Style:
    """How sites are called. `port` is in their URLs where they are addresses."""

    name: str  # names | addresses
    port: int = 80

    def host(self, number: int) -> str:
        """One of the many small sites."""
        if self.name == "names":
            return f"d{number:04d}.sim.test"
        return f"127.20.{number // 250}.{1 + number % 250}"

    def single(self, number: int) -> str:
        """A site that stands alone."""
        return f"big{number}.sim.test" if self.name == "names" else f"127.20.250.{number}"

    def origin(self, host: str) -> str:
        """Its URL without a path."""
        return f"http://{host}" if self.port == 80 else f"http://{host}:{self.port}"


# -- entries


def mixed(number: int) -> int:
    """64 bits that look random and are not."""
    bits = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    return bits ^ bits >> 31


def location(number: int, origin: str) -> str:
    """A URL of about 75 characters; one in twenty has a query with an ampersand."""
    bits = mixed(number)
    first, second, third = WORDS[bits & 31], WORDS[bits >> 5 & 31], WORDS[bits >> 10 & 31]
    url = f"{origin}/{first}/{second}-{third}-{number}"
    if bits >> 20 & 1023 < 51:
        return f"{url}?c={bits >> 30 & 63}&p={bits >> 36 & 1023}"
    return f"{url}-{WORDS[bits >> 40 & 31]}-{WORDS[bits >> 45 & 31]}-{WORDS[bits >> 50 & 31]}"


def moment(number: int) -> str:
    """A date, three times in ten without a time."""
    bits = mixed(number) >> 7
    day = f"20{14 + bits % 11}-{1 + (bits >> 8) % 12:02d}-{1 + (bits >> 12) % 28:02d}"
    if bits >> 20 & 1023 < 307:
        return day
    return f"{day}T{(bits >> 30) % 24:02d}:{(bits >> 36) % 60:02d}:{(bits >> 42) % 60:02d}+00:00"


def plain(number: int, url: str, lastmod: str, more: str = "") -> str:
    """One entry with the protocol's four fields, and what an extension adds."""
    bits = mixed(number)
    return (
        f"  <url>\n    <loc>{url.replace('&', '&amp;')}</loc>\n    <lastmod>{lastmod}</lastmod>\n"
        f"    <changefreq>{CHANGEFREQS[bits % 7]}</changefreq>\n"
        f"    <priority>{(bits >> 3) % 11 / 10}</priority>\n{more}  </url>\n"
    )


def extensions(number: int, origin: str) -> str:
    """Three languages and two images, and for two entries in five news or a video."""
    word, other = WORDS[mixed(number) & 31], WORDS[mixed(number) >> 5 & 31]
    parts = [
        f'<xhtml:link rel="alternate" hreflang="{code}" href="{origin}/{code}/{word}-{number}"/>\n'
        for code in LANGUAGES
    ]
    parts += [
        f"<image:image><image:loc>{origin}/pictures/{number}-{each}.jpg</image:loc>"
        f"<image:title>{word} &amp; {other}</image:title></image:image>\n"
        for each in range(2)
    ]
    if number % 5 == 0:
        parts.append(
            "<news:news><news:publication><news:name>The Daily Example</news:name>"
            "<news:language>en</news:language></news:publication>"
            f"<news:publication_date>{moment(number)}</news:publication_date>"
            f"<news:title><![CDATA[{word} & {other}]]></news:title></news:news>\n"
        )
    if number % 5 == 1:
        parts.append(
            f"<video:video><video:thumbnail_loc>{origin}/stills/{number}.jpg</video:thumbnail_loc>"
            f"<video:title>{word}</video:title><video:description>{word} with {other}</video:description>"
            f"<video:content_loc>{origin}/films/{number}.mp4</video:content_loc>"
            f"<video:duration>{number % 900 + 1}</video:duration></video:video>\n"
        )
    return "".join(parts)


def entries(first: int, count: int, origin: str, kind: str) -> Iterator[tuple[str, str]]:
    """URL and entry, one after the other: `plain`, `rich` or `changed`."""
    for number in range(first, first + count):
        url, lastmod = location(number, origin), moment(number)
        if kind == "changed" and number % 100 == 50:
            if number % 200 == 50:
                lastmod = "2025-01-01T00:00:00+00:00"
            else:
                url = f"{origin}/new/{WORDS[mixed(number) & 31]}-{number}"
        yield url, plain(number, url, lastmod, extensions(number, origin) if kind == "rich" else "")


def changes(urls: int) -> tuple[int, int]:
    """How many entries of that many get another lastmod, and how many give way to a new URL."""
    return (urls + 149) // 200, (urls + 49) // 200


# -- files


def put(path: Path, text: str, when: int = WRITTEN) -> None:
    """Writes a small file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (when, when))


def put_urlset(
    path: Path, first: int, count: int, origin: str, *, kind: str = "plain", when: int = WRITTEN
) -> Truth:
    """Writes a sitemap, gzipped if it is called so, a thousand entries at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    characters = size = 0
    with path.open("wb") as raw:
        zipped = path.suffix == ".gz"
        out = gzip.GzipFile("", "wb", 6, raw, mtime=0) if zipped else raw
        with cast("BinaryIO", out):
            named = EXTENSIONS if kind == "rich" else ""
            part = [f'{DECLARATION}<urlset xmlns="{XMLNS}"{named}>\n']
            for url, entry in entries(first, count, origin, kind):
                characters += len(url)
                part.append(entry)
                if len(part) > _CHUNK:
                    size += out.write("".join(part).encode())
                    part.clear()
            size += out.write(("".join(part) + "</urlset>\n").encode())
    os.utime(path, (when, when))
    return Truth(count, characters, count, 1, size, path.stat().st_size)


def put_index(path: Path, urls: list[str], when: int = WRITTEN) -> None:
    """Writes a sitemap index."""
    day = "2024-06-01" if when == WRITTEN else "2024-06-02"
    rows = "".join(f"  <sitemap><loc>{url}</loc><lastmod>{day}</lastmod></sitemap>\n" for url in urls)
    put(path, f'{DECLARATION}<sitemapindex xmlns="{XMLNS}">\n{rows}</sitemapindex>\n', when)


def put_robots(path: Path, sitemap: str | None) -> None:
    """Writes a robots.txt that names a sitemap, or none."""
    put(path, "User-agent: *\nDisallow: /private\n" + (f"Sitemap: {sitemap}\n" if sitemap else ""))


# -- workloads


def big(tree: Path, style: Style, files: int, urls: int, *, changed: bool = False) -> Made:
    """One big site, as it is first or as it is later."""
    host = style.single(1)
    origin, folder, truth = style.origin(host), tree / host, Truth()
    when = REWRITTEN if changed else WRITTEN
    names = [f"maps/part-{number:04d}.xml.gz" for number in range(files)]
    for number, name in enumerate(names):
        kind = "changed" if changed else "plain"
        truth += put_urlset(folder / name, number * urls, urls, origin, kind=kind, when=when)
    put(folder / "index.html", "<html><body>A big site</body></html>")
    put_robots(folder / "robots.txt", f"{origin}/index.xml")
    put_index(folder / "index.xml", [f"{origin}/{name}" for name in names], when)
    return Made((f"{origin}/",), truth, {"big": 1})


def rich(tree: Path, style: Style, urls: int) -> Made:
    """One site with one sitemap and every extension."""
    host = style.single(3)
    origin, folder = style.origin(host), tree / host
    truth = put_urlset(folder / "sitemap.xml", 0, urls, origin, kind="rich")
    put_robots(folder / "robots.txt", f"{origin}/sitemap.xml")
    return Made((f"{origin}/",), truth, {"rich": 1})


def wide(tree: Path, style: Style, domains: int, urls: int) -> Made:
    """Many small sites, of four kinds: named, unnamed, index, nothing."""
    homes, truth = [], Truth()
    kinds = dict.fromkeys(("named", "unnamed", "index", "nothing"), 0)
    for number in range(domains):
        host = style.host(number)
        origin, folder, place = style.origin(host), tree / host, number % 20
        homes.append(f"{origin}/")
        first = number * 1_000
        folder.mkdir(parents=True, exist_ok=True)
        if place == 19:
            kinds["nothing"] += 1
            continue
        put(folder / "index.html", "<html><body>A small site</body></html>")
        put_robots(folder / "robots.txt", None if place in (14, 15) else f"{origin}/sitemap.xml")
        if place >= 16:
            kinds["index"] += 1
            sizes = (urls - 2 * (urls // 3), urls // 3, urls // 3)
            names = [f"sitemap-{part}.xml" for part in range(3)]
            for part, (name, size) in enumerate(zip(names, sizes, strict=True)):
                truth += put_urlset(folder / name, first + 300 * part, size, origin)
            put_index(folder / "sitemap.xml", [f"{origin}/{name}" for name in names])
        else:
            kinds["unnamed" if place >= 14 else "named"] += 1
            truth += put_urlset(folder / "sitemap.xml", first, urls, origin)
    return Made(tuple(homes), truth, kinds)


def load(file: Path) -> Made | None:
    """A workload that was made before, or None."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Made(tuple(found["sites"]), Truth(**found["truth"]), found["kinds"])


def main() -> None:
    """Makes one workload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path)
    parser.add_argument("workload", choices=("big", "changed", "wide", "rich"))
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE.json", help="what was made")
    parser.add_argument("--style", choices=("names", "addresses"), default="names")
    parser.add_argument("--port", type=int, default=80, help="in the URLs of addresses")
    parser.add_argument("--files", type=int, default=20, help="of the big site")
    parser.add_argument("--domains", type=int, default=500, help="small sites")
    parser.add_argument("--urls", type=int, default=50_000, help="of a file, or of a small site")
    options = parser.parse_args()
    style = Style(options.style, options.port)
    if options.workload == "wide":
        made = wide(options.tree, style, options.domains, options.urls)
    elif options.workload == "rich":
        made = rich(options.tree, style, options.urls)
    else:
        changed = options.workload == "changed"
        made = big(options.tree, style, options.files, options.urls, changed=changed)
    options.truth.write_text(json.dumps(asdict(made)), encoding="utf-8")


if __name__ == "__main__":
    main()
