"""Rules about the URLs that a file lists: spelling, host, folder, repetition."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import ClassVar

from contentmap_cli.check.documents import LIMIT_URL_LENGTH, URL_RELATIVE
from contentmap_cli.check.hashing import HashBag, HashSet
from contentmap_cli.check.registry import GOOGLE, PROTOCOL, RFC_9309, Family, Notes, rule
from contentmap_cli.check.url_parts import Origin, folder_of, is_private, origin_of, path_of, site_name
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
URL_BLOCKED = rule(
    "url-blocked", _E, "URL disallowed by robots.txt",
    "Listing a page and disallowing it contradict each other: crawlers do not fetch it.",
    f"{RFC_9309}#section-2.2.2",
)  # fmt: skip
URL_REPEATED = rule(
    "url-repeated", _W, "URL listed in more than one file",
    "It wastes space, and the files may give it different dates.", f"{PROTOCOL}#index",
)  # fmt: skip

# RFC 3986 section 2: reserved and unreserved characters, and the %
_PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SESSION = re.compile(
    r"(?:[?&;](?:PHPSESSID|jsessionid|ASPSESSIONID\w*|sid|sessionid|session_id)=)", re.IGNORECASE
)
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
            URL_BLOCKED,
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
        self._blocking = site.allows is not None and notes.is_selected(URL_BLOCKED)

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
            if (
                self._blocking
                and self.site.allows is not None
                and entry.type == "url"
                and not self.site.allows(url)
            ):
                self.notes.add(URL_BLOCKED, file, url=url)

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
        self.notes.add(LOCATION_FOLDER, None, url=file.url, value=url)  # one of its URLs will do
        self._folder = "/"

    def _is_trusted(self, file: CheckedFile, origin: Origin) -> bool:
        """Return whether robots.txt names the file, so that it may list pages of the target's own host."""
        return file.trusted and self.site.is_site and origin.host in _hosts(site_name(self.site.target))


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
