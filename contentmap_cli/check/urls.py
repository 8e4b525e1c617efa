"""Rules about the URLs that a file lists: spelling, host, folder, repetition."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from contentmap_cli.check.documents import LIMIT_URL_LENGTH, URL_RELATIVE
from contentmap_cli.check.hashing import HashBag, HashSet
from contentmap_cli.check.registry import GOOGLE, PROTOCOL, Family, Notes, rule
from contentmap_cli.check.url_parts import PORTS, Origin, folder_of, is_private, origin_of, path_of, site_name
from contentmap_cli.models import DocumentKind, Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_RFC_3986 = "https://www.rfc-editor.org/rfc/rfc3986.html"

MAX_URL_LENGTH = 2_047
MAX_HASHES = 10_000_000
"""URLs that are compared: 80 MB."""

URL_HOST = rule(
    "url-host", _E, "URL on another host than its file",
    "A file may list its own host only, unless that host's robots.txt names the file.",
    f"{PROTOCOL}#location",
)  # fmt: skip
URL_LOCATION = rule(
    "url-location", _W, "URL outside the folder of its file",
    "A file is valid for its own folder and below, unless robots.txt names the file.",
    f"{PROTOCOL}#location",
)  # fmt: skip
LOCATION_FOLDER = rule(
    "location-folder", _I, "files that list URLs outside their folder",
    "Valid, because robots.txt names them, or their index; without that line the URLs would be ignored.",
    f"{PROTOCOL}#location",
)  # fmt: skip
URL_HTTP = rule(
    "url-http", _W, "http URL in an https site",
    "It is another URL than the https one, usually a redirect to it.",
    f"{PROTOCOL}#location",
)  # fmt: skip
URL_PRIVATE = rule(
    "url-private", _E, "URL on a host that is not public",
    "localhost, a private address or a test name: the base URL of the generator was never set.",
    f"{PROTOCOL}#locdef",
)  # fmt: skip
URL_ESCAPE = rule(
    "url-escape", _E, "URL with characters that must be percent-encoded",
    "Spaces, quotes, brackets and non-ASCII letters must be percent-encoded in a URL.",
    f"{PROTOCOL}#escaping",
)  # fmt: skip
URL_PERCENT = rule(
    "url-percent", _E, "% that is not a percent-encoding",
    "Servers and readers disagree on its meaning; a literal % is %25.", f"{_RFC_3986}#section-2.1",
)  # fmt: skip
URL_FRAGMENT = rule(
    "url-fragment", _W, "URL with a fragment",
    "The fragment is never sent to the server: the page is the URL without it.",
    f"{_RFC_3986}#section-3.5",
)  # fmt: skip
URL_SESSION = rule(
    "url-session", _W, "URL with a session id",
    "Each visitor gets another one: the same page is listed under ever new URLs.",
    f"{GOOGLE}/url-structure",
)  # fmt: skip
URL_REPEATED = rule(
    "url-repeated", _W, "URL listed in more than one file",
    "It wastes space, and the files may give it different dates.", f"{PROTOCOL}#index",
)  # fmt: skip
URL_DOUBLE_SLASH = rule(
    "url-double-slash", _W, "URL with an empty path segment (//)",
    "Usually a base URL and a path that were joined with one slash too many: another URL for the same page.",
    f"{_RFC_3986}#section-3.3",
)  # fmt: skip
URL_DOTS = rule(
    "url-dots", _W, "URL with a dot segment (/../ or /./)",
    "Browsers and crawlers remove it before the request: the page has another URL.",
    f"{_RFC_3986}#section-5.2.4",
)  # fmt: skip
URL_PORT = rule(
    "url-port", _W, "URL with the default port of its scheme",
    "The page's own URL has no port; readers that compare texts take it for another page.",
    f"{_RFC_3986}#section-6.2.3",
)  # fmt: skip
URL_TRACKING = rule(
    "url-tracking", _W, "URL with a tracking parameter",
    "A sitemap lists canonical URLs; this one is a copy, whose visits are counted as a campaign.",
    f"{GOOGLE}/url-structure",
)  # fmt: skip
URL_REFUSED = rule(
    "url-refused", _E, "URL that browsers refuse to request",
    "Its port belongs to another protocol, or its xn-- label is no encoding of a name.",
    "https://fetch.spec.whatwg.org/#port-blocking",
)  # fmt: skip

# RFC 3986 section 2: reserved and unreserved characters, and the %
_PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SESSION = re.compile(
    r"(?:[?&;](?:PHPSESSID|jsessionid|ASPSESSIONID\w*|sid|sessionid|session_id)=)", re.IGNORECASE
)
_EMPTY_SEGMENT = re.compile(r"(?<!:)//")  # an archive's URL has another one in its path
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(https?)://([^/?#:]*)(?::([0-9]+))?", re.IGNORECASE)
TRACKING = re.compile(
    r"[?&;]((?:utm_[a-z_]+|mtm_[a-z_]+|pk_(?:campaign|kwd|source|medium|content)|hsa_[a-z]+|gclid|gclsrc|dclid"
    r"|gbraid|wbraid|gad_source|gad_campaignid|srsltid|fbclid|msclkid|yclid|ysclid|ttclid|twclid|li_fat_id"
    r"|igsh|igshid|epik|sccid|rdt_cid|mc_[ce]id|_hsenc|_hsmi|_gl|_ga|mkt_tok|vero_id|oly_(?:anon|enc)_id"
    r"|s_kwcid|ef_id|irclickid|wickedid|_openstat)=[^&;#]*)",
    re.IGNORECASE,
)
BAD_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103),
        *(104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513),
        *(514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719),
        *(1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679),
        *(6697, 10080),
    }
)
"""Ports that browsers block (Fetch Standard, section 2.9)."""
_SPELLING = (URL_ESCAPE, URL_PERCENT, URL_FRAGMENT, URL_SESSION)


class Urls(Family):
    """Checks each URL, and compares it with the file that lists it."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(
            URL_HOST,
            URL_LOCATION,
            LOCATION_FOLDER,
            URL_HTTP,
            URL_PRIVATE,
            LIMIT_URL_LENGTH,
            URL_RELATIVE,
        ),
        *_SPELLING,
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._own: Origin | None = None
        self._folder = "/"
        self._secure = False
        self._insecure = 0
        self._mixed: set[str] = set()  # names of files without a URL of their own, with http and https URLs

    def start(self, file: CheckedFile) -> None:
        """Begin a file: determine its origin and folder."""
        self._own = origin_of(file.address)
        self._folder = folder_of(file.address) if file.address else "/"
        self._secure = self._own is not None and self._own.scheme == "https"
        self._insecure = 0

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check each URL."""
        is_plain = _PLAIN.fullmatch
        for entry in entries:
            url = entry.url
            if len(url) > MAX_URL_LENGTH:
                self.notes.add(LIMIT_URL_LENGTH, file, url=url, value=f"{len(url):,} characters")
            if not is_plain(url) or ("=" in url and _SESSION.search(url)):
                self._spelling(file, url)
            origin = origin_of(url)
            if origin is None:
                self.notes.add(URL_RELATIVE, file, url=url)
                continue
            self._compare(file, url, origin)

    def end(self, file: CheckedFile) -> None:
        """Remember a file whose URLs show at its end only that its site has https."""
        if self._own is None and self._secure and self._insecure:
            self._mixed.add(file.name)

    def finish(self) -> None:
        """Have the http URLs of such files reported."""
        self.needs_second_pass = bool(self._mixed)

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Report the http URLs of a file of an https site."""
        if file.name in self._mixed:
            for entry in entries:
                origin = origin_of(entry.url)
                if origin is not None and origin.scheme == "http":
                    self.notes.add(URL_HTTP, file, url=entry.url)

    def _spelling(self, file: CheckedFile, url: str) -> None:
        add = self.notes.add
        if _NOT_ALLOWED.search(url):
            add(URL_ESCAPE, file, url=url)
        if _BAD_PERCENT.search(url):
            add(URL_PERCENT, file, url=url)
        if "#" in url:
            add(URL_FRAGMENT, file, url=url)
        if _SESSION.search(url):
            add(URL_SESSION, file, url=url)

    def _compare(self, file: CheckedFile, url: str, origin: Origin) -> None:
        if is_private(origin.host) and (self._own is None or self._own.host != origin.host):
            self.notes.add(URL_PRIVATE, file, url=url)
        if origin.scheme == "https":
            self._secure = self._secure or self._own is None  # the file's own URL is not known
        elif self._own is None:
            self._insecure += 1
        elif self._secure:
            self.notes.add(URL_HTTP, file, url=url)
        if self._own is None:
            return
        if origin.host != self._own.host:
            if not self._is_trusted(file, origin):
                self.notes.add(URL_HOST, file, f"the file is on {self._own.host}", url=url)
        elif (
            self._folder != "/"
            and file.kind is not DocumentKind.INDEX
            and not path_of(url).startswith(self._folder)
        ):
            self._outside(file, url)

    def _outside(self, file: CheckedFile, url: str) -> None:
        if not file.trusted:
            self.notes.add(URL_LOCATION, file, f"the file is in {self._folder[:200]}", url=url)
            return
        named = "valid, because robots.txt names the file or its index"
        self.notes.add(LOCATION_FOLDER, None, named, url=file.url, value=url)  # one of its URLs will do
        self._folder = "/"

    def _is_trusted(self, file: CheckedFile, origin: Origin) -> bool:
        """Return whether robots.txt names the file, so that it may list pages of the target's own host."""
        return file.trusted and self.site.is_site and origin.host in _hosts(site_name(self.site.target))


class UrlShape(Family):
    """Checks the path, the port, the query and the host of each URL.

    A batch of URLs is searched as one text first: most batches have nothing that a rule is about.
    """

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(URL_DOUBLE_SLASH, URL_DOTS, URL_PORT, URL_TRACKING, URL_REFUSED),
    )

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check each URL of a batch that has any unusual one."""
        urls = [entry.url for entry in entries]
        text = "\n".join(urls)
        dotted = "/." in text or "%2" in text
        if (
            dotted
            or "=" in text
            or "xn--" in text
            or text.count("//") > len(urls)
            or text.count(":") > len(urls)
        ):
            for url in urls:
                self._check(file, url, dotted=dotted)

    def _check(self, file: CheckedFile, url: str, *, dotted: bool) -> None:
        add = self.notes.add
        if "=" in url and (parameter := TRACKING.search(url)):
            add(URL_TRACKING, file, url=url, value=parameter[1])
        if "//" in url[8:] and _EMPTY_SEGMENT.search(path_of(url)):
            add(URL_DOUBLE_SLASH, file, url=url)
        if dotted and _DOT_SEGMENT.search(path_of(url)):
            add(URL_DOTS, file, url=url)
        if (":" in url[6:] or "xn--" in url) and (authority := _AUTHORITY.match(url)):
            scheme, host, port = authority.groups()
            if port is not None and int(port) == PORTS[scheme.lower()]:
                add(URL_PORT, file, url=url, value=port)
            elif port is not None and int(port) in BAD_PORTS:
                add(URL_REFUSED, file, url=url, value=port)
            if (label := _bad_label(host)) is not None:
                add(URL_REFUSED, file, url=url, value=label)


class Repetitions(Family):
    """Finds URLs that more than one file lists, by their hashes."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (URL_REPEATED,)

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._bag = HashBag(MAX_HASHES)
        self._numbers: dict[str, int] = {}
        self._files: list[str] = []
        self._repeated = HashSet()
        self._first = array("i")  # for each repeated URL the first file that lists it

    def start(self, file: CheckedFile) -> None:
        """Number the files."""
        self._numbers[file.name] = len(self._files)
        self._files.append(file.name)

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Add the hash of each page's URL, once per file."""
        self._bag.add({hash(entry.url) for entry in entries if entry.type == "url"})

    def finish(self) -> None:
        """Determine the repeated URLs."""
        if len(self._files) > 1:
            if self._bag.overflowed:
                self.incomplete = f"{URL_REPEATED.id} compared the first {MAX_HASHES:,} URLs only"
            self._repeated = self._bag.repeated()
            self._first = array("i", [-1]) * len(self._repeated)
            self.needs_second_pass = len(self._repeated) > 0
        self._bag = HashBag(0)

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Report each URL that an earlier file lists."""
        own = self._numbers[file.name]
        for entry in entries:
            if entry.type != "url" or (index := self._repeated.index(hash(entry.url))) is None:
                continue
            if self._first[index] < 0:
                self._first[index] = own
            elif self._first[index] != own:
                self.notes.add(URL_REPEATED, file, url=entry.url, value=self._files[self._first[index]])


def _hosts(target: str) -> tuple[str, str]:
    host = target.partition(":")[0]
    return host, f"www.{host}"


@lru_cache(maxsize=1024)
def _bad_label(host: str) -> str | None:
    """Return the first label that claims to be an encoded name (RFC 5890) and is none."""
    for label in host.lower().split("."):
        if label.startswith("xn--"):
            try:
                name = label[4:].encode().decode("punycode")
            except UnicodeError:
                return label
            if name.isascii():
                return label
    return None
