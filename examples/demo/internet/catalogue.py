"""All sites of the simulated internet, and how a crawler on this machine reaches them."""

from __future__ import annotations

from internet import healthy, troubled, unusual
from internet.site import Site

UNRESOLVED = "nowhere.invalid"
"""A name that no name server knows (RFC 6761 section 6.4). It is not mapped to the demo server."""
REFUSED = "closedshop.example"
"""A name that leads to a port where nobody listens."""
CLOSED_PORT = 1
"""The TCP port multiplexer's (RFC 1078): not in use for decades."""


def build(day: int = 1) -> dict[str, Site]:
    """The sites by domain, as they are on day 1 or on day 2."""
    return {site.domain: site for site in (*healthy.sites(day), *unusual.sites(), *troubled.sites())}


def connect_to(port: int) -> list[str]:
    """A `--connect-to` value for every name there is, so that it leads to a demo server on this port.

    The names are mapped one by one. One mapping for all would also catch the addresses that some sites
    send crawlers to, and those are for the crawler to refuse.
    """
    names = [name for domain in build() for name in (domain, f"www.{domain}")]
    closed = [f"{name}::127.0.0.1:{CLOSED_PORT}" for name in (REFUSED, f"www.{REFUSED}")]
    return [*(f"{name}::127.0.0.1:{port}" for name in names), *closed]
