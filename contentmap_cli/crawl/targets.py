"""Parse targets: text in, `Target` values or an error for the user out. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote

from contentmap_cli.errors import Code, UsageError
from contentmap_cli.models import Target
from contentmap_cli.models.hosts import (
    DEFAULT_PORTS,
    PLAIN_HOST,
    BadHost,
    host_of,
    is_address,
    normalise_host,
    normalise_url,
    origin_parts,
    site_key,
    split_port,
    without_www,
)

MAX_TARGET = 4096
"""Maximum length of a target, in characters."""
SHOWN_LENGTH = 120
"""Characters of an invalid line that an error quotes."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(
    r"(mailto|javascript|data|file|tel|about|urn|ftp|blob|ssh|git|https?):(?!\d)", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"(?<![^/\s])[^/\s]*@")
_SLASHED = re.compile(r"(^|//)[^\s/?#:@\[]*:(?!//)[^\s@]*@")  # with / ? or # in the password
_PASSWORD_LIKE_PORT = re.compile(r"[^@:\[\]]+:[0-9]+")
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_FILE = re.compile(r"\.(?:xml|gz|txt|rss|atom|rdf|php|asp|aspx|ashx|jsp|do|cgi|json|xsl)\Z", re.IGNORECASE)
_PAGE = re.compile(r"\.(?:x?html?|shtml)\Z", re.IGNORECASE)
_NAMED = re.compile(r"sitemap|feed", re.IGNORECASE)


class BadTarget(UsageError):
    """The text names no site that can be scanned."""

    code = Code.BAD_TARGET


class TargetLine(NamedTuple):
    """One line of a target list; `line` counts from 1, None on the command line."""

    text: str
    line: int | None = None


class TargetError(NamedTuple):
    """An invalid line: its number, its text (shortened, no credentials), and the reason."""

    line: int | None
    text: str
    message: str
    hint: str | None


class TargetList(NamedTuple):
    """A list of targets, one per domain, in the order of their first line."""

    targets: tuple[Target, ...]
    duplicates: tuple[TargetLine, ...]  # add nothing to an earlier line
    errors: tuple[TargetError, ...]


def parse_target(text: str) -> Target:
    """Parse a domain, origin, folder's URL or sitemap's URL into a target. Raise `BadTarget`.

    Credentials are percent-decoded and part of nothing but `Target.credentials`. Origins are in the order of
    requests: the typed host first, then with or without www. A target that is typed with https has no http
    origin; else the typed scheme is first, and https without one.
    """
    text = text.strip(" \t\r\n\ufeff")
    if PLAIN_HOST.fullmatch(text):
        return Target(without_www(text), _origins(None, text, None))  # the usual form
    if not text:
        raise BadTarget("the target is empty", hint="name a domain, such as example.com")
    if len(text) > MAX_TARGET:
        raise BadTarget(f"the target has {len(text)} characters, more than {MAX_TARGET}")
    if _INVISIBLE.search(text):
        raise BadTarget("the target contains control or invisible characters", hint="type it again by hand")
    if re.search(r"\s", text):
        raise BadTarget(
            "the target contains a space", hint="give one target a line, or quote each one by itself"
        )
    scheme, rest = _split_scheme(text.replace("\\", "/"))
    end = re.search(r"[/?#]", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if _PASSWORD_LIKE_PORT.fullmatch(authority) and "@" in tail:
        raise BadTarget(
            "the target has an @ behind a port", hint="write # ? / @ in a password as %23 %3F %2F %40"
        )
    userinfo, at, authority = authority.rpartition("@")
    if at and scheme is None and ":" not in userinfo and not tail:
        raise BadTarget("the target looks like an e-mail address", hint=f"to scan the site, give {authority}")
    host, port = _split_authority(authority)
    if (
        "." not in host
        and not host.startswith("[")
        and host != "localhost"
        and scheme is None
        and port is None
    ):
        raise BadTarget(
            f"'{_printable(host)}' is not a domain name: it has no dot",
            hint=f"did you mean {_printable(host)}.com? A host of your own network: http://{_printable(host)}/",
        )
    target = _build(scheme, host, port, tail)
    return replace(target, credentials=_credentials(userinfo)) if at else target


def _credentials(userinfo: str) -> tuple[str, str] | None:
    """Return the user name and password before the `@` of a target; None without either."""
    user, _, password = userinfo.partition(":")
    try:
        found = unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise BadTarget(
            "the user name or password is not percent-encoded UTF-8", hint="use --user USER:PASSWORD"
        ) from None
    if re.search(r"[\x00-\x1f\x7f]", "".join(found)) or ":" in found[0]:
        raise BadTarget(
            "the user name or password contains control characters, or the user name a colon",
            hint="use --user USER:PASSWORD",
        )
    return found if any(found) else None


def _split_scheme(text: str) -> tuple[str | None, str]:
    match = _SCHEME.match(text)
    if match:
        scheme = match[1].lower()
        if scheme not in DEFAULT_PORTS:
            raise BadTarget(
                f"'{_printable(scheme)}:' cannot be crawled", hint="only http and https sites can be scanned"
            )
        return scheme, text[match.end() :]
    other = _OTHER_SCHEME.match(text)
    if other:
        scheme = other[1].lower()
        if scheme in DEFAULT_PORTS:
            raise BadTarget(f"'{scheme}:' is not followed by //", hint=f"write it {scheme}://example.com")
        raise BadTarget(f"'{scheme}:' cannot be crawled", hint="only http and https sites can be scanned")
    return None, text.removeprefix("//")


def _split_authority(authority: str) -> tuple[str, int | None]:
    if "," in authority or ";" in authority:
        raise BadTarget(
            "the target contains a comma or semicolon", hint="give one target a line, with nothing else"
        )
    if authority.count(":") > 1 and not authority.startswith("["):
        raise BadTarget(
            "the target has too many colons", hint="write an IPv6 address in brackets: [::1]:8080"
        )
    try:
        host, port = split_port(authority)
        if not host:
            raise BadTarget("the target has no host name", hint="name a domain, such as example.com")
        name = normalise_host(host)
        if name.startswith("["):
            return name, port
        # browsers accept more forms than users type
        if is_address(name) and name != host.removesuffix("."):
            raise BadHost("the host looks like an IPv4 address, but is not four numbers up to 255")
        if not all(map(_LABEL.fullmatch, name.split("."))):
            raise BadHost("the host name contains invalid characters")
        return name, port
    except BadHost as error:
        raise BadTarget(
            str(error), hint="a target looks like example.com or https://example.com:8443"
        ) from error


def _build(scheme: str | None, host: str, port: int | None, tail: str) -> Target:
    if port is not None and port in DEFAULT_PORTS.values():
        scheme = scheme or ("http" if port == 80 else "https")
    if port == DEFAULT_PORTS.get(scheme or ""):
        port = None
    domain = site_key("", host, port)
    origins = _origins(scheme, host, port)
    if not tail or tail == "/":
        return Target(domain, origins)
    tail = tail.partition("#")[0]
    path, question, _ = tail.partition("?")
    folder, _, name = path.rpartition("/")
    if question or (name and (_FILE.search(name) or _NAMED.search(path)) and not _PAGE.search(name)):
        url = normalise_url(origins[0] + (tail if tail.startswith("/") else f"/{tail}"))
        return Target(domain, origins, sitemaps=(url,) if url else ())
    if name and not _PAGE.search(name):
        folder = path
    return Target(domain, origins, path=_folder(origins[0], folder))


def _folder(origin: str, path: str) -> str:
    url = normalise_url(f"{origin}/{path.strip('/')}/") if path.strip("/") else None
    return url.removeprefix(origin) if url else "/"


def _origins(scheme: str | None, host: str, port: int | None) -> tuple[str, ...]:
    """Return the origins. A port with a scheme is one server; a port alone may speak either scheme. A site
    that was typed with https is not requested over http."""
    if port is not None:
        schemes: tuple[str, ...] = (scheme,) if scheme else ("https", "http")
        return tuple(f"{each}://{host}:{port}" for each in schemes)
    schemes = {"https": ("https",), "http": ("http", "https")}.get(scheme or "", ("https", "http"))
    twin = _www_variant(host)
    return tuple(f"{each}://{name}" for name in (host, twin) if name is not None for each in schemes)


def with_http(origins: Sequence[str]) -> tuple[str, ...]:
    """Return the origins of a target that was typed with https, each without a port followed by its http
    form."""
    found: dict[str, None] = {}
    for origin in origins:
        found[origin] = None
        if origin_parts(origin) == ("https", host_of(origin), DEFAULT_PORTS["https"]):
            found[f"http{origin.removeprefix('https')}"] = None
    return tuple(found)


def _www_variant(host: str) -> str | None:
    """Return the host with or without www, if there is such a name."""
    if host.startswith("www."):
        apex = without_www(host)
        return apex if apex != host else None
    return None if "." not in host or is_address(host) else f"www.{host}"


def _printable(text: str) -> str:
    """Return a line as an error may quote it: short, visible characters only, no credentials."""
    text = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text[:MAX_TARGET].strip())
    text = _CREDENTIALS.sub("", _SLASHED.sub(r"\1", text))
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


def group_targets(lines: Iterable[TargetLine]) -> TargetList:
    """Return one target per domain: lines with other sitemaps or folders of a domain are merged into it.

    Blank lines and `#` comments are skipped. A line that adds nothing is a duplicate, an invalid line is an
    error; neither quotes credentials.
    """
    found: dict[str, Target] = {}
    duplicates: list[TargetLine] = []
    errors: list[TargetError] = []
    for line, target in parse_lines(lines):
        if isinstance(target, TargetError):
            errors.append(target)
            continue
        known = found.setdefault(target.domain, target)
        if known is target:
            continue
        if None not in (known.credentials, target.credentials) and known.credentials != target.credentials:
            what = f"{target.domain} is listed with other credentials before"
            errors.append(TargetError(line.line, printable_line(line).text, what, "name one user per domain"))
            continue
        merged = merge_targets(known, target)
        if (merged.sitemaps, merged.more_paths) == (known.sitemaps, known.more_paths):
            duplicates.append(printable_line(line))
        found[target.domain] = merged
    return TargetList(tuple(found.values()), tuple(duplicates), tuple(errors))


def parse_lines(lines: Iterable[TargetLine]) -> Iterator[tuple[TargetLine, Target | TargetError]]:
    """Yield each line that is not blank, with its target or error."""
    for line in lines:
        text = _without_comment(line.text)
        if not text:
            continue
        try:
            yield line, parse_target(text)
        except BadTarget as error:
            yield line, TargetError(line.line, _printable(text), error.message, error.hint)


def printable_line(line: TargetLine) -> TargetLine:
    """Return a line as it may be quoted: short, without comment, no credentials."""
    return TargetLine(_printable(_without_comment(line.text)), line.line)


def _without_comment(text: str) -> str:
    text = text.strip(" \t\r\n\ufeff")
    if "#" in text:
        text = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
    return text


def merge_targets(known: Target, other: Target) -> Target:
    """Merge two targets of one domain; a sitemap URL's `/` is no folder. If one of them was typed with https
    and the other without a scheme, the site is not requested over http."""
    sitemaps = tuple(url for url in other.sitemaps if url not in known.sitemaps)
    folders = (known.path, *known.more_paths)
    paths = () if other.path in folders or (other.sitemaps and other.path == "/") else (other.path,)
    stricter = known.typed_scheme is None and other.typed_scheme == "https"
    return replace(
        known,
        origins=other.origins if stricter else known.origins,
        sitemaps=known.sitemaps + sitemaps,
        more_paths=known.more_paths + paths,
        credentials=known.credentials or other.credentials,
    )
