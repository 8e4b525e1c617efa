"""Map charset labels to codecs, as the WHATWG Encoding Standard (section 4.2) does.

Labels are compared by their letters and digits: `iso-8859-2`, `ISO8859_2` and `iso88592` are equal. Where the
standard uses a superset for a label (gb2312 as GBK, iso-8859-9 as windows-1254), so does this table.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_LABELS: Final = {
    "utf-8": "unicode11utf8 unicode20utf8 utf8 xunicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso88592 iso885921987 isoir101 l2 latin2",
    "iso8859-3": "csisolatin3 iso88593 iso885931988 isoir109 l3 latin3",
    "iso8859-4": "csisolatin4 iso88594 iso885941988 isoir110 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso88595 iso885951988 isoir144",
    "iso8859-6": "arabic asmo708 csiso88596e csiso88596i csisolatinarabic ecma114 iso88596 iso885961987"
    " iso88596e iso88596i isoir127",
    "iso8859-7": "csisolatingreek ecma118 elot928 greek greek8 iso88597 iso885971987 isoir126 suneugreek",
    "iso8859-8": "csiso88598e csiso88598i csisolatinhebrew hebrew iso88598 iso885981988 iso88598e iso88598i"
    " isoir138 logical visual",
    "iso8859-10": "csisolatin6 iso885910 isoir157 l6 latin6",
    "iso8859-13": "iso885913",
    "iso8859-14": "iso885914",
    "iso8859-15": "csisolatin9 iso885915 l9",
    "iso8859-16": "iso885916",
    "koi8-r": "cskoi8r koi koi8 koi8r",
    "koi8-u": "koi8ru koi8u",
    "mac-roman": "csmacintosh mac macintosh xmacroman",
    "cp874": "dos874 iso885911 tis620 windows874",
    "cp1250": "cp1250 windows1250 xcp1250",
    "cp1251": "cp1251 windows1251 xcp1251",
    # HTML section 13.2.3.2: x-user-defined means windows-1252
    "cp1252": "cp1252 cp819 csisolatin1 ibm819 iso88591 iso885911987 isoir100 l1 latin1 windows1252 xcp1252"
    " xuserdefined",
    "cp1253": "cp1253 windows1253 xcp1253",
    "cp1254": "cp1254 csisolatin5 iso88599 iso885991989 isoir148 l5 latin5 windows1254 xcp1254",
    "cp1255": "cp1255 windows1255 xcp1255",
    "cp1256": "cp1256 windows1256 xcp1256",
    "cp1257": "cp1257 windows1257 xcp1257",
    "cp1258": "cp1258 windows1258 xcp1258",
    "mac-cyrillic": "xmaccyrillic xmacukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb231280 gbk isoir58 xgbk",
    "big5hkscs": "big5 big5hkscs cnbig5 csbig5 xxbig5",
    "euc_jp": "cseucpkdfmtjapanese eucjp xeucjp",
    "iso2022_jp_ext": "csiso2022jp iso2022jp",
    "cp932": "csshiftjis ms932 mskanji shiftjis sjis windows31j xsjis",
    "cp949": "cseuckr csksc56011987 euckr isoir149 korean ksc56011987 ksc56011989 ksc5601 windows949",
}
_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_REFUSED_LABELS: Final = frozenset(
    {"csiso2022kr", "hzgb2312", "iso2022cn", "iso2022cnext", "iso2022kr", "replacement"}
)
"""Labels that the standard maps to `replacement`, for security reasons."""

MULTIBYTE: Final = frozenset({"gb18030", "big5hkscs", "euc_jp", "iso2022_jp_ext", "cp932", "cp949"})
STATEFUL: Final = frozenset({"iso2022_jp_ext"})
"""Codecs that write text beyond ASCII in ASCII bytes."""

SECOND_CODECS: Final = {"big5hkscs": "cp950", "euc_jp": "euc_jis_2004"}
"""Codecs for characters of the standard's table that the first codec lacks."""

# Python has codecs that are not charsets (rot13, unicode_escape); these families are.
_CHARACTER_SETS: Final = re.compile(
    r"iso8859|latin|cp\d|windows|koi8|gb|big5|shift_jis|euc|mac|tis|kz1048|ptcp|johab|hp-roman8"
)
_ASCII_PROBE: Final = "<?xml 09:AZaz&;/>"
_IGNORED: Final = re.compile(r"[^a-z0-9]")


def codec_of(label: str) -> str | None:
    """Return Python's codec for a label; None if it is unknown or no superset of ASCII.

    Return `ascii` for the labels of US-ASCII. The standard maps them to windows-1252; here they are read as
    UTF-8.
    """
    label = label.strip().lower()
    folded = _IGNORED.sub("", label)
    if folded in _REFUSED_LABELS:
        return None
    if folded in _CODECS:
        return _CODECS[folded]
    try:
        codec = codecs.lookup(label).name
        if codec in ("ascii", "utf-8"):
            return codec
        if not _CHARACTER_SETS.match(codec) or _ASCII_PROBE.encode(codec) != _ASCII_PROBE.encode("ascii"):
            return None
    except (LookupError, UnicodeError, ValueError):
        return None
    return codec
