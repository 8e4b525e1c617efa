"""Rules about the URLs that a file lists: spelling, host, folder, repetition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from contentmap_cli.check.documents import LIMIT_URL_LENGTH, URL_RELATIVE
from contentmap_cli.check.hashing import HashBag
from contentmap_cli.check.registry import GOOGLE, MAX_EXAMPLES, PROTOCOL, RFC_9309, Family, Notes, rule
from contentmap_cli.check.url_parts import Origin, folder_of, is_private, origin_of, path_of
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
        *(URL_HOST, URL_LOCATION, URL_HTTP, URL_PRIVATE, URL_BLOCKED, LIMIT_URL_LENGTH, URL_RELATIVE),
        *_SPELLING,
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._own: Origin | None = None
        self._folder = "/"
        self._secure = False
        self._insecure: list[str] = []
        self._insecure_count = 0
        self._blocking = site.allows is not None and notes.is_selected(URL_BLOCKED)

    def start(self, file: CheckedFile) -> None:
        """Begin a file: determine its origin and folder."""
        self._own = origin_of(file.address)
        self._folder = folder_of(file.address) if file.address and not file.trusted else "/"
        self._secure = self._own is not None and self._own.scheme == "https"
        self._insecure, self._insecure_count = [], 0

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check each URL."""
        is_plain = _PLAIN.fullmatch
        for entry in entries:
            url = entry.url
            if len(url) > MAX_URL_LENGTH:
                self.notes.add(
                    LIMIT_URL_LENGTH,
                    file,
                    example=f"{url[:100]}… ({len(url):,} characters)",
                )
            if not is_plain(url) or ("=" in url and _SESSION.search(url)):
                self._spelling(file, url)
            origin = origin_of(url)
            if origin is None:
                self.notes.add(URL_RELATIVE, file, example=url)
                continue
            self._compare(file, url, origin)
            if (
                self._blocking
                and self.site.allows is not None
                and entry.type == "url"
                and not self.site.allows(url)
            ):
                self.notes.add(URL_BLOCKED, file, example=url)

    def end(self, file: CheckedFile) -> None:
        """Report http URLs, if the file is of an https site."""
        if self._secure and self._insecure_count:
            for number, url in enumerate(self._insecure):
                more = self._insecure_count - len(self._insecure) if not number else 0
                self.notes.add(URL_HTTP, file, example=url, count=1 + more)

    def _spelling(self, file: CheckedFile, url: str) -> None:
        add = self.notes.add
        if _NOT_ALLOWED.search(url):
            add(URL_ESCAPE, file, example=url)
        if _BAD_PERCENT.search(url):
            add(URL_PERCENT, file, example=url)
        if "#" in url:
            add(URL_FRAGMENT, file, example=url)
        if _SESSION.search(url):
            add(URL_SESSION, file, example=url)

    def _compare(self, file: CheckedFile, url: str, origin: Origin) -> None:
        if is_private(origin.host) and (self._own is None or self._own.host != origin.host):
            self.notes.add(URL_PRIVATE, file, example=url)
        if origin.scheme == "https":
            self._secure = self._secure or self._own is None  # the file's own URL is not known
        else:
            self._insecure_count += 1
            if len(self._insecure) < MAX_EXAMPLES:
                self._insecure.append(url)
        if self._own is None:
            return
        if origin.host != self._own.host:
            if not self._is_trusted(file, origin):
                self.notes.add(URL_HOST, file, f"the file is on {self._own.host}", example=url)
        elif (
            self._folder != "/"
            and file.kind is not DocumentKind.INDEX
            and not path_of(url).startswith(self._folder)
        ):
            self.notes.add(URL_LOCATION, file, f"the file is in {self._folder[:200]}", example=url)

    def _is_trusted(self, file: CheckedFile, origin: Origin) -> bool:
        """Return whether robots.txt names the file, so that it may list pages of the target's own host."""
        return file.trusted and self.site.is_site and origin.host in _hosts(self.site.target)


class Repetitions(Family):
    """Finds URLs that more than one file lists, by their hashes."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (URL_REPEATED,)

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._bag = HashBag(MAX_HASHES)
        self._files = 0
        self._count = 0
        self._sample: set[int] = set()
        self._found: dict[str, list[str]] = {}

    def start(self, file: CheckedFile) -> None:
        """Count the files."""
        self._files += 1

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Add the hash of each page's URL, once per file."""
        self._bag.add({hash(entry.url) for entry in entries if entry.type == "url"})

    def finish(self) -> None:
        """Count the repeated URLs."""
        if self._files > 1:
            if self._bag.overflowed:
                self.incomplete = f"{URL_REPEATED.id} compared the first {MAX_HASHES:,} URLs only"
            self._count, self._sample = self._bag.repeated(MAX_EXAMPLES)
            self.needs_second_pass = self._count > 0

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Find the URLs and files whose hashes are in the sample."""
        for entry in entries:
            if hash(entry.url) in self._sample:
                files = self._found.setdefault(entry.url, [])
                if len(files) < 3 and file.name not in files:
                    files.append(file.name)

    def conclude(self) -> None:
        """Report the repeated URLs."""
        for number, (url, files) in enumerate(sorted(self._found.items())):
            more = self._count - len(self._found) if not number else 0
            self.notes.add(URL_REPEATED, None, example=f"{url} in {', '.join(files)}", count=1 + more)


def _hosts(target: str) -> tuple[str, str]:
    host = target.partition(":")[0]
    return host, f"www.{host}"
