"""The discovery queue, without a network: what is requested, in which order, and what ends the search."""

from __future__ import annotations

from typing import Any

from contentmap_cli.crawl.discovery import Candidate, DiscoveryQueue
from contentmap_cli.crawl.known_paths import MAIN_PATHS
from contentmap_cli.crawl.targets import parse_target
from contentmap_cli.errors import Failure
from contentmap_cli.models import (
    DiscoveryMethod,
    Document,
    DocumentKind,
    Entry,
    FileStatus,
    Lastmod,
    Limits,
    Probe,
    RememberedFile,
)

URLSET, INDEX = DocumentKind.URLSET, DocumentKind.INDEX


def discovery(target: str = "https://site.test", **changes: Any) -> DiscoveryQueue:
    """A discovery queue for a site that answers on its first origin."""
    options: dict[str, Any] = {"limits": Limits(), "probe": Probe.AUTO, "conditional": True, **changes}
    made = DiscoveryQueue(parse_target(target), **options)
    made.select_origin(parse_target(target).origins[0], ())
    return made


def take(made: DiscoveryQueue) -> list[Candidate]:
    """What is queued, taken."""
    found = list(made.queue)
    made.queue.clear()
    return found


def document(kind: DocumentKind, **facts: Any) -> Document:
    return Document(kind, 0, complete=True, **facts)


def remembered(name: str, method: DiscoveryMethod, **facts: Any) -> RememberedFile:
    return RememberedFile(f"https://site.test/{name}", method, **facts)


def test_order_and_repetition() -> None:
    """Given, then robots.txt, then remembered; the same URL in another spelling is the same file."""
    made = discovery(
        "https://site.test/given.xml",
        remembered=[
            remembered("old.xml", DiscoveryMethod.KNOWN_PATH),
            remembered("child.xml", DiscoveryMethod.INDEX),
            remembered("robots.xml", DiscoveryMethod.ROBOTS),
        ],
    )
    made.add_roots(["https://SITE.test:443/given.xml#x", "https://site.test/named.xml"])
    assert [(each.url.rpartition("/")[2], each.discovered_by.value) for each in take(made)] == [
        ("given.xml", "given"),
        ("named.xml", "robots"),
        ("old.xml", "remembered"),
    ]
    assert [note.code for note in made.notes()] == ["already_seen"]


def test_names_that_are_no_urls() -> None:
    """They are counted, and not quoted."""
    made = discovery()
    made.add_roots(["http://ann:pw@bad host/", "https://[x/"])
    assert take(made) == []
    assert [note.code for note in made.notes()] == ["rejected_url"]
    assert "pw" not in repr(made.notes())


def test_a_name_that_no_key_could_hold() -> None:
    """The limit applies to the normalised URL: a Chinese letter takes nine bytes."""
    made = discovery()
    fits = "https://site.test/" + "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 225
    made.add_roots([fits, fits + "\N{CJK UNIFIED IDEOGRAPH-4E00}"])
    assert [len(each.url) for each in take(made)] == [18 + 225 * 9]
    assert list(made.limits_hit) == ["url_too_long"]


def test_a_given_sitemap_moves_to_the_origin_that_answers() -> None:
    """A target without a scheme is requested on the origin of the site."""
    made = DiscoveryQueue(
        parse_target("site.test/a.xml"), limits=Limits(), probe=Probe.AUTO, conditional=True
    )
    made.select_origin("http://site.test", ["https://site.test"])
    made.add_roots([])
    assert [each.url for each in take(made)] == ["http://site.test/a.xml"]


def test_links_stay_on_the_site() -> None:
    """Links of the home page to www are followed, links to other sites are not."""
    made = discovery()
    made.add_links(
        [
            ("https://www.site.test/a.xml", DiscoveryMethod.HTML_LINK),
            ("https://feeds.stranger.test/b", DiscoveryMethod.FEED_LINK),
        ]
    )
    assert [each.url for each in take(made)] == ["https://www.site.test/a.xml"]


def test_probes_in_every_folder_once() -> None:
    """Known paths below the target's path come first, then the root; none is repeated."""
    made = discovery("https://site.test/project/")
    made.add_roots(["https://site.test/sitemap.xml"])
    take(made)
    found = [each.url for each in made.known_path_candidates(MAIN_PATHS)]
    assert found[0] == "https://site.test/project/sitemap.xml"
    assert "https://site.test/sitemap.xml" not in found
    assert len(found) == 2 * len(MAIN_PATHS) - 1
    assert made.known_path_candidates(MAIN_PATHS) == []


def test_when_to_look_further() -> None:
    """A working sitemap ends the search, a failed file or a feed does not."""
    made = discovery()
    made.add_roots(["https://site.test/a.xml"])
    named = take(made)[0]
    made.add_links([("https://site.test/feed", DiscoveryMethod.FEED_LINK)])
    feed = take(made)[0]
    made.record_file(named, FileStatus.FAILED, document(URLSET))
    made.record_file(feed, FileStatus.OK, document(DocumentKind.RSS), entries=9)
    made.record_file(named, FileStatus.OK, document(DocumentKind.ATOM), entries=9)  # named or not
    made.record_file(named, FileStatus.OK, document(URLSET), entries=0)
    made.record_file(named, FileStatus.OK, document(URLSET), entries=9, news=True)
    made.record_file(named, FileStatus.OK, document(INDEX), entries=9)  # its children list pages, it does not
    assert made.wants_more
    assert made.probes_paths
    made.record_file(named, FileStatus.PARTIAL, document(URLSET), entries=1)
    assert not made.wants_more
    assert not made.probes_paths
    assert not discovery(probe=Probe.NEVER).probes_paths
    always = discovery(probe=Probe.ALWAYS)
    always.record_file(named, FileStatus.OK, document(URLSET), entries=1)
    assert always.probes_paths


def test_files_that_nothing_names_any_more() -> None:
    """They are queued last, indexes first, for up to seven complete scans."""
    made = discovery(
        remembered=[
            remembered("child.xml", DiscoveryMethod.INDEX, kind=URLSET),
            remembered("index.xml", DiscoveryMethod.ROBOTS, kind=INDEX),
            remembered("old.xml", DiscoveryMethod.ROBOTS, kind=URLSET, unnamed_scans=7),
            remembered("six.xml", DiscoveryMethod.ROBOTS, kind=URLSET, unnamed_scans=6),
        ]
    )
    made.add_roots([])
    assert take(made) == []
    seen = []
    while made.add_unreferenced():
        seen.append([each.url.rpartition("/")[2] for each in take(made)])
    assert seen == [["index.xml"], ["child.xml", "six.xml"]]


def test_a_found_file_that_is_gone_starts_the_search_again() -> None:
    """This applies to files of known paths and links, not to children of indexes."""
    known = [
        remembered("guessed.xml", DiscoveryMethod.KNOWN_PATH, kind=URLSET),
        remembered("child.xml", DiscoveryMethod.INDEX, kind=URLSET),
    ]
    for name, lost in (("child.xml", False), ("guessed.xml", True)):
        made = discovery(remembered=known)
        made.add_roots([])
        made.add_unreferenced()
        (gone,) = (each for each in take(made) if each.url.endswith(name))
        made.found = True
        assert made.is_gone(gone, Failure("http_410", ""))
        assert made.wants_more is lost


def test_pages_of_a_feed() -> None:
    """The next page is queued with the feed as its parent; a page that names itself ends the chain."""
    made = discovery()
    made.add_links([("https://site.test/feed", DiscoveryMethod.FEED_LINK)])
    (feed,) = take(made)
    made.record_file(
        feed, FileStatus.OK, document(DocumentKind.ATOM, next_url="https://site.test/feed?2"), entries=1
    )
    assert made.add_feed_page()
    (page,) = take(made)
    assert (page.url, page.parent) == ("https://site.test/feed?2", "https://site.test/feed")
    made.record_file(page, FileStatus.OK, document(DocumentKind.ATOM, next_url=page.url), entries=1)
    assert not made.add_feed_page()


def test_validators_are_for_files_whose_content_is_not_needed() -> None:
    """Indexes and unknown kinds are always read in full, and all files without conditional requests."""
    known = [
        remembered("set.xml", DiscoveryMethod.ROBOTS, etag='"1"', kind=URLSET),
        remembered("index.xml", DiscoveryMethod.ROBOTS, etag='"2"', kind=INDEX),
        remembered("what.xml", DiscoveryMethod.ROBOTS, etag='"3"'),
    ]
    for conditional, expected in ((True, [{"If-None-Match": '"1"'}, {}, {}]), (False, [{}] * 3)):
        made = discovery(remembered=known, conditional=conditional)
        made.add_roots([file.url for file in known])
        assert [made.conditions(each)[0] for each in take(made)] == expected


def test_what_an_indexs_date_is_worth() -> None:
    """A date proves nothing; a time does, unless there is a validator or the child is an index."""
    cases = {
        "time.xml": ("second", {"kind": URLSET}, True),
        "date.xml": ("day", {"kind": URLSET}, False),
        "asked.xml": ("second", {"kind": URLSET, "etag": '"1"'}, False),
        "index.xml": ("second", {"kind": INDEX}, False),
        "unknown.xml": ("second", {}, False),
    }
    made = discovery(
        remembered=[
            remembered(name, DiscoveryMethod.INDEX, lastmod="x", **facts)
            for name, (_, facts, _) in cases.items()
        ]
    )
    made.add_roots(["https://site.test/root.xml"])
    root = take(made)[0]
    made.add_children(
        root,
        [
            Entry(f"https://site.test/{name}", Lastmod("x", precision, "x"), type="sitemap")
            for name, (precision, _, _) in cases.items()
        ],
    )
    assert [each.unchanged for each in take(made)] == [expected for _, _, expected in cases.values()]


def test_who_is_in_scope() -> None:
    """The site, with or without www, and the host of a file that robots.txt names."""
    made = discovery()
    made.add_roots(["https://shop.test/index.xml"])
    vouched = take(made)[0]
    made.add_children(vouched, [Entry("https://shop.test/a.xml"), Entry("https://else.test/b.xml")])
    same_host, other_host = take(made)
    for candidate, url, expected in (
        (vouched, "http://www.site.test/x", True),
        (vouched, "https://shop.test/x", True),
        (same_host, "https://shop.test/x", True),
        (other_host, "https://else.test/x", False),
        (other_host, "https://site.test/x", True),
        (vouched, "https://sub.shop.test/x", False),
        (vouched, "https://site.test:8443/x", False),
        (vouched, "mailto:x@site.test", False),
    ):
        assert made.scope(candidate)(url) is expected, (candidate.url, url)


def test_gone_is_for_what_nobody_names() -> None:
    """404 of a remembered file removes it; of a named file it is a failure; 403 is always a failure."""
    made = discovery(remembered=[remembered("old.xml", DiscoveryMethod.GIVEN)])
    made.add_roots(["https://site.test/named.xml"])
    named, old = take(made)
    gone, refused = Failure("http_404", ""), Failure("http_403", "")
    assert made.is_gone(old, gone)
    assert not made.is_gone(named, gone)
    assert not made.is_gone(old, refused)


def test_the_number_of_files_is_limited() -> None:
    """Files beyond the limit are dropped and the limit is reported; known paths do not count."""
    made = discovery(limits=Limits(domain_files=2))
    made.add_roots([f"https://site.test/{number}.xml" for number in range(5)])
    assert len(take(made)) == 2
    assert list(made.limits_hit) == ["budget_exhausted"]
    assert len(made.known_path_candidates(MAIN_PATHS)) == len(MAIN_PATHS)
