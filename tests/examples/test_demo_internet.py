"""The simulated internet is what it says: read over real sockets, with none of ContentMap's own code."""

from __future__ import annotations

import gzip
import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from internet.catalogue import REFUSED, UNRESOLVED, build, connect_to
from internet.content import Press
from internet.server import running

DEMO = Path(__file__).parents[2] / "examples" / "demo"
ATOM_LINK = "{http://www.w3.org/2005/Atom}link"
# Where a sitemap is found that no robots.txt names: a well-known path, or a link in the home page.
UNNAMED = {
    "slowradio.example": "/listen/feed",
    "weatherstation.example": "/sitemap.xml",
    "quietdocs.example": "/sitemap.xml",
    "railwaytimes.example": "/sitemap_index.xml",
    "lostproperty.example": "/sitemap.xml",
    "gardenclub.example": "/meta/pages-for-robots.xml",
}
HOMEMADE = "messyadverts.example"


def get(port: int, url: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """A URL's answer, after redirects."""
    for _ in range(5):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", parts.path or "/", headers={"Host": parts.netloc, **headers})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        location = response.headers["Location"]
        if location is None:
            return response, body
        url = f"http://{parts.netloc}{location}" if location.startswith("/") else location
    raise AssertionError(f"{url} redirects on and on")


def pages(port: int, url: str) -> list[str]:
    """The pages that a sitemap leads to, read by the standard library and nothing else."""
    _, body = get(port, url)
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    if not body.lstrip(b"\xef\xbb\xbf").startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-8-sig").split()
    root = ElementTree.fromstring(body)  # noqa: S314 - our own documents
    tag = root.tag.rpartition("}")[2]
    if tag == "rss":
        return [str(item.findtext("link")) for item in root.iter("item")]
    if tag == "feed":
        return [link.attrib["href"] for link in root.iterfind(f"*/{ATOM_LINK}")]
    locations = [str(child[0].text) for child in root]
    if tag == "sitemapindex":
        return [page for location in locations for page in pages(port, location)]
    return locations


def sitemaps(port: int, domain: str) -> list[str]:
    """The sitemap URLs that a site names, or that the tests know of."""
    if domain in UNNAMED:
        return [f"http://{domain}{UNNAMED[domain]}"]
    _, robots = get(port, f"http://{domain}/robots.txt")
    return re.findall(r"^Sitemap: (.+)$", robots.decode(), re.MULTILINE)


def test_three_lists_name_the_same_domains(expected: dict[str, Any]) -> None:
    """The catalogue, the target list and the expectations agree on which domains there are."""
    targets = [line.split("#")[0].strip() for line in (DEMO / "domains.txt").read_text("utf-8").splitlines()]
    names = [target.removeprefix("http://").encode("idna").decode() for target in targets if target]
    assert names == list(dict.fromkeys(names))
    assert set(names) == set(expected) == {*build(), REFUSED, UNRESOLVED}


@pytest.mark.campaign
def test_healthy_sites_publish_what_is_expected_of_them(port: int, expected: dict[str, Any]) -> None:
    """Every page that a healthy site is expected to list can be read from it, and none is listed twice."""
    # no XML reader takes the first; the second lists what cannot be recorded; this reader would follow the
    # third for ever, since its index names itself
    special = {HOMEMADE, "longwinded.example", "hallofmirrors.example"}
    healthy = [domain for domain, truth in expected.items() if truth["outcome"] == "ok"]
    assert len(healthy) > 20
    for domain in healthy:
        if domain in special:
            continue
        found = [page for url in sitemaps(port, domain) for page in pages(port, url)]
        assert len(found) == len(set(found)) == expected[domain]["urls"], domain
        assert all(urlsplit(page).netloc.removeprefix("www.") == domain for page in found)


def test_empty_sites_name_no_sitemap(port: int, expected: dict[str, Any]) -> None:
    """A site that is expected to be empty answers, and nothing on it leads to a sitemap."""
    empty = [domain for domain, truth in expected.items() if truth["outcome"] == "empty"]
    assert empty
    for domain in empty:
        assert sitemaps(port, domain) == []
        assert get(port, f"http://{domain}/")[0].status == 200


def test_partial_sites_hold_the_entries_that_are_expected(port: int) -> None:
    """What is torn, cut and hidden is torn, cut and hidden at the entry that the expectations name."""
    _, torn = get(port, "http://halfmoon-cinema.example/listings.xml")
    assert torn.count(b"</url>") == 17
    assert torn.count(b"<loc>") == 18
    assert b"</urlset>" not in torn
    _, packed = get(port, "http://fadingarchive.example/s.xml.gz")
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(packed).count(b"</url>") == 25
    assert not unpacker.eof
    _, bomb = get(port, "http://zipbomb.example/sitemap.xml.gz")
    assert len(bomb) < 100_000
    assert len(gzip.decompress(bomb)) > 64 * 1024 * 1024
    _, adverts = get(port, f"http://{HOMEMADE}/sitemap.xml")
    assert adverts.count(b"&page=1&copy=2</loc>") == 24


def test_a_cut_answer_ends_before_its_length(port: int, expected: dict[str, Any]) -> None:
    """The connection closes half-way, after the complete entries that are expected and in the next one."""
    with pytest.raises(http.client.IncompleteRead) as error:
        get(port, "http://cutshort.example/sitemap.xml")
    assert error.value.partial.count(b"</url>") == expected["cutshort.example"]["urls"]
    assert not error.value.partial.rstrip().endswith(b"</url>")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://ghosttown.example/sitemap.xml", 404),
        ("http://brochureware.example/sitemap.xml", 200),
        ("http://yestoeverything.example/no/such/thing", 200),
        ("http://undermaintenance.example/robots.txt", 503),
        ("http://takeabreak.example/sitemap.xml", 429),
        ("http://halfmoon-cinema.example/broken.xml", 500),
        ("http://not-of-this-demo.example/", 421),
    ],
)
def test_broken_sites_answer_as_they_are_meant_to(port: int, url: str, status: int) -> None:
    """Each way to fail is there."""
    response, _ = get(port, url)
    assert response.status == status
    assert (response.headers["Retry-After"] == "3600") is (status == 429)


def test_a_reset_is_a_reset(port: int) -> None:
    """The connection ends with RST, not with an empty answer."""
    with pytest.raises(ConnectionResetError):
        get(port, "http://droppedcalls.example/robots.txt")


def test_a_reason_phrase_carries_escapes(port: int) -> None:
    """The prankster's terminal escapes do go over the wire: a scan of it proves something."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(b"GET /more.xml HTTP/1.1\r\nHost: prankster.example\r\nConnection: close\r\n\r\n")
        assert b"\x1b]0;owned\x07" in sock.makefile("rb").readline()


def test_tls_is_refused_at_once(port: int) -> None:
    """A client that tries https hears no within the handshake, instead of waiting for a timeout."""
    context = ssl.create_default_context()
    # a timeout is an error of another kind
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname="cornerbakery.example")


def test_the_bare_name_leads_to_www(port: int) -> None:
    """A site at www. redirects the bare name there, and every other site does it the other way round."""
    for domain, host in (("oldtown-library.example", "www."), ("cornerbakery.example", "")):
        other = "" if host else "www."
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/robots.txt", headers={"Host": f"{other}{domain}"})
        assert connection.getresponse().headers["Location"] == f"http://{host}{domain}/robots.txt"
        connection.close()


def test_an_entity_tag_spares_the_body(port: int) -> None:
    """A second request with the first one's entity tag gets 304 and no body."""
    url = "http://cornerbakery.example/sitemap.xml"
    first, body = get(port, url)
    again, nothing = get(port, url, **{"If-None-Match": first.headers["ETag"]})
    assert (first.status, again.status) == (200, 304)
    assert body
    assert not nothing


def test_day_two_changes_the_shop_and_nothing_else() -> None:
    """On day 2 one of the shop's files has 5 pages less, 3 more and 12 with another lastmod."""
    with running() as (internet, port):
        before, before_index = (
            get(port, shop(path))[1] for path in ("sitemaps/maps.xml.gz", "sitemap_index.xml")
        )
        internet.day = 2
        after, after_index = (
            get(port, shop(path))[1] for path in ("sitemaps/maps.xml.gz", "sitemap_index.xml")
        )
        old, new = lastmods(gzip.decompress(before)), lastmods(gzip.decompress(after))
    assert len(old.keys() - new.keys()) == 5
    assert len(new.keys() - old.keys()) == 3
    assert sum(old[url] != new[url] for url in old.keys() & new.keys()) == 12
    changed = {
        url for url, lastmod in lastmods(after_index).items() if lastmods(before_index)[url] != lastmod
    }
    assert changed == {shop("sitemaps/maps.xml.gz")}


def shop(path: str) -> str:
    """A URL of the shop's."""
    return f"http://lanternbooks.example/{path}"


def lastmods(body: bytes) -> dict[str | None, str | None]:
    """The lastmod of each loc."""
    return {child[0].text: child[1].text for child in ElementTree.fromstring(body)}  # noqa: S314 - our own


def test_the_same_seed_writes_the_same() -> None:
    """Two writers with one seed agree, two seeds do not."""
    words = ("old new tall", "lamp chair book clock")
    assert Press("a").slugs(12, *words) == Press("a").slugs(12, *words) != Press("b").slugs(12, *words)
    assert len(set(Press("a").slugs(40, *words))) == 40


def test_every_name_is_mapped_on_its_own() -> None:
    """No mapping of the demo's catches the addresses and names that a crawler must refuse by itself."""
    mappings = connect_to(8460)
    assert all(not mapping.startswith(":") for mapping in mappings)
    assert not any(UNRESOLVED in mapping or "169.254" in mapping for mapping in mappings)


def test_the_server_alone_says_how_to_use_it_and_stops_when_told() -> None:
    """serve.py prints a scan command with its port, lists requests escaped, and ends with 0 on Ctrl-C."""
    words = [sys.executable, str(DEMO / "serve.py"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        while not (told := re.search(r"--connect-to ::127\.0\.0\.1:(\d+)", server.stdout.readline())):
            assert server.poll() is None
        with socket.create_connection(("127.0.0.1", int(told[1])), timeout=60) as sock:
            sock.sendall(b"GET /\x1b[31m HTTP/1.1\r\nHost: drip.example\r\nConnection: close\r\n\r\n")
            assert sock.makefile("rb").readline().startswith(b"HTTP/1.1 404 ")
        server.send_signal(signal.SIGINT)
        _, log = server.communicate(timeout=60)
    assert server.returncode == 0
    assert log == "404 drip.example/\\x1b[31m\n"


def test_a_taken_port_is_said_to_be_taken(port: int) -> None:
    """serve.py on a port in use ends with 1 and a way out."""
    words = [sys.executable, str(DEMO / "serve.py"), "--port", str(port)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {port} is taken")
    assert "hint: --port 0" in done.stderr
