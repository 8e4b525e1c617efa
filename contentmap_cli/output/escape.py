"""Escaping of fetched text for terminals, CSV, XML and HTML, and removal of secrets."""

from __future__ import annotations

import re
from urllib.parse import quote

# Control characters, bidirectional controls (they reorder text), zero-width and other invisible characters
# (they disguise names), line separators and lone surrogates (they cannot be encoded).
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"
    "\U000e0000-\U000e0fff"
    "]"
)
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# A spreadsheet reads a cell that starts with one of these as a formula, the full-width forms included.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")

# XML 1.0 section 2.2: not allowed in a document, not even as references.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_SCHEME = r"(?P<scheme>[a-z][a-z0-9+.\-]*://)"
_USERINFO = (
    re.compile(_SCHEME + r"(?P<user>[^\s/?#:@]*)(?P<rest>[^\s/?#]*)@", re.IGNORECASE),
    # A password may contain a slash. Digits after a colon are a port, not a password.
    re.compile(_SCHEME + r"(?P<user>[^\s/?#:@\[]*)(?P<rest>:(?!\d*[/?#])[^\s@]*)@", re.IGNORECASE),
    # A target or proxy typed without its scheme.
    re.compile(r"(?<![\w/@.:*\-])(?P<scheme>)(?P<user>[^\s/?#:@\"'(<]+)(?P<rest>:(?!//)[^\s@]*)@(?=[\w\[])"),
)
_DATABASE = ("postgresql://", "postgresql+asyncpg://", "postgres://")
_SECRET_PARAMETER = re.compile(r"(?P<name>[?&](?:ssl)?(?:password|passwd|pwd)=)[^&#\s]+", re.IGNORECASE)


def terminal(text: str) -> str:
    r"""Return the text on one line, with control, invisible and reordering characters escaped.

    A line break becomes `\n`, an escape `\x1b`, a right-to-left override `\u202e`.
    """
    if text.isascii() and text.isprintable():  # nearly every URL; ten times faster than the search
        return text
    return _UNSAFE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def url_text(url: str) -> str:
    """Return the URL with the characters that `terminal` escapes percent-encoded.

    It identifies the same resource (RFC 3987 section 3.1).
    """
    if url.isascii() and url.isprintable():
        return url
    return _UNSAFE.sub(lambda match: quote(match[0], safe="", errors="replace"), url)


def csv_cell(text: str) -> str:
    """Return the text with a leading apostrophe if a spreadsheet would read it as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def xml_text(text: str) -> str:
    """Return the text as XML 1.0 character data, also valid in an attribute in double quotes.

    Characters that a terminal interprets become character references, which a parser reads as they were;
    characters that XML does not allow are escaped as in `terminal`.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_reference, _NOT_XML.sub(_visible, text))


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def redact(text: str) -> str:
    """Return the text with the secrets of every URL in it replaced by `***`.

    `user:password@` keeps the user; a user alone (often a token, but not in a database URL) is replaced as
    well, and so is the value of a `password` parameter.
    """
    if "@" in text:
        for userinfo in _USERINFO:
            text = userinfo.sub(_masked, text)
    return _SECRET_PARAMETER.sub(r"\g<name>***", text) if "=" in text else text


def _masked(match: re.Match[str]) -> str:
    user = match["user"]
    if user and not match["rest"] and match["scheme"].lower().startswith(_DATABASE):
        return match[0]
    keeps_user = match["rest"].startswith(":") and user
    return f"{match['scheme']}{user}:***@" if keeps_user else f"{match['scheme']}***@"
