"""The rules about listed pages."""

from __future__ import annotations

from contentmap_cli.check.registry import GOOGLE, RFC_9309, rule
from contentmap_cli.models import Severity

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_HTTP = "https://www.rfc-editor.org/rfc/rfc9110.html"
_STATUS = f"{GOOGLE}/http-network-errors"
_ROBOTS_META = f"{GOOGLE}/robots-meta-tag"
_CANONICAL = f"{GOOGLE}/consolidate-duplicate-urls"
_REDIRECTS = f"{GOOGLE}/301-redirects"
_LANGUAGES = f"{GOOGLE}/localization/localized-versions"

UNREACHABLE = rule(
    "page-unreachable", _E, "page gives no answer",
    "The connection failed twice: crawlers drop pages that stay unreachable.",
    f"{_STATUS}#network-and-dns-errors",
)  # fmt: skip
TIMEOUT = rule(
    "page-timeout", _E, "page does not answer in time",
    "The request timed out twice: crawlers fetch less from a slow site and drop the page.",
    f"{_STATUS}#network-and-dns-errors",
)  # fmt: skip
STATUS_4XX = rule(
    "page-status-4xx", _E, "page answers with a client error",
    "The page does not exist: search engines remove it, and it should not be listed.",
    f"{_HTTP}#section-15.5",
)  # fmt: skip
STATUS_5XX = rule(
    "page-status-5xx", _E, "page answers with a server error",
    "It failed twice: crawlers slow down, and remove pages that keep failing.", f"{_HTTP}#section-15.6",
)  # fmt: skip
STATUS_OTHER = rule(
    "page-status", _W, "page answers with a status other than 200",
    "Such an answer has no content that could be indexed.", f"{_HTTP}#section-15",
)  # fmt: skip
BLOCKED = rule(
    "page-blocked", _W, "page is blocked",
    "A refusal, login, challenge or consent page comes in its place; search engines may get the same.",
    f"{_STATUS}#4xx-client-errors",
)  # fmt: skip
DISALLOWED = rule(
    "page-disallowed", _E, "page disallowed by robots.txt",
    "Crawlers do not fetch it, although it is listed.", f"{RFC_9309}#section-2.2.2",
)  # fmt: skip
SOFT_404 = rule(
    "page-soft-404", _W, "not-found or empty page with status 200",
    "Search engines take it for a missing page; the status should be 404 or 410.",
    f"{_STATUS}#soft-404-errors",
)  # fmt: skip
REDIRECT = rule(
    "page-redirect", _W, "page redirects",
    "A sitemap lists final URLs: each redirect costs a request and may not be followed.", _REDIRECTS,
)  # fmt: skip
REDIRECT_CHAIN = rule(
    "page-redirect-chain", _W, "page redirects more than once",
    "Each hop costs a request, and crawlers stop after a number of them.", _REDIRECTS,
)  # fmt: skip
REDIRECT_LOOP = rule(
    "page-redirect-loop", _E, "redirect loop",
    "The page can never be read.", f"{_HTTP}#section-15.4",
)  # fmt: skip
REDIRECT_HOST = rule(
    "page-redirect-host", _W, "page redirects to another host",
    "The page belongs to the sitemap of the other host.", _REDIRECTS,
)  # fmt: skip
REDIRECT_TARGET = rule(
    "page-redirect-target", _E, "redirect to a page that cannot be indexed",
    "Neither the listed URL nor its target can be indexed.", _REDIRECTS,
)  # fmt: skip
REFRESH = rule(
    "page-refresh", _W, "meta refresh to another page",
    "Search engines treat it as a redirect: list the target.", f"{_REDIRECTS}#metarefresh",
)  # fmt: skip
NOINDEX = rule(
    "page-noindex", _E, "page is noindex",
    "A sitemap asks to index it, and the page forbids it.", _ROBOTS_META,
)  # fmt: skip
NOINDEX_UNSEEN = rule(
    "page-noindex-unseen", _W, "noindex on a page that robots.txt disallows",
    "The crawler never reads the page, so it never sees the rule.", _ROBOTS_META,
)  # fmt: skip
CANONICAL = rule(
    "page-canonical", _W, "canonical URL is another page",
    "The page asks search engines to index the other URL in its place: list that one.", _CANONICAL,
)  # fmt: skip
CANONICAL_CONFLICT = rule(
    "page-canonical-conflict", _W, "several canonical URLs that differ",
    "Search engines may ignore all of them.", "https://www.rfc-editor.org/rfc/rfc6596.html#section-3",
)  # fmt: skip
CONTENT_TYPE = rule(
    "page-content-type", _W, "Content-Type is not that of a page",
    "Browsers show or save it as a file, and search engines do not index it as a page.",
    f"{_HTTP}#section-8.3",
)  # fmt: skip
SLOW = rule(
    "page-slow", _W, "first byte after more than two seconds",
    "Crawlers fetch fewer pages of a slow site.", f"{GOOGLE}/large-site-managing-crawl-budget",
)  # fmt: skip
LASTMOD = rule(
    "page-lastmod", _W, "lastmod contradicts the page's own date",
    "Search engines stop using dates that prove wrong.",
    f"{GOOGLE}/sitemaps/build-sitemap#additional-notes-about-xml-sitemaps",
)  # fmt: skip
HREFLANG_RETURN = rule(
    "page-hreflang-return", _E, "alternate page does not link back",
    "If two pages do not link to each other, the hreflang link is ignored.",
    f"{_LANGUAGES}#all-method-guidelines",
)  # fmt: skip
HREFLANG_ALONE = rule(
    "page-hreflang-alone", _I, "alternate page has no hreflang links",
    "Unless its sitemap entry has them, the hreflang link is ignored.", f"{_LANGUAGES}#all-method-guidelines",
)  # fmt: skip
HREFLANG_TARGET = rule(
    "page-hreflang-target", _W, "hreflang of a page that cannot be indexed",
    "The link is ignored: name the final, indexable URL.", f"{_LANGUAGES}#all-method-guidelines",
)  # fmt: skip
HREFLANG_DIFFERS = rule(
    "page-hreflang-differs", _W, "hreflang of page and sitemap disagree",
    "They name different URLs for one language: none of them is reliable.",
    f"{_LANGUAGES}#all-method-guidelines",
)  # fmt: skip
HREFLANG_PARTIAL = rule(
    "page-hreflang-partial", _I, "hreflang of page and sitemap name different languages",
    "One of the two lists is incomplete.", f"{_LANGUAGES}#all-method-guidelines",
)  # fmt: skip
