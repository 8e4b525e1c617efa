"""What the user typed, made into targets. Pure: text in, `Target` values or a message for a person out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from contentmap_cli.errors import Code, UsageError
from contentmap_cli.models import Target
from contentmap_cli.models.hosts import (
    DEFAULT_PORTS,
    PLAIN_HOST,
    BadHost,
    is_address,
    normalise_host,
    normalise_url,
    site_key,
    split_port,
    without_www,
)

MAX_TARGET = 4096
"""The longest line that is read as a target, in characters."""
SHOWN = 120
"""How much of a refused line an error repeats, in characters."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(
    r"(mailto|javascript|data|file|tel|about|urn|ftp|blob|ssh|git|https?):(?!\d)", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"(?<![^/\s])[^/\s]*@")
# A password may hold a raw slash. What follows a colon is a port, not a password, if it is all digits.
_SLASHED = re.compile(r"(^|//)[^\s/?#:@\[]*:(?!//|[0-9]*(?:[/?#]|$))[^\s@]*@")
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_FILE = re.compile(r"\.(?:xml|gz|txt|rss|atom|rdf|php|asp|aspx|ashx|jsp|do|cgi|json|xsl)\Z", re.IGNORECASE)
_PAGE = re.compile(r"\.(?:x?html?|shtml)\Z", re.IGNORECASE)
_NAMED = re.compile(r"sitemap|feed", re.IGNORECASE)


class BadTarget(UsageError):
    """What was typed names no site that can be scanned."""

    code = Code.BAD_TARGET


class TargetLine(NamedTuple):
    """One line of a target list; `line` counts from 1 and is None for the command line itself."""

    text: str
    line: int | None = None


class TargetError(NamedTuple):
    """A line that names no site: where it stood, what it said (shortened, no credentials), and why."""

    line: int | None
    text: str
    message: str
    hint: str | None


class TargetList(NamedTuple):
    """A list of targets, each domain once, in the order in which the domains first came."""

    targets: tuple[Target, ...]
    duplicates: tuple[TargetLine, ...]  # say nothing that an earlier line did not say
    errors: tuple[TargetError, ...]


def parse_target(text: str) -> Target:
    """One site, from a domain, an origin, a folder's URL or a sitemap's URL; raises `BadTarget`.

    Credentials in a URL are dropped. The origins come in the order to ask: the scheme typed first, else
    https; the host typed first, then its apex or www twin.
    """
    text = text.strip(" \t\r\n\ufeff")
    if PLAIN_HOST.fullmatch(text):
        return Target(without_www(text), _origins(None, text, None))  # so is nearly every line of a long list
    if not text:
        raise BadTarget("the target is empty", hint="name a domain, such as example.com")
    if len(text) > MAX_TARGET:
        raise BadTarget(f"the target has {len(text)} characters, more than {MAX_TARGET}")
    if _UNSEEN.search(text):
        raise BadTarget("the target holds control or invisible characters", hint="type it again by hand")
    if re.search(r"\s", text):
        raise BadTarget(
            "the target holds a space", hint="give one target a line, or quote each one by itself"
        )
    scheme, rest = _split_scheme(text.replace("\\", "/"))
    end = re.search(r"[/?#]", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
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
            f"'{_shown(host)}' has no dot, so it is no domain name",
            hint=f"did you mean {_shown(host)}.com? A host of your own network: http://{_shown(host)}/",
        )
    return _build(scheme, host, port, tail)


def _split_scheme(text: str) -> tuple[str | None, str]:
    match = _SCHEME.match(text)
    if match:
        scheme = match[1].lower()
        if scheme not in DEFAULT_PORTS:
            raise BadTarget(
                f"'{_shown(scheme)}:' cannot be crawled", hint="only http and https sites can be scanned"
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
            "the target holds a comma or semicolon", hint="give one target a line, with nothing else"
        )
    if authority.count(":") > 1 and not authority.startswith("["):
        raise BadTarget(
            "the target has too many colons", hint="an IPv6 address stands in brackets: [::1]:8080"
        )
    try:
        host, port = split_port(authority)
        if not host:
            raise BadTarget("the target has no host name", hint="name a domain, such as example.com")
        name = normalise_host(host)
        if name.startswith("["):
            return name, port
        # what a browser would take is more than what somebody means to type
        if is_address(name) and name != host.removesuffix("."):
            raise BadHost("the host looks like an IPv4 address, but is none of four numbers up to 255")
        if not all(map(_LABEL.fullmatch, name.split("."))):
            raise BadHost("the host name holds characters that no host name has")
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
    """A port typed with a scheme is one server and no other; a port alone may speak either scheme."""
    if port is not None:
        schemes = (scheme,) if scheme else ("https", "http")
        return tuple(f"{each}://{host}:{port}" for each in schemes)
    first, second = ("http", "https") if scheme == "http" else ("https", "http")
    origins = (f"{first}://{host}", f"{second}://{host}")
    twin = _twin(host)
    return origins if twin is None else (*origins, f"{first}://{twin}", f"{second}://{twin}")


def _twin(host: str) -> str | None:
    """The other name of the same site, if there can be one."""
    if host.startswith("www."):
        apex = without_www(host)
        return apex if apex != host else None
    return None if "." not in host or is_address(host) else f"www.{host}"


def _shown(text: str) -> str:
    """A line as an error may repeat it: short, visible characters only, no credentials."""
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text[:MAX_TARGET].strip())
    text = _CREDENTIALS.sub("", _SLASHED.sub(r"\1", text))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def group_targets(lines: Iterable[TargetLine]) -> TargetList:
    """Each domain once: lines of one domain that name other sitemaps or folders are merged into its target.

    Blank lines and `#` comments are skipped. A line that adds nothing is a duplicate; a line that names no
    site is an error and its neighbours go on. Neither repeats credentials.
    """
    found: dict[str, Target] = {}
    duplicates: list[TargetLine] = []
    errors: list[TargetError] = []
    for line, target in judge_lines(lines):
        if isinstance(target, TargetError):
            errors.append(target)
            continue
        known = found.setdefault(target.domain, target)
        if known is target:
            continue
        merged = merge_targets(known, target)
        if merged is known:
            duplicates.append(shown_line(line))
        found[target.domain] = merged
    return TargetList(tuple(found.values()), tuple(duplicates), tuple(errors))


def judge_lines(lines: Iterable[TargetLine]) -> Iterator[tuple[TargetLine, Target | TargetError]]:
    """Each line that says something, and the target that it names, or why it names none."""
    for line in lines:
        text = _without_comment(line.text)
        if not text:
            continue
        try:
            yield line, parse_target(text)
        except BadTarget as error:
            yield line, TargetError(line.line, _shown(text), error.message, error.hint)


def shown_line(line: TargetLine) -> TargetLine:
    """A line as it may be repeated: short, without its comment, no credentials."""
    return TargetLine(_shown(_without_comment(line.text)), line.line)


def _without_comment(text: str) -> str:
    text = text.strip(" \t\r\n\ufeff")
    if "#" in text:
        text = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()
    return text


def merge_targets(known: Target, other: Target) -> Target:
    """Two targets of one domain in one, or `known` itself where the other adds nothing. A bare sitemap URL
    names no folder: its `/` asks for nothing more."""
    sitemaps = tuple(url for url in other.sitemaps if url not in known.sitemaps)
    folders = (known.path, *known.more_paths)
    paths = () if other.path in folders or (other.sitemaps and other.path == "/") else (other.path,)
    if not sitemaps and not paths:
        return known
    return replace(known, sitemaps=known.sitemaps + sitemaps, more_paths=known.more_paths + paths)
