"""Pages that replace a site's own, similar pages of a site, and refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.pages import contents, refusals
from contentmap_cli.crawl.pages.markers import markers, pattern
from contentmap_cli.crawl.pages.refusals import PageKind, is_login_url, page_kind, refusal


def page(title: str = "Welcome", head: str = "", body: str = "<p>Hello.</p>") -> str:
    """An HTML page."""
    return f"<!doctype html>\n<html><head><title>{title}</title>{head}</head><body>{body}</body></html>\n"


CREDENTIALS = '<form method="post"><input name="user"><input type="password" name="secret"></form>'


def test_kinds() -> None:
    """One page of each kind."""
    assert page_kind(page("Security check", body="<script src=/c.js></script><noscript>Scripts are needed."))
    assert page_kind(page("Sign in", body=CREDENTIALS)) is PageKind.LOGIN
    assert page_kind(page("This domain is for sale")) is PageKind.PARKED
    assert page_kind(page("Under maintenance", body="<p>We are back at noon.</p>")) is PageKind.MAINTENANCE
    assert page_kind(page("Welcome to nginx!", body="<h1>Welcome to nginx!</h1>")) is PageKind.DEFAULT_PAGE
    assert page_kind(page()) is None


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (401, None, True),
        (403, None, True),
        (407, None, True),
        (429, None, True),
        (451, None, True),
        (503, PageKind.CHALLENGE, True),
        (202, PageKind.CHALLENGE, True),
        (405, PageKind.CHALLENGE, True),
        (428, PageKind.CHALLENGE, True),
        (200, PageKind.CHALLENGE, True),
        (200, PageKind.LOGIN, True),
        (200, PageKind.CONSENT, True),
        (200, PageKind.PARKED, True),
        (200, PageKind.MAINTENANCE, True),
        (200, PageKind.DEFAULT_PAGE, False),
        (200, None, False),
        (404, None, False),
        (404, PageKind.CHALLENGE, False),
        (410, PageKind.PARKED, False),
        (503, PageKind.MAINTENANCE, False),
        (503, None, False),
        (500, PageKind.LOGIN, False),
        (None, None, False),
        (None, PageKind.CHALLENGE, False),
    ],
)
def test_what_is_a_refusal(status: int | None, kind: PageKind | None, expected: bool) -> None:
    """Some statuses always, a challenge with nearly all, other pages with 200."""
    assert refusal(status, kind) is expected


def test_header_marks_a_challenge() -> None:
    """A header of a protection service decides, whatever the page contains."""
    assert page_kind(page(), ReplyHeaders(challenge=True)) is PageKind.CHALLENGE
    assert page_kind(page(), ReplyHeaders(server="cloudflare")) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://site.example/login",
        "https://site.example/login/",
        "https://site.example/login?next=/sitemap.xml",
        "https://site.example/de/login",
        "https://site.example/signin",
        "https://site.example/sign-in.html",
        "https://site.example/account/login",
        "https://site.example/Account/LogOn?ReturnUrl=%2f",
        "https://site.example/users/sign_in",
        "https://site.example/wp-login.php?redirect_to=https%3A%2F%2Fsite.example%2F",
        "https://site.example/auth/realms/main/protocol/openid-connect/auth?client_id=web",
        "https://site.example/auth/",
        "https://site.example/oauth2/authorize?client_id=a",
        "https://site.example/oauth/v2/authorize?response_type=code",
        "https://site.example/connect?client_id=a&redirect_uri=https%3A%2F%2Fsite.example%2F",
        "https://site.example/saml2/idp/SSOService.php?SAMLRequest=x",
        "https://site.example/idp/profile/SAML2/Redirect/SSO",
        "https://site.example/cas/login?service=https%3A%2F%2Fsite.example%2F",
        "https://site.example/adfs/ls/?wa=wsignin1.0&wtrealm=a",
        "https://site.example/?action=login",
        "https://site.example/index.php?title=Special:UserLogin&returnto=Main",
        "https://site.example/index.php?option=com_users&view=login",
        "https://site.example/session/new?return_to=%2F",
        "https://site.example/user?destination=/sitemap.xml",
        "https://site.example/cdn-cgi/access/login/site.example",
        "https://site.example/oauth2/sign_in?rd=%2F",
        "https://site.example/customer/account/login/referer/abc/",
        "https://login.microsoftonline.com/tenant/oauth2/v2.0/authorize",
        "https://accounts.google.com/v3/signin/identifier?continue=x",
        "https://company.okta.com/app/office",
        "https://company.eu.auth0.com/u/x",
        "https://sso.site.example/",
        "https://login.site.example/x",
        "http://sso.example/login?site=a&to=/robots.txt",
    ],
)
def test_login_urls(url: str) -> None:
    """Logins and single sign-ons, by host, path and query."""
    assert is_login_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://site.example/",
        "https://site.example/sitemap.xml",
        "https://www.site.example/?utm_source=login",
        "https://site.example/blog/how-to-login-to-your-router",
        "https://site.example/login-tips.html",
        "https://site.example/blog/login-page-design/",
        "https://site.example/authors/ann",
        "https://site.example/author/login-smith",
        "https://site.example/users/42",
        "https://site.example/account",
        "https://site.example/topics/authentication",
        "https://site.example/docs/oauth2-explained",
        "https://site.example/casino/",
        "https://site.example/cases/",
        "https://site.example/accounts-payable-software",
        "https://site.example/redirect?next=/shop",
        "https://site.example/search?q=next",
        "https://site.example/shop?from=newsletter",
        "https://login.example/",
        "https://auth.example/pricing",
        "https://loginradius.example.com/",
        "https://catalogin.example/",
        "https://site.example/en/welcome",
        "http://[bad/login",
        "",
    ],
)
def test_other_urls(url: str) -> None:
    """A word in an article's name, an account's page, a return address without a login."""
    assert not is_login_url(url)


def test_every_table_of_markers_is_used() -> None:
    """Each compiles and is named in the rules, and the rules name no other."""
    source = "".join(Path(each.__file__).read_text(encoding="utf-8") for each in (refusals, contents))
    named = set(re.findall(r'(?:pattern|occurs|_any_title_matches)\("(\w+)"', source))
    assert named == set(markers())
    for name in named:
        assert pattern(name).pattern
