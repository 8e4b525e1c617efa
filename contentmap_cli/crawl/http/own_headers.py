"""The user's own headers and credentials, and the URLs to which they are sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp

from contentmap_cli.crawl.access.basic import basic_authorization
from contentmap_cli.models.hosts import origin_of, site_of

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OwnHeaders:
    """The user's headers for one target; each may be a secret.

    They are sent to the site's host with and without `www.`, at the port of the target only: a header that is
    given for example.com is needed at www.example.com if the site is there, and both names have one owner.
    They are sent over https, and over http only with `plain`, which is for a target that was typed with http.
    """

    site: str = ""
    headers: Headers = field(default=(), repr=False)
    plain: bool = False
    login: tuple[str, str] | None = field(default=None, repr=False)
    _digests: dict[str, aiohttp.DigestAuthMiddleware] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, site: str, headers: Headers, login: tuple[str, str] | None, *, plain: bool) -> Self:
        """Return the headers for a target; a `login` (user name, password) replaces Authorization headers.

        It is sent as HTTP basic authentication (RFC 7617, UTF-8).
        """
        if login is not None:
            others = (each for each in headers if each[0].lower() != "authorization")
            headers = (*others, ("Authorization", basic_authorization(*login)))
        return cls(site, headers, plain, login)

    def middlewares(self, url: str) -> tuple[aiohttp.DigestAuthMiddleware, ...]:
        """Return what answers a digest challenge (RFC 7616) of the URL's origin; nothing without login."""
        if self.login is None or not self.sent_to(url):
            return ()
        origin = origin_of(url) or ""
        return (self._digests.setdefault(origin, aiohttp.DigestAuthMiddleware(*self.login)),)

    def sent_to(self, url: str) -> bool:
        """Return whether the headers are part of a request."""
        return self.belongs_to(url) and (self.plain or url.startswith("https:"))

    def belongs_to(self, url: str) -> bool:
        """Return whether a URL is on the site that the headers are for, whatever its scheme."""
        return bool(self.headers) and site_of(url) == self.site

    def remark(self, url: str, status: int | None) -> str:
        """Return what to say about credentials after the status of a refusal; empty for other statuses."""
        if status not in (401, 403):
            return ""
        if self.belongs_to(url) and not self.sent_to(url):
            return ": --header, --user and credentials were not sent over http"
        if status == 403:
            return ""
        known = self.sent_to(url) and any(name.lower() == "authorization" for name, _ in self.headers)
        return ": the credentials are not accepted" if known else ": it requires credentials"


NOTHING_OWN: Final = OwnHeaders()


def with_own(headers: list[tuple[str, str]], own: Headers, cookies: str) -> list[tuple[str, str]]:
    """Return the headers of a request: the user's own replace the crawler's, `cookies` are added."""
    if not own and not cookies:
        return headers
    replaced = {name.lower() for name, _ in own}
    found = [*((name, value) for name, value in headers if name.lower() not in replaced), *own]
    if cookies:
        given = [value for name, value in found if name.lower() == "cookie"]
        found = [each for each in found if each[0].lower() != "cookie"]
        found.append(("Cookie", "; ".join([*given, cookies])))
    return found
