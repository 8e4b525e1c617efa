"""What identifies the user to a site, hop by hop: netrc credentials, a client certificate and signatures."""

from __future__ import annotations

import ssl

from contentmap_cli.crawl.options import CrawlOptions
from contentmap_cli.models.hosts import origin_parts, site_of


class Identity:
    """Adds to a request what its URL is to get.

    Credentials and the certificate are for the site of the target, over https only. A signature is for every
    request: it contains no secret.
    """

    def __init__(self, options: CrawlOptions, context: ssl.SSLContext | None) -> None:
        self._netrc = options.netrc
        self._signer = options.signer
        self._context = context

    def add_headers(self, headers: list[tuple[str, str]], url: str, authority: str, site: str) -> None:
        """Add the headers for a request; an Authorization header that is there is kept."""
        if self._netrc is not None and _is_private(url, site):
            parts = origin_parts(url)
            known = self._netrc.authorization(parts[1]) if parts is not None else None
            if known is not None and not any(name.lower() == "authorization" for name, _ in headers):
                headers.append(("Authorization", known))
        if self._signer is not None:
            headers += self._signer.headers(authority)

    def tls(self, url: str, site: str) -> ssl.SSLContext | bool:
        """Return the TLS context of a request; True is that of the connector, without a certificate."""
        return self._context if self._context is not None and _is_private(url, site) else True


def _is_private(url: str, site: str) -> bool:
    return url.startswith("https:") and site_of(url) == site
