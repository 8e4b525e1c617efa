"""The user's own headers, credentials and client certificate, and the URLs to which they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from contentmap_cli.crawl.access.basic import basic_authorization
from contentmap_cli.crawl.access.digest import Challenge, DigestLogin
from contentmap_cli.crawl.access.netrc_file import NetrcFile
from contentmap_cli.models.hosts import origin_of, origin_parts, site_of

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OwnHeaders:
    """The user's headers for one target; each may be a secret.

    They are sent to the site's host with and without `www.`, at the port of the target only: a header that is
    given for example.com is needed at www.example.com if the site is there, and both names have one owner.
    They are sent over https, and over http only with `plain`, which is for a target that was typed with http.
    Credentials of a `netrc` file and a client certificate are for https only.
    """

    site: str = ""
    headers: Headers = field(default=(), repr=False)
    plain: bool = False
    login: tuple[str, str] | None = field(default=None, repr=False)
    netrc: NetrcFile | None = None
    _digests: dict[str, DigestLogin] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        site: str,
        headers: Headers,
        login: tuple[str, str] | None,
        *,
        plain: bool,
        netrc: NetrcFile | None = None,
    ) -> Self:
        """Return the headers for a target; a `login` (user name, password) replaces Authorization headers.

        It is sent as HTTP basic authentication (RFC 7617, UTF-8).
        """
        if login is not None:
            others = (each for each in headers if each[0].lower() != "authorization")
            headers = (*others, ("Authorization", basic_authorization(*login)))
        return cls(site, headers, plain, login, netrc)

    def challenge(self, url: str) -> Challenge | None:
        """Return the digest challenge of the URL's origin that the next request answers, None if none is."""
        digest = self._digests.get(origin_of(url) or "") if self._digests and self.sent_to(url) else None
        return None if digest is None else digest.challenge

    def accept_challenge(self, url: str, lines: Sequence[str], answered: Challenge | None) -> bool:
        """Take a digest challenge from the headers of a 401; return whether the request is to be repeated."""
        if self.login is None or not lines or not self.sent_to(url):
            return False
        digest = self._digests.setdefault(origin_of(url) or "", DigestLogin(*self.login))
        return digest.accept(lines, answered)

    def note_accepted(self, url: str) -> None:
        """Note that the answer to a digest challenge of the URL's origin was accepted."""
        self._digests[origin_of(url) or ""].accepted = True

    def add_to(self, headers: list[tuple[str, str]], url: str, cookies: str) -> list[tuple[str, str]]:
        """Return the headers of a request: the user's own replace the crawler's, `cookies` are added."""
        own = self.headers if self.sent_to(url) else ()
        if self.challenge(url) is not None:
            answer = self._digests[origin_of(url) or ""].authorization(
                f"/{url.partition('://')[2].partition('/')[2]}"
            )
            own = (*(each for each in own if each[0].lower() != "authorization"), ("Authorization", answer))
        if own or cookies:
            replaced = {name.lower() for name, _ in own}
            headers = [*((name, value) for name, value in headers if name.lower() not in replaced), *own]
        if cookies:
            given = [value for name, value in headers if name.lower() == "cookie"]
            headers = [each for each in headers if each[0].lower() != "cookie"]
            headers.append(("Cookie", "; ".join([*given, cookies])))
        known = self._from_netrc(url) if self.is_private(url) else None
        if known is not None and not any(name.lower() == "authorization" for name, _ in headers):
            headers.append(("Authorization", known))
        return headers

    def _from_netrc(self, url: str) -> str | None:
        """Return the Authorization header that the netrc file has for a URL of the site with any scheme."""
        parts = origin_parts(url) if self.netrc is not None else None
        if self.netrc is None or parts is None or site_of(url) != self.site:
            return None
        return self.netrc.authorization(parts[1])

    def is_private(self, url: str) -> bool:
        """Return whether a request goes to the site over https."""
        return url.startswith("https:") and site_of(url) == self.site

    def is_withheld(self, url: str) -> bool:
        """Return whether the headers are not sent because the URL is one of http."""
        plain = not self.plain and not url.startswith("https:")
        return plain and bool(self.headers) and site_of(url) == self.site

    def sent_to(self, url: str) -> bool:
        """Return whether the headers are part of a request."""
        allowed = self.plain or url.startswith("https:")
        return allowed and bool(self.headers) and site_of(url) == self.site

    def remark(self, url: str, status: int | None) -> str:
        """Return what to say about credentials after the status of a refusal; empty for other statuses."""
        if status not in (401, 403):
            return ""
        if self.is_withheld(url):
            return ": --header, --user and credentials were not sent over http"
        known = self.sent_to(url) and any(name.lower() == "authorization" for name, _ in self.headers)
        if not known and self._from_netrc(url) is not None:
            if not self.is_private(url):
                return ": the credentials of the netrc file are sent over https only"
            known = True
        if status == 403:
            return ""
        return ": the credentials are not accepted" if known else ": it requires credentials"


NOTHING_OWN: Final = OwnHeaders()
