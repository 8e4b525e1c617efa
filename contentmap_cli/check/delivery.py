"""Rules about delivery and discovery: status, redirects, media types, robots.txt, indexes."""

from __future__ import annotations

from contentmap_cli.check.documents import SITE_INCOMPLETE, is_about_content
from contentmap_cli.check.registry import GOOGLE, PROTOCOL, RFC_9309, Family, Notes, rule
from contentmap_cli.check.robots import ROBOTS_HTML
from contentmap_cli.check.url_parts import origin_of, path_of, site_name
from contentmap_cli.errors import Code
from contentmap_cli.models import DiscoveryMethod, DocumentKind, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite
from contentmap_cli.models.hosts import site_of

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

SITE_UNREACHABLE = rule(
    "site-unreachable", _E, "site cannot be checked",
    "No usable answer: nothing else could be checked.",
    f"{PROTOCOL}#informing",
)  # fmt: skip
SITE_EMPTY = rule(
    "site-empty", _W, "no sitemap found",
    "Crawlers then know only the pages that others link to.", f"{PROTOCOL}#informing",
)  # fmt: skip
HTTP_FAILED = rule(
    "http-failed", _E, "file cannot be fetched",
    "It is named as a sitemap, and a crawler gets nothing from it.", f"{PROTOCOL}#informing",
)  # fmt: skip
HTTP_REDIRECT = rule(
    "http-redirect", _W, "file redirects",
    "Each fetch costs a second request, and some readers do not follow: name the final URL.",
    f"{GOOGLE}/sitemaps/build-sitemap",
)  # fmt: skip
HTTP_TYPE = rule(
    "http-type", _W, "wrong Content-Type",
    "XML is application/xml or text/xml, text is text/plain, gzip is application/gzip.",
    "https://www.rfc-editor.org/rfc/rfc7303.html#section-9.1",
)  # fmt: skip
HTTP_COMPRESSION = rule(
    "http-compression", _I, "large file sent without compression",
    "XML shrinks to a tenth with gzip: less traffic for the site, and faster fetches.", f"{PROTOCOL}#index",
)  # fmt: skip
HTTP_GZIP = rule(
    "http-gzip", _W, "file named .gz is not gzipped",
    "Readers that rely on the name fail to unpack it.", f"{PROTOCOL}#index",
)  # fmt: skip
ROBOTS_UNREACHABLE = rule(
    "robots-unreachable", _E, "robots.txt cannot be read",
    "On a server error crawlers must treat the whole site as disallowed.",
    f"{RFC_9309}#section-2.3.1.4",
)  # fmt: skip
ROBOTS_ORPHAN = rule(
    "robots-orphan", _W, "sitemap not named by robots.txt or an index",
    "Crawlers can only guess its name: a Sitemap line in robots.txt tells all of them.",
    f"{PROTOCOL}#submit_robots",
)  # fmt: skip
INDEX_NESTED = rule(
    "index-nested", _E, "index inside an index",
    "An index names sitemaps; most readers do not follow a second level.",
    f"{GOOGLE}/sitemaps/large-sitemaps",
)  # fmt: skip
INDEX_HOST = rule(
    "index-host", _E, "index names a file on another host",
    "An index may only name files of its own site, unless robots.txt names it.", f"{PROTOCOL}#index",
)  # fmt: skip

LOCATION_HOST = rule(
    "location-host", _I, "sitemap on another host than its site",
    "It may list the URLs of the site only if the robots.txt of the site names it.",
    f"{PROTOCOL}#sitemaps_cross_submits",
)  # fmt: skip

LARGE = 1024 * 1024
"""Bytes of a file for which compression matters."""
_LIMITS = frozenset({Code.BUDGET_EXHAUSTED, Code.DEADLINE, Code.DEPTH_EXCEEDED})
_XML_TYPES = frozenset({"application/xml", "text/xml"})
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml"})
_GZIP_TYPES = frozenset(
    {"application/gzip", "application/x-gzip", "application/octet-stream", "binary/octet-stream"}
)
_NOTES = frozenset({Code.ROBOTS_IS_HTML, Code.ALREADY_SEEN})
"""Notes on a site that do not explain why no file was found."""
_GUESSED = frozenset({DiscoveryMethod.KNOWN_PATH, DiscoveryMethod.HTML_LINK, DiscoveryMethod.REMEMBERED})


class Delivery(Family):
    """Checks how each file is delivered, and how the site names it."""

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._files = 0

    def start(self, file: CheckedFile) -> None:
        """Check the response to a file, and where it is named."""
        self._files += 1
        failure = file.failure
        if failure is not None and not is_about_content(failure.code):
            text = f"{failure.code}: {failure.message}"
            broken = SITE_INCOMPLETE if failure.code in _LIMITS else HTTP_FAILED
            self.notes.add(broken, file, text, url=file.url, value=str(failure.code))
        if file.url is None or not self.site.is_site:
            return
        if file.final_url is not None and _target(file.final_url) != _target(file.url):
            self.notes.add(HTTP_REDIRECT, file, url=file.url, value=file.final_url)
        if failure is None:
            self._type(file)
            if file.decoded_bytes > LARGE and not file.is_gzipped:
                self.notes.add(HTTP_COMPRESSION, file, f"{file.decoded_bytes:,} bytes", url=file.url)
            self._host(file)
        if file.parent is not None:
            self._child(file)
        elif file.named is False and file.discovered_by in _GUESSED and failure is None:
            message = "no Sitemap line of robots.txt names the file"
            self.notes.add(ROBOTS_ORPHAN, file, message, url=file.url)

    def _type(self, file: CheckedFile) -> None:
        if path_of(file.address or "").lower().endswith(".gz") and not file.is_gzipped and file.decoded_bytes:
            self.notes.add(HTTP_GZIP, file, url=file.url)
        media_type = (file.content_type or "").partition(";")[0].strip().lower()
        if not media_type or file.kind is None or not file.kind.is_sitemap:
            return
        if file.kind is DocumentKind.TEXT:
            fits = media_type == "text/plain"
        elif file.kind is DocumentKind.JSON_FEED:
            fits = media_type == "application/json" or media_type.endswith("+json")
        else:
            fits = media_type in _XML_TYPES or media_type.endswith("+xml") or media_type in _FEED_TYPES
        if not fits and not (file.is_gzipped and media_type in _GZIP_TYPES):
            message = f"{media_type[:100]} for a {file.kind.value}"
            self.notes.add(HTTP_TYPE, file, message, url=file.url, value=media_type)

    def _child(self, file: CheckedFile) -> None:
        if file.kind is DocumentKind.INDEX:
            self.notes.add(INDEX_NESTED, file, url=file.url, value=file.parent)
        own, parent = origin_of(file.url), origin_of(file.parent)
        if own is not None and parent is not None and own.site != parent.site and not file.trusted:
            message = f"the index is on {parent.host}"
            self.notes.add(INDEX_HOST, file, message, url=file.url, value=file.parent)

    def _host(self, file: CheckedFile) -> None:
        own, site = site_of(file.address or ""), site_name(self.site.target)
        if own is not None and own != site:
            word = "names" if file.trusted else "does not name"
            message = f"on {own}; the robots.txt of {site} {word} the file"
            self.notes.add(LOCATION_HOST, file, message, url=file.url)

    def finish(self) -> None:
        """Check the site as a whole."""
        for failure in self.site.failures:
            text = f"{failure.code}: {failure.message}"
            if failure.code == Code.ROBOTS_UNREACHABLE:
                self.notes.add(ROBOTS_UNREACHABLE, None, text)
            elif failure.code == Code.ROBOTS_IS_HTML:
                self.notes.add(ROBOTS_HTML, None, text)
            elif failure.code in _LIMITS:
                self.notes.add(SITE_INCOMPLETE, None, text)
            elif not self._files and failure.code not in _NOTES:
                self.notes.add(SITE_UNREACHABLE, None, text)
        explained = any(failure.code not in _NOTES for failure in self.site.failures)
        if not self._files and self.site.is_site and not explained:
            self.notes.add(SITE_EMPTY, None)


def _target(url: str) -> str:
    """Return the part of a URL in which a redirect may differ: no fragment, no default port."""
    origin = origin_of(url)
    rest = url.partition("://")[2]
    slash = rest.find("/")
    return f"{origin}{rest[slash:] if slash >= 0 else '/'}".partition("#")[0]
