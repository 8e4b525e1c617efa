"""Rules about URLs that name a page in an unusual way: segments, ports, tracking parameters, hosts.

A batch of URLs is searched as one text first: only a batch that has what a rule is about is read URL by URL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from contentmap_cli.check.registry import GOOGLE, Family, rule
from contentmap_cli.check.url_parts import PORTS, path_of
from contentmap_cli.models import Entry, Severity
from contentmap_cli.models.findings import CheckedFile, Rule

_E, _W = Severity.ERROR, Severity.WARNING
_RFC_3986 = "https://www.rfc-editor.org/rfc/rfc3986.html"

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

_EMPTY_SEGMENT = re.compile(r"(?<!:)//")  # an archive's URL has another one in its path
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(https?)://([^/?#:]*)(?::([0-9]+))?", re.IGNORECASE)
_TRACKING = re.compile(
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


class UrlShape(Family):
    """Checks the path, the port, the query and the host of each URL."""

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
        if "=" in url and (parameter := _TRACKING.search(url)):
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
