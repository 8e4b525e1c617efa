"""What to do about a failure, by its code."""

from __future__ import annotations

import re

from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.diagnosis import Check, Level

_ACTIONS: dict[str, str] = {
    Code.DNS_ERROR: "check the spelling, and the name server of this machine",
    Code.CONNECT_ERROR: "check that the server listens there, and firewalls in between",
    Code.PROXY_ERROR: "check --proxy and HTTPS_PROXY, or connect without it with --no-proxy",
    Code.TIMEOUT: "raise --timeout, or ask the operator whether this machine's address is blocked",
    Code.TLS_CERTIFICATE: "repair the certificate; for a test site, add --ca-file FILE or --insecure",
    Code.TLS_ERROR: "check the TLS versions and ciphers of the server",
    Code.ADDRESS_BLOCKED: "for a network of your own, add --allow-net CIDR or --allow-private",
    Code.BLOCKED: "ask the operator to allow the crawler, or this machine's address",
    Code.DISALLOWED: "for a site of your own, allow the crawler in robots.txt or add --ignore-robots",
    Code.ROBOTS_UNREACHABLE: "repair robots.txt: answer 200 or 404; until then the site is disallowed",
    Code.ROBOTS_IS_HTML: "serve robots.txt as text, or answer 404",
    Code.MOVED: "scan the site that the message names",
    Code.REDIRECT_LOOP: "repair the redirects",
    Code.TOO_MANY_REDIRECTS: "shorten the redirects",
    Code.REDIRECT_SCHEME: "redirect to an http or https URL",
    Code.MAINTENANCE: "retry later",
    Code.PARKED: "check the registration of the domain",
    Code.UNSUPPORTED_ENCODING: "send gzip only to clients that accept it: see Accept-Encoding",
    Code.BODY_TRUNCATED: "check the server or CDN: the connection ends before the body does",
    Code.BODY_TOO_LARGE: "split the file, or raise --max-file-size",
    "http_401": "give credentials with --user, --netrc or --header",
    "http_403": "ask the operator to allow the crawler, or set a contact with --user-agent",
    "http_404": "publish the file, or remove the reference to it",
    "http_407": "give credentials with --header",
    "http_410": "publish the file, or remove the reference to it",
    "http_429": "retry later, with a larger --delay",
    "http_451": "the site is not available for legal reasons at this machine's address",
    "http_503": "retry later",
}


_BY_WORDS: tuple[tuple[str, str], ...] = (
    (r"not sent over http\b", "type the target with http:// to send them over http"),
    (r"netrc file are sent over https only", "type the target with https://, or use --user"),
    (r"credentials are not accepted", "check the user name and the password"),
    (r"answered 401|a login page", "give credentials with --user, --netrc or --header"),
    (r"answered 403", "ask the operator to allow the crawler, or set a contact with --user-agent"),
    (r"user name and password", "give http://USER:PASSWORD@HOST:PORT with --proxy, or add --no-proxy"),
    (r"proxy .*--connect-timeout", "check --proxy and HTTPS_PROXY, or raise --connect-timeout"),
    (r"--connect-timeout", "raise --connect-timeout, or ask the operator whether this machine is blocked"),
    (r"socks5h://", "use socks5h:// if the proxy is to resolve names"),
)
"""By the message of the failure, which says more than its code."""

_LATER = re.compile(r"retry after [0-9]+ seconds")


def action_for(code: str | None, message: str = "") -> str | None:
    """Return what to do about an outcome code, and its message if it says more."""
    if code is None:
        return None
    if (later := _LATER.search(message)) is not None:
        return later[0]
    for words, action in _BY_WORDS:
        if re.search(words, message):
            return action
    if code in _ACTIONS:
        return _ACTIONS[code]
    return "the server fails: see its error log" if code.startswith("http_5") else None


def failed(step: str, subject: str, failure: Failure, level: Level = Level.ERROR) -> Check:
    """Return the check of a failure."""
    code, message = str(failure.code), failure.message
    return Check(step, level, subject, message, code, action_for(code, message) if level.is_finding else None)


def as_information(check: Check) -> Check:
    """Return a check that is no finding."""
    if not check.level.is_finding:
        return check
    return Check(check.step, Level.INFO, check.subject, check.message, check.code)
