"""Rules about language alternates (hreflang): codes, self-reference, return links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from contentmap_cli.check.hashing import HashBag, HashSet
from contentmap_cli.check.registry import GOOGLE, Family, Notes, rule
from contentmap_cli.check.url_parts import domain_of, origin_of
from contentmap_cli.models import Attributes, Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_PAGE = f"{GOOGLE}/localization/localized-versions"

LANGUAGES = frozenset(
    (  # noqa: SIM905 - a line a code would bury the file
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de "
        "dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id "
        "ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu "
        "lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu "
        "rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to "
        "tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu iw in ji mo "
    ).split()
)
"""ISO 639-1, with older codes still in use."""
REGIONS = frozenset(
    (  # noqa: SIM905 - a line a code would bury the file
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT "
        "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH "
        "ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT "
        "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS "
        "LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI "
        "NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG "
        "SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
        "UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK "
    ).split()
)
"""ISO 3166-1 alpha-2, and XK for Kosovo."""

MAX_LINKS = 10_000_000
"""Alternates that are compared, in each direction: 160 MB."""
_MAX_HOSTS = 1000

HREFLANG_CODE = rule(
    "hreflang-code", _E, "invalid hreflang code",
    "ISO 639-1, optionally a script, optionally an ISO 3166-1 region (en-GB, not en-UK), or x-default.",
    f"{_PAGE}#language-codes",
)  # fmt: skip
HREFLANG_URL = rule(
    "hreflang-url", _E, "alternate is not an absolute URL",
    "The href of an alternate must have a scheme and a host.", f"{_PAGE}#sitemap",
)  # fmt: skip
HREFLANG_SELF = rule(
    "hreflang-self", _W, "entry missing from its own alternates",
    "Each version lists itself as well as all others, or the set may be ignored.",
    f"{_PAGE}#all-method-guidelines",
)  # fmt: skip
HREFLANG_REPEATED = rule(
    "hreflang-repeated", _W, "same hreflang for two URLs in an entry",
    "It is ambiguous which of them is meant.", f"{_PAGE}#all-method-guidelines",
)  # fmt: skip
HREFLANG_X_DEFAULT = rule(
    "hreflang-x-default", _I, "no x-default among the alternates",
    "It names the page for visitors whose language is not among them. It is recommended, not required.",
    f"{_PAGE}#xdefault",
)  # fmt: skip
HREFLANG_DOMAIN = rule(
    "hreflang-domain", _I, "alternate on another domain",
    "Valid if both domains belong to one owner, and the other one links back.",
    f"{_PAGE}#all-method-guidelines",
)  # fmt: skip
HREFLANG_RETURN = rule(
    "hreflang-return", _E, "missing return link",
    "If two pages do not link to each other, the link is ignored.", f"{_PAGE}#all-method-guidelines",
)  # fmt: skip

_CODE = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?")


def is_language(code: str) -> bool:
    """Return whether an hreflang is valid: a language, optionally a script and a region; or x-default."""
    code = code.lower()
    if code == "x-default":
        return True
    match = _CODE.fullmatch(code)
    if match is None:
        return False
    language, _, region = match.groups()
    known = language in LANGUAGES or len(language) == 3
    return known and (region is None or region.isdigit() or region.upper() in REGIONS)


class Languages(Family):
    """Checks alternates one by one, and their return links by the hashes of (page, alternate) pairs."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(HREFLANG_CODE, HREFLANG_URL, HREFLANG_SELF, HREFLANG_REPEATED, HREFLANG_RETURN),
        *(HREFLANG_X_DEFAULT, HREFLANG_DOMAIN),
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        # required return links by the host of the page that must have them: only hosts whose pages the files
        # list are checked, and these are known at the end
        self._required: dict[str, HashBag] = {}
        self._links_seen = HashBag(MAX_LINKS)
        self._comparing = notes.is_selected(HREFLANG_RETURN)
        self._hosts: set[str] = set()
        self._missing: dict[str, HashSet] = {}

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check the alternates of each entry."""
        add = self.notes.add
        for entry in entries:
            if not entry.alternates:
                continue
            links: dict[str, str] = {}
            domains = {_domain(entry.url)}
            for code, href in _links(entry.alternates):
                if not is_language(code):
                    add(HREFLANG_CODE, file, url=entry.url, value=code)
                if origin_of(href) is None:
                    add(HREFLANG_URL, file, url=entry.url, value=href)
                elif (domain := _domain(href)) not in domains:
                    domains.add(domain)
                    add(HREFLANG_DOMAIN, file, url=entry.url, value=href)
                if links.setdefault(code.lower(), href) != href:
                    add(HREFLANG_REPEATED, file, url=entry.url, value=code)
            if len(links) > 1 and "x-default" not in links:
                add(HREFLANG_X_DEFAULT, file, url=entry.url)
            if entry.url not in links.values():
                add(HREFLANG_SELF, file, url=entry.url)
            if self._comparing:
                self._add_links(entry.url, set(links.values()))

    def _add_links(self, url: str, hrefs: set[str]) -> None:
        origin = origin_of(url)
        if origin is not None and len(self._hosts) < _MAX_HOSTS:
            self._hosts.add(origin.host)
        hrefs.discard(url)
        self._links_seen.add(hash((url, href)) for href in hrefs)
        for href in hrefs:
            other = origin_of(href)
            if other is None:
                continue
            required = self._required.get(other.host)
            if required is None and len(self._required) < _MAX_HOSTS:
                required = self._required[other.host] = HashBag(MAX_LINKS)
            if required is not None:
                required.add((hash((href, url)),))

    def finish(self) -> None:
        """Compare links and return links, unless there were too many."""
        if self._links_seen.overflowed:  # required links are never more than links
            self.incomplete = f"{HREFLANG_RETURN.id} was not checked: more than {MAX_LINKS:,} alternates"
            return
        for host in sorted(self._hosts.intersection(self._required)):
            missing = self._required.pop(host).missing_from(self._links_seen)
            if missing:
                self._missing[host] = missing
        self.needs_second_pass = bool(self._missing)

    def second_pass(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Report the links without a return link."""
        for entry in entries:
            for href in dict.fromkeys(href for _, href in _links(entry.alternates)):
                other = origin_of(href)
                missing = self._missing.get(other.host) if other is not None else None
                if missing is not None and href != entry.url and hash((href, entry.url)) in missing:
                    self.notes.add(HREFLANG_RETURN, file, url=entry.url, value=href)


def _links(alternates: Sequence[Attributes]) -> Iterator[tuple[str, str]]:
    return ((link.get("hreflang", ""), link.get("href", "")) for link in alternates)


def _domain(url: str) -> str:
    origin = origin_of(url)
    return domain_of(origin.host) if origin is not None else ""
