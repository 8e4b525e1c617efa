"""Rules about a document as a whole: markup, encoding, namespaces, limits.

Most findings are problems that the parser reported.
"""

from __future__ import annotations

import re

from contentmap_cli.check.dates import LASTMOD_FORMAT
from contentmap_cli.check.registry import GOOGLE, PROTOCOL, XML, Family, rule
from contentmap_cli.check.robots import (
    IN_ROBOTS,
    LIMIT_ROBOTS,
    ROBOTS_GROUP,
    ROBOTS_KEY,
    ROBOTS_LINES,
    ROBOTS_PROBLEMS,
    ROBOTS_SITEMAP,
    ROBOTS_UNKNOWN,
)
from contentmap_cli.errors import Code
from contentmap_cli.models import DocumentKind, Problem, Severity
from contentmap_cli.models.findings import CheckedFile, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

MAX_ENTRIES = 50_000
MAX_BYTES = 50 * 1024 * 1024
MAX_ROBOTS_BYTES = 500 * 1024  # RFC 9309 section 2.5: what every reader must accept

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
OLD_NAMESPACES = frozenset(
    f"{start}google.com/schemas/sitemap/0.{version}"
    for start in ("http://www.", "https://www.")
    for version in ("84", "9", "90")
)
EXTENSIONS = {
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
    "video": "http://www.google.com/schemas/sitemap-video/1.1",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
}

SITE_INCOMPLETE = rule(
    "site-incomplete", _W, "site not read completely",
    "A limit of this run was reached: the rest was not checked.", f"{PROTOCOL}#index",
)  # fmt: skip
LIMIT_URLS = rule(
    "limit-urls", _E, "more than 50,000 entries in a file",
    "Readers stop at the limit or refuse the file: split it and name the parts in an index.",
    f"{PROTOCOL}#index",
)  # fmt: skip
LIMIT_SIZE = rule(
    "limit-size", _E, "larger than 50 MiB uncompressed",
    "Readers cut the file there or refuse it: split it and name the parts in an index.", f"{PROTOCOL}#index",
)  # fmt: skip
LIMIT_URL_LENGTH = rule(
    "limit-url-length", _E, "URL of 2,048 characters or more",
    "A loc must have less than 2,048 characters; longer ones are not read.", f"{PROTOCOL}#locdef",
)  # fmt: skip
DOCUMENT_KIND = rule(
    "document-kind", _E, "not a sitemap, feed or list of URLs",
    "Nothing of it is read. An HTML page here is often an error page served with status 200.",
    f"{PROTOCOL}#xmlTagDefinitions",
)  # fmt: skip
DOCUMENT_EMPTY = rule(
    "document-empty", _W, "no entries",
    "The protocol requires at least one entry; search engines report an empty file as an error.",
    f"{PROTOCOL}#urldef",
)  # fmt: skip
DOCUMENT_TRUNCATED = rule(
    "document-truncated", _E, "truncated document",
    "Everything after the cut is lost, and strict readers refuse the whole file.", f"{PROTOCOL}#validating",
)  # fmt: skip
DOCUMENT_COMPRESSION = rule(
    "document-compression", _E, "damaged or unusual compression",
    "Every reader supports one layer of gzip with one member.", f"{PROTOCOL}#index",
)  # fmt: skip
DOCUMENT_LINE = rule(
    "document-line", _E, "line of a text sitemap is not one URL",
    "A text sitemap has one URL per line and nothing else.", f"{PROTOCOL}#otherformats",
)  # fmt: skip
XML_BROKEN = rule(
    "xml-broken", _E, "XML is not well-formed",
    "A strict parser stops at the first error; the rest is not read.", f"{PROTOCOL}#validating",
)  # fmt: skip
XML_AMPERSAND = rule(
    "xml-ampersand", _E, "unescaped &",
    "XML requires &amp;. Strict readers refuse the file, lenient ones may alter the URL.",
    f"{PROTOCOL}#escaping",
)  # fmt: skip
XML_ENTITY = rule(
    "xml-entity", _E, "HTML entity in XML",
    "XML defines five entities; anything else is an error.", f"{PROTOCOL}#escaping",
)  # fmt: skip
XML_TAGS = rule(
    "xml-tags", _E, "mismatched or malformed tags",
    "Strict readers refuse the file, lenient ones have to guess where an entry ends.",
    f"{XML}#sec-starttags",
)  # fmt: skip
XML_JUNK = rule(
    "xml-junk", _E, "text outside the root element",
    "Only white space and comments may precede or follow the root: often this is a program's own warning.",
    f"{XML}#sec-well-formed",
)  # fmt: skip
XML_ROOTS = rule(
    "xml-roots", _E, "several documents in one file",
    "A document has one root; strict readers stop after the first.", f"{XML}#sec-well-formed",
)  # fmt: skip
XML_DOCTYPE = rule(
    "xml-doctype", _E, "document type declaration",
    "The protocol has none, and readers refuse it because entities can be abused.",
    f"{PROTOCOL}#validating",
)  # fmt: skip
XML_SIZE = rule(
    "xml-size", _E, "unterminated markup",
    "A tag, comment or text of megabytes is an error of the generator; readers give up.",
    f"{PROTOCOL}#validating",
)  # fmt: skip
ENCODING_DECLARED = rule(
    "encoding-declared", _E, "bytes that are invalid in the declared encoding",
    "Strict readers stop at the first invalid byte.", f"{XML}#charencoding",
)  # fmt: skip
ENCODING_UTF8 = rule(
    "encoding-utf8", _E, "not encoded in UTF-8",
    "The protocol requires UTF-8; some readers garble other encodings.",
    f"{PROTOCOL}#escaping",
)  # fmt: skip
NAMESPACE_MISSING = rule(
    "namespace-missing", _E, "no namespace on the root element",
    "Validating readers refuse the file: without the namespace it is not a sitemap.", f"{PROTOCOL}#urlsetdef",
)  # fmt: skip
NAMESPACE_WRONG = rule(
    "namespace-wrong", _E, "wrong namespace on the root element",
    "Namespaces are compared character by character; https or a trailing slash makes it another one.",
    f"{PROTOCOL}#urlsetdef",
)  # fmt: skip
NAMESPACE_OLD = rule(
    "namespace-old", _W, "namespace of an older protocol",
    "The protocol before sitemaps.org, which newer readers may not know.",
    f"{PROTOCOL}#urlsetdef",
)  # fmt: skip
NAMESPACE_EXTENSION = rule(
    "namespace-extension", _E, "wrong namespace for an extension",
    "Images, videos, news and alternates are recognised by their namespace only.",
    f"{PROTOCOL}#extending",
)  # fmt: skip
ENTRY_URL_MISSING = rule(
    "entry-url-missing", _E, "entry without a loc",
    "loc is the only required element of an entry.", f"{PROTOCOL}#locdef",
)  # fmt: skip
ENTRY_STRAY = rule(
    "entry-stray", _E, "loc outside url and sitemap",
    "It belongs to no entry, so readers do not list it.", f"{PROTOCOL}#locdef",
)  # fmt: skip
ENTRY_CHANGEFREQ = rule(
    "entry-changefreq", _E, "invalid changefreq",
    "always, hourly, daily, weekly, monthly, yearly or never; anything else fails validation.",
    f"{PROTOCOL}#changefreqdef",
)  # fmt: skip
ENTRY_PRIORITY = rule(
    "entry-priority", _E, "priority is not a number from 0.0 to 1.0",
    "Anything else fails validation and is ignored.", f"{PROTOCOL}#prioritydef",
)  # fmt: skip
ENTRY_EXTENSION = rule(
    "entry-extension", _W, "extension value too long, or too many of them",
    "Readers cut or drop it.", f"{GOOGLE}/sitemaps/combine-sitemap-extensions",
)  # fmt: skip
CHANGEFREQ_FORMAT = rule(
    "changefreq-format", _W, "changefreq with upper-case letters",
    "It was understood; readers that validate ignore it.", f"{PROTOCOL}#changefreqdef",
)  # fmt: skip
PRIORITY_FORMAT = rule(
    "priority-format", _W, "priority with a decimal comma",
    "It was understood; readers that validate ignore it.", f"{PROTOCOL}#prioritydef",
)  # fmt: skip
LASTMOD_EMPTY = rule(
    "lastmod-empty", _W, "empty lastmod",
    "It fails validation: leave out the element where there is no date.", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
LASTMOD_INVALID = rule(
    "lastmod-invalid", _E, "invalid lastmod",
    "Anything but a W3C date-time is ignored, or fails validation.", f"{PROTOCOL}#lastmoddef",
)  # fmt: skip
URL_INVALID = rule(
    "url-invalid", _E, "not a valid http or https URL",
    "No reader can fetch it: an unfilled template, a stray character, another scheme.",
    f"{PROTOCOL}#locdef",
)  # fmt: skip
URL_CREDENTIALS = rule(
    "url-credentials", _E, "URL with a user name",
    "Credentials in a public file are public, and readers drop such URLs or the credentials in them.",
    "https://www.rfc-editor.org/rfc/rfc3986.html#section-3.2.1",
)  # fmt: skip
URL_RELATIVE = rule(
    "url-relative", _E, "URL is not absolute",
    "A loc begins with http or https and names its host; readers drop other values.", f"{PROTOCOL}#locdef",
)  # fmt: skip
URL_SLASHES = rule(
    "url-slashes", _W, "wrong number or kind of slashes in a URL",
    "Browsers accept `http:/host` and backslashes; other readers drop such URLs.",
    f"{PROTOCOL}#locdef",
)  # fmt: skip
URL_DUPLICATE = rule(
    "url-duplicate", _E, "URL listed more than once in a file",
    "It wastes space, and two dates for one page contradict each other.", f"{PROTOCOL}#urldef",
)  # fmt: skip
IMAGE_COUNT = rule(
    "image-count", _E, "more than 1,000 images for one URL",
    "Only the first 1,000 are read.", f"{GOOGLE}/sitemaps/image-sitemaps",
)  # fmt: skip

FROM_PROBLEMS: dict[str, Rule] = {
    "xml_error": XML_BROKEN,
    "xml_dtd_forbidden": XML_DOCTYPE,
    "xml_token_too_large": XML_SIZE,
    "too_many_urls": LIMIT_URLS,
    "not_a_sitemap": DOCUMENT_KIND,
    **ROBOTS_PROBLEMS,
    "body_truncated": DOCUMENT_TRUNCATED,
    "body_too_large": LIMIT_SIZE,
    "decompress_members": DOCUMENT_COMPRESSION,
    "unsupported_encoding": DOCUMENT_COMPRESSION,
    "url_too_long": LIMIT_URL_LENGTH,
    "rejected_url": URL_INVALID,
    "missing_url": ENTRY_URL_MISSING,
    "stray_loc": ENTRY_STRAY,
    "cut_off_entry": DOCUMENT_TRUNCATED,
    "nothing_understood": DOCUMENT_KIND,
    "invalid_lastmod": LASTMOD_INVALID,
    "lastmod_format": LASTMOD_FORMAT,
    "empty_lastmod": LASTMOD_EMPTY,
    "invalid_changefreq": ENTRY_CHANGEFREQ,
    "changefreq_format": CHANGEFREQ_FORMAT,
    "invalid_priority": ENTRY_PRIORITY,
    "priority_format": PRIORITY_FORMAT,
    "too_many_extensions": ENTRY_EXTENSION,
    "invalid_extension": ENTRY_EXTENSION,
    "bare_ampersand": XML_AMPERSAND,
    "html_entity": XML_ENTITY,
    "missing_end_tag": XML_TAGS,
    "unexpected_end_tag": XML_TAGS,
    "broken_markup": XML_TAGS,
    "junk_outside_root": XML_JUNK,
    "several_roots": XML_ROOTS,
    "doctype_ignored": XML_DOCTYPE,
    "scheme_added": URL_RELATIVE,
    "relative_url": URL_RELATIVE,
    "url_repaired": URL_SLASHES,
    "credentials_removed": URL_CREDENTIALS,
    "wrong_encoding": ENCODING_DECLARED,
    "trailing_garbage": DOCUMENT_COMPRESSION,
    "duplicate_url": URL_DUPLICATE,
    "not_a_url_line": DOCUMENT_LINE,
}
"""The rule that each problem of a document breaks. A test compares it with the parser's codes."""

_QUOTED = frozenset(
    {
        *(URL_INVALID, URL_RELATIVE, URL_SLASHES, LASTMOD_INVALID, ENTRY_CHANGEFREQ, ENTRY_PRIORITY),
        *(DOCUMENT_LINE, LIMIT_URL_LENGTH, CHANGEFREQ_FORMAT, PRIORITY_FORMAT),
        *(ROBOTS_LINES, ROBOTS_SITEMAP, ROBOTS_KEY, ROBOTS_GROUP, ROBOTS_UNKNOWN),
    }
)
"""Rules whose problems quote a value: it is an example, and the message is that of the rule."""
_URLS = frozenset({URL_INVALID, URL_RELATIVE, URL_SLASHES, LIMIT_URL_LENGTH})
"""Rules whose problems quote the URL as it is published."""
_BODY_FAILURES = frozenset(
    {
        *(
            "xml_error",
            "xml_dtd_forbidden",
            "xml_token_too_large",
            "too_many_urls",
            "not_a_sitemap",
            "soft_404",
        ),
        *("body_too_large", "body_truncated", "decompress_members", "unsupported_encoding", "robots_is_html"),
        "entries_refused",
    }
)
"""Failure codes that are about a file's content, not its delivery."""
_ATTRIBUTE = re.compile(r"""\s(xmlns(?::[\w.-]+)?)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ROOT_NAME = re.compile(r"<(?:([\w.-]+):)?[\w.-]+")
_EXTENSION_MARK = re.compile(r"sitemap-(image|video|news)|1999/(xhtml)")


def is_about_content(code: str) -> bool:
    """Return whether a failure code is about a file's content rather than its delivery."""
    return code in _BODY_FAILURES


def _within_protocol(broken: Rule, file: CheckedFile) -> Rule:
    """Return the rule, or that of an incomplete check if the file is only larger than the limit of this
    run."""
    return SITE_INCOMPLETE if broken is LIMIT_SIZE and file.decoded_bytes < MAX_BYTES else broken


class Documents(Family):
    """Checks the problems that the parser reported, limits and the root element."""

    def start(self, file: CheckedFile) -> None:
        """Check the document's problems, limits, encoding and namespaces."""
        failure = file.failure
        reported = {problem.code for problem in file.problems}
        too_large = Code.BODY_TOO_LARGE in reported or (
            failure is not None and failure.code == Code.BODY_TOO_LARGE
        )
        for problem in file.problems if file.details is None else file.details():
            # `dates` reports every format of a date; a file cut by this run's limit may end inside an entry
            if problem.code != "lastmod_format" and not (too_large and problem.code == "cut_off_entry"):
                self._problem(file, problem)
        reported.add(Code.ENTRIES_REFUSED)  # each of its entries is a problem
        if failure is not None and failure.code not in reported and is_about_content(failure.code):
            broken = FROM_PROBLEMS.get(failure.code, DOCUMENT_KIND)
            self.notes.add(_within_protocol(broken, file), file, failure.message)
        if file.kind is DocumentKind.ROBOTS:
            if file.decoded_bytes > MAX_ROBOTS_BYTES and Code.BODY_TOO_LARGE not in reported:
                self.notes.add(LIMIT_ROBOTS, file, f"{file.decoded_bytes:,} bytes")
            return
        if file.decoded_bytes > MAX_BYTES and Code.BODY_TOO_LARGE not in reported:
            self.notes.add(
                LIMIT_SIZE, file, f"{file.decoded_bytes:,} bytes; the protocol allows {MAX_BYTES:,}"
            )
        if file.kind is None or not file.kind.is_sitemap:
            return
        if file.entries > MAX_ENTRIES and Code.TOO_MANY_URLS not in reported:
            self.notes.add(LIMIT_URLS, file, f"{file.entries:,} entries; the protocol allows {MAX_ENTRIES:,}")
        if not file.entries and failure is None:
            self.notes.add(DOCUMENT_EMPTY, file, f"the {file.kind.value} has no entries")
        if file.encoding is not None and file.encoding.lower() not in ("utf-8", "utf8", "ascii", "us-ascii"):
            self.notes.add(ENCODING_UTF8, file, f"encoded in {file.encoding}")
        if file.root is not None and file.kind in (DocumentKind.URLSET, DocumentKind.INDEX):
            self._namespaces(file, file.root)

    def finish(self) -> None:
        """Check the site's robots.txt."""
        if self.site.robots is not None:
            self.start(self.site.robots)

    def _problem(self, file: CheckedFile, problem: Problem) -> None:
        broken = FROM_PROBLEMS.get(problem.code, XML_BROKEN)
        if file.kind is DocumentKind.ROBOTS:
            broken = IN_ROBOTS.get(problem.code, broken)
        if problem.code == "too_many_extensions" and problem.message.endswith("image"):
            broken = IMAGE_COUNT
        broken = _within_protocol(broken, file)
        # a repeated URL is named where the document was parsed for a check
        quoted = broken in _QUOTED or (broken is URL_DUPLICATE and "://" in problem.message)
        url, value = problem.url, problem.message if quoted and problem.message != problem.url else None
        if url is None and broken in _URLS:
            reason, colon, text = problem.message.partition(": ")  # "an invalid host: http://…"
            value, url = (reason, text) if colon else (None, problem.message)
        self.notes.add(
            broken,
            file,
            None if quoted else problem.message,
            url=url,
            value=value,
            line=problem.line,
            unnamed=problem.count - 1,
        )

    def _namespaces(self, file: CheckedFile, root: str) -> None:
        declared = {name: one or other for name, one, other in _ATTRIBUTE.findall(root)}
        name = _ROOT_NAME.match(root)
        prefix = name[1] if name else None
        own = declared.get(f"xmlns:{prefix}" if prefix else "xmlns")
        if own is None or not own.strip():
            self.notes.add(NAMESPACE_MISSING, file, f"expected {NAMESPACE}")
        elif own.strip() in OLD_NAMESPACES:
            self.notes.add(NAMESPACE_OLD, file, f"{own[:200]} instead of {NAMESPACE}")
        elif own != NAMESPACE:
            self.notes.add(NAMESPACE_WRONG, file, f"{own[:200]} instead of {NAMESPACE}")
        for attribute, value in declared.items():
            mark = _EXTENSION_MARK.search(value)
            prefix = attribute.partition(":")[2]
            meant = (mark[1] or mark[2]) if mark else prefix if prefix in EXTENSIONS else None
            if attribute != "xmlns" and meant is not None and value != EXTENSIONS[meant]:
                message = f"{prefix}: {value[:200]} instead of {EXTENSIONS[meant]}"
                self.notes.add(NAMESPACE_EXTENSION, file, message)
