"""Recognise HTML pages that replace the site's own (challenges, logins, parking pages), and refusals.

Precision comes first, since a false positive makes a whole domain fail: wording counts only in titles,
headings and pages with little else, markup only where it is in effect.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.pages.markers import occurs, pattern

if TYPE_CHECKING:  # a parser of HTML is loaded where a page is met
    from contentmap_cli.sitemap.html.page import HtmlPage


class PageKind(StrEnum):
    """A page that replaces the site's own."""

    CHALLENGE = "challenge"
    """A bot check, or the refusal of a protection service."""

    LOGIN = "login"
    """A login form, a password gate or a form that leads to a single sign-on."""

    CONSENT = "consent"
    """A question about consent or age before the site."""

    PARKED = "parked"
    """The page of a domain broker or registrar, or of a host that suspended the site."""

    MAINTENANCE = "maintenance"
    """The site is temporarily closed, or not open yet."""

    DEFAULT_PAGE = "default_page"
    """The default page of a web server or hosting provider."""


REFUSED: Final = frozenset({401, 403, 407, 429, 451})
ABSENT_STATUSES: Final = frozenset({404, 410})
_IN_PLACE: Final = frozenset(
    {PageKind.CHALLENGE, PageKind.LOGIN, PageKind.CONSENT, PageKind.PARKED, PageKind.MAINTENANCE}
)


def refusal(status: int | None, kind: PageKind | None) -> bool:
    """Return whether an answer is a refusal, by its status or the page that came with it.

    A challenge counts with every status but 404 and 410 (services send 202, 405, 428 and 503 with it), other
    kinds with 200 only. A default page is no refusal.
    """
    if status is None:
        return False
    if status in REFUSED:
        return True
    if kind is PageKind.CHALLENGE:
        return status not in ABSENT_STATUSES
    return status == 200 and kind in _IN_PLACE


def page_kind(html: bytes | str, headers: ReplyHeaders | None = None) -> PageKind | None:
    """Return the kind of an HTML page that replaces the site's own, None for any other page.

    At most 64 KiB are read. `headers` adds the charset and the marks of protection services.
    """
    if headers is not None and headers.challenge:
        return PageKind.CHALLENGE
    from contentmap_cli.sitemap.html.page import read_page

    return kind_of(read_page(html, headers.content_type if headers is not None else None))


def kind_of(page: HtmlPage) -> PageKind | None:
    """Return the kind of a page by its features."""
    titles = _titles(page)
    for kind, rule in _RULES:
        if rule(page, titles):
            return kind
    return None


# -- titles and sizes

_SEPARATOR: Final = re.compile(r"\s+(?:[-|–—·•:»«/]|::)\s+|\s*[|｜]\s*|:\s+")
_PUNCTUATION: Final = " .…!,:-–—*。！\"'“”"


def _titles(page: HtmlPage) -> tuple[str, ...]:
    """Return the title, its parts between separators and the first heading, in lower case without
    punctuation."""
    return title_parts(page.title, page.h1)


def title_parts(title: str, *more: str) -> tuple[str, ...]:
    """Return a title, its parts between separators and other headings, in lower case without punctuation."""
    title = title.lower()
    parts = (title, *_SEPARATOR.split(title), *more)
    return tuple(dict.fromkeys(part.strip(_PUNCTUATION) for part in parts if part.strip(_PUNCTUATION)))


def _any_title_matches(markers: str, titles: tuple[str, ...]) -> bool:
    return any(pattern(markers).fullmatch(title) for title in titles)


def _size(text: str) -> int:
    """Return the length of a text; a Chinese, Japanese or Korean character counts twice."""
    return len(text) + sum(character >= "\u2e80" for character in text)


def _within(page: HtmlPage, size: int, links: int) -> bool:
    return page.links <= links and len(page.text) <= size and _size(page.text) <= size


# -- rules: each takes the page and its titles


def _is_marked_challenge(page: HtmlPage, _: tuple[str, ...]) -> bool:
    return _within(page, 3000, 15) and occurs("challenge_code", page.code)


def _is_worded_challenge(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    """Return whether a page with little text has several signs of a challenge.

    Wording must be among them: applications also need JavaScript, set cookies and may be `noindex`.
    """
    if not page.whole or not _within(page, 800, 6) or page.passwords or page.fields > 1:
        return False
    active = page.scripts > 0 or page.refresh is not None
    alone = _within(page, 250, 1)
    score = 0
    certain = _any_title_matches("challenge_title", titles)
    denied = _any_title_matches("denied_title", titles)
    if certain or denied:
        whole = pattern("challenge_title").fullmatch(titles[0]) is not None
        score += 3 if whole and active and alone else 2
    elif _any_title_matches("challenge_title_weak", titles):
        score += 1
    text = f"{page.text} {page.noscript}"
    if pattern("challenge_text").search(text):
        score += 2 if alone else 1
    if page.fields == 0 and pattern("captcha_widget").search(page.code):
        active = True
        score += 3 if alone else 2
    if alone and pattern("challenge_text_weak").search(page.text):
        score += 1
    if score == 0:
        return False
    score += not alone and pattern("challenge_text_weak").search(text) is not None
    score += denied and _within(page, 120, 6)
    score += pattern("needs_script").search(page.noscript) is not None
    score += page.noindex
    score += active and (_reloads(page) or occurs("challenge_hint", page.code))
    return score >= 3 and (active or denied or certain)


def _reloads(page: HtmlPage) -> bool:
    """Return whether the page reloads itself."""
    refresh = page.refresh is not None and not re.search(
        r"url\s*=\s*[\"']?[^\s\"']", page.refresh, re.IGNORECASE
    )
    return refresh or pattern("reloads").search(page.code) is not None


def _is_login(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    named = _any_title_matches("login_title", titles)
    labels = [label.strip(_PUNCTUATION) for label in page.labels.split("\n")]
    if page.passwords:
        if page.passwords > 2 or page.fields > 6:
            return False
        if named:
            return page.links <= 15 and _size(page.outside_forms) <= 1200
        labelled = any(pattern("login_title").fullmatch(label) for label in labels)
        return (
            page.links <= 4 and page.headings <= 2 and _size(page.outside_forms) <= (200 if labelled else 60)
        )
    if pattern("login_code").search(page.code) and _within(page, 400, 3):
        return True
    if not page.whole or page.fields > 2 or not _within(page, 500, 6):
        return False
    asks = pattern("login_form").search(page.code) is not None
    if named:
        return asks or any(pattern("login_title").fullmatch(label) for label in labels)
    return (
        asks
        and page.forms > 0
        and _within(page, 200, 3)
        and pattern("login_text").search(page.text) is not None
    )


def _is_consent(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    if not page.forms + page.buttons or not _within(page, 5000, 20):
        return False
    if pattern("consent_code").search(page.code):
        return True
    if not page.whole or page.headings > 6 or not _any_title_matches("consent_title", titles):
        return False
    return pattern("consent_text").search(f"{page.text} {page.title.lower()}") is not None


def _is_parked(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    if not _within(page, 3000, 40):
        return False
    if occurs("parked_code", page.code):
        return True
    if not page.whole or not _within(page, 1500, 25):
        return False
    for_sale = any(
        pattern("for_sale_title").fullmatch(title) and pattern("about_a_domain").match(title)
        for title in titles
    )
    if for_sale or _any_title_matches("parked_title", titles):
        return True
    return _within(page, 700, 15) and pattern("parked_text").search(page.text) is not None


def _is_maintenance(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    if page.passwords or page.fields > 3 or not page.whole or not _within(page, 1200, 12):
        return False
    if pattern("maintenance_code").search(page.code):
        return True
    if _any_title_matches("maintenance_title", (*titles[:1], page.h1.strip(_PUNCTUATION))) or (
        _within(page, 400, 3) and _any_title_matches("maintenance_title", titles)  # beside the site's name
    ):
        return _within(page, 150, 5) or pattern("return_text").search(page.text) is not None
    if _within(page, 500, 5) and pattern("maintenance_text").search(page.text):
        return True
    return (
        page.scripts == 0
        and page.fields == 0
        and _within(page, 200, 1)
        and pattern("work_text").search(page.text) is not None
        and pattern("return_text").search(page.text) is not None
    )


def _is_default_page(page: HtmlPage, titles: tuple[str, ...]) -> bool:
    if not page.whole or page.fields > 1 or not _within(page, 6000, 30):
        return False
    text = {match[0] for match in pattern("default_text").finditer(page.text)}
    if _any_title_matches("default_title", titles):
        return bool(text) or _within(page, 120, 5)
    if titles and titles[0].startswith("index of /"):
        return page.links <= 6 and page.text.count(" ") <= 20
    return len(text) >= 2 and _within(page, 1000, 6)


_RULES: Final = (
    (PageKind.CHALLENGE, _is_marked_challenge),
    (PageKind.DEFAULT_PAGE, _is_default_page),
    (PageKind.PARKED, _is_parked),
    (PageKind.LOGIN, _is_login),
    (PageKind.CONSENT, _is_consent),
    (PageKind.MAINTENANCE, _is_maintenance),
    (PageKind.CHALLENGE, _is_worded_challenge),
)


# -- URLs

_LOGIN_SEGMENT: Final = re.compile(
    r"(?:(?:users?|members?|customer|client|accounts?|admin|staff|web|cms|portal|sso|cas|ldap|saml|oidc)?"
    r"[-_.]?(?:log[-_]?in|log[-_]?on|sign[-_]?in|sign[-_]?on)|wp-login"
    r"|userlogin|loginpage|do_?login|login_?form|sso|saml2?|adfs|oauth2?|openid-connect|oidc|simplesaml(?:php)?|idp|cas|authenticate|anmelden|anmeldung"
    r"|connexion|se-connecter|iniciar-sesion|acceder|inloggen|logowanie|prihlaseni|giris|logga-in)"
    r"(?:\.(?:php|aspx?|jsp|jsf|do|action|cgi|html?|seam|xhtml|srf|cfm))?"
)
_WEAK_SEGMENT: Final = re.compile(
    r"(?:accounts?|users?|sessions?|members?|portal|password|access|enter|welcome|gateway|identity)"
    r"(?:\.(?:php|aspx?|jsp|do|html?))?"
)
_LOCALE: Final = re.compile(r"[a-z]{2}(?:[-_][a-z]{2})?")
_LOGIN_PATH: Final = re.compile(
    r"/(?:account|accounts|customer|user|users)/(?:login|logon|sign[-_]?in)/|/c/portal/login"
    r"|/special:userlogin|/adfs/ls|/idp/|/cas/login|/realms/|/protocol/openid-connect|/oauth2?/(?:v\d[^/]*/)?auth"
    r"|/cdn-cgi/access/login|/\.auth/login|/_layouts/(?:15/)?authenticate"
    r"|/dana-na/auth|/remote/login|/my\.policy"  # VPN gateways of Ivanti, Fortinet and F5
)
_LOGIN_HOST: Final = re.compile(
    r"(?:login|signin|sign-in|sso|auth|idp|adfs|accounts|logon|keycloak|identity)\.[^.]+\..+"
    r"|.+\.(?:okta|oktapreview|okta-emea|auth0|onelogin|b2clogin|ciamlogin|cloudflareaccess|duosecurity"
    r"|pingidentity|pingone|amazoncognito|jumpcloud|workos)\.(?:com|eu)"
    r"|login\.(?:microsoftonline|live|windows|salesforce|yahoo)\.[a-z.]+"
)
_RETURN: Final = re.compile(
    r"next|return(?:to|url|uri|path)?|(?:redirect|success|target|forward|back)(?:to|ur[il])?|requesturl"
    r"|continue|goto|destination|dest|camefrom|rurl"
)
"""Names of parameters with the return URL, without punctuation."""

_LOGIN_FOLDERS: Final = frozenset(
    {"auth", "login", "signin", "sso", "saml", "saml2", "oauth", "oauth2", "oidc", "cas", "idp"}
)
_SIGN_ON: Final = frozenset({"samlrequest", "wtrealm", "wctx"})
_ACTION: Final = re.compile(r"action|act|do|view|mode|page|module|p|q|op|task|route|title|m")


def is_login_url(url: str) -> bool:
    """Return whether a URL is that of a login or single sign-on, by its host, path or query."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").rstrip(".")
        query = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return False
    if _LOGIN_HOST.fullmatch(host):
        return True
    path = unquote(parts.path).lower().partition(";")[0]
    segments = [segment for segment in path.split("/") if segment][:20]
    keys = {re.sub(r"[-_.]", "", name.lower()): value.lower() for name, value in query}
    returns = any(_RETURN.fullmatch(name) for name in keys)
    if _LOGIN_PATH.search(path) or not _SIGN_ON.isdisjoint(keys):
        return True
    if segments and _LOGIN_SEGMENT.fullmatch(segments[-1]):
        return True
    leading = segments[1:] if segments and _LOCALE.fullmatch(segments[0]) else segments
    if leading and leading[0] in _LOGIN_FOLDERS:
        return True
    if "clientid" in keys and "redirecturi" in keys:
        return True
    actions = (re.split(r"[/:]", value)[-1] for name, value in keys.items() if _ACTION.fullmatch(name))
    if any(_LOGIN_SEGMENT.fullmatch(action) for action in actions):
        return True
    if not returns:
        return False
    return any(_LOGIN_SEGMENT.fullmatch(each) or _WEAK_SEGMENT.fullmatch(each) for each in segments)
