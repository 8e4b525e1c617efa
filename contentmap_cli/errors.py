"""Exceptions, error codes and exit codes.

Two families, never mixed:

* `ContentMapError` is an exception that ends a command: it has a code, a message, a hint and an exit code.
* `Failure` is a value: why a sitemap file or a domain failed. The other files and domains are not affected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Exit:
    """Exit codes of the command line. Scripts depend on them: a code never changes its meaning."""

    CLEAN = 0
    BUG = 1
    USAGE = 2
    NOT_CLEAN = 3
    ALL_FAILED = 4
    DATABASE = 5
    NOT_FOUND = 6
    RUNNING = 8
    HELD = 75
    INTERRUPTED = 130
    TERMINATED = 143


class Code(StrEnum):
    """Outcome codes of a file or a domain: stable, machine-readable, listed in docs/outcomes.md.

    The code of an HTTP status is not listed here: it is `http_` and the status, as in `http_404`.
    """

    BAD_TARGET = "bad_target"
    DNS_ERROR = "dns_error"
    CONNECT_ERROR = "connect_error"
    PROXY_ERROR = "proxy_error"
    TLS_CERTIFICATE = "tls_certificate"
    TLS_ERROR = "tls_error"
    TIMEOUT = "timeout"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TRUNCATED = "body_truncated"
    DECOMPRESS_MEMBERS = "decompress_members"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    HTTP_PROTOCOL = "http_protocol"
    REDIRECT_LOOP = "redirect_loop"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REDIRECT_SCHEME = "redirect_scheme"
    HTTPS_REQUIRED = "https_required"
    ADDRESS_BLOCKED = "address_blocked"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    ROBOTS_IS_HTML = "robots_is_html"
    BLOCKED = "blocked"
    DISALLOWED = "disallowed"
    MOVED = "moved"
    PARKED = "parked"
    MAINTENANCE = "maintenance"
    NOT_UNDERSTOOD = "not_understood"
    NO_URLS = "no_urls"
    ENTRIES_REFUSED = "entries_refused"
    URLS_DROPPED = "urls_dropped"
    NOT_A_SITEMAP = "not_a_sitemap"
    SOFT_404 = "soft_404"
    XML_ERROR = "xml_error"
    XML_DTD_FORBIDDEN = "xml_dtd_forbidden"
    XML_TOKEN_TOO_LARGE = "xml_token_too_large"  # noqa: S105 - an XML token, not a secret
    TOO_MANY_URLS = "too_many_urls"
    URL_TOO_LONG = "url_too_long"
    REJECTED_URL = "rejected_url"
    DEPTH_EXCEEDED = "depth_exceeded"
    ALREADY_SEEN = "already_seen"
    BUDGET_EXHAUSTED = "budget_exhausted"
    DEADLINE = "deadline"
    NOT_SELECTED = "not_selected"
    DOMAIN_BUSY = "domain_busy"
    INTERRUPTED = "interrupted"
    LEASE_LOST = "lease_lost"
    STORAGE_ERROR = "storage_error"
    SYSTEM_LIMIT = "system_limit"
    INTERNAL_ERROR = "internal_error"


def http_code(status: int) -> str:
    """Return the outcome code of an unsuccessful HTTP status (RFC 9110 section 15), e.g. `http_404`."""
    return f"http_{status}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, as a value: `code` is a `Code` or `http_<status>`, `message` one line of text."""

    code: str
    message: str


class ContentMapError(Exception):
    """An error that ends a command.

    It is printed as `error: message: cause`, its `details`, a line each, a blank line and `hint: …`.
    Subclasses set `code` and `exit_code`; both are part of the command line's contract.
    """

    code: str = "internal_error"
    exit_code: int = Exit.BUG

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)  # further lines of the message
        self.hint = hint


class UsageError(ContentMapError):
    """The command line, a settings file or an input list asks for something that cannot be done."""

    code = "usage"
    exit_code = Exit.USAGE


RAISE_LIMIT = "raise it (`ulimit -u`, the pids limit of a container), or lower --concurrency"


class SystemLimit(ContentMapError):
    """The system starts no further thread or process."""

    code = Code.SYSTEM_LIMIT
    exit_code = Exit.USAGE

    def __init__(self) -> None:
        super().__init__(
            "no thread or process can be started: the limit of processes is reached", hint=RAISE_LIMIT
        )


def is_out_of_threads(error: BaseException) -> bool:
    """Return whether an exception says that no thread can be started. Python has no class of its own."""
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


class DatabaseUnavailable(ContentMapError):
    """The database cannot be reached, is full, is read-only or was lost. What was recorded is kept."""

    code = "database_unavailable"
    exit_code = Exit.DATABASE


class ConnectionLost(DatabaseUnavailable):
    """A connection to the database was lost or could not be made. A retry may succeed."""


class DatabaseLocked(DatabaseUnavailable):
    """Another process has locked the database, or rows of it, for longer than a statement waits."""


class TooManyConnections(DatabaseUnavailable):
    """The server gives no more connections to this user, this database or anybody."""


class StorageRefused(ContentMapError):
    """The database answered with an error of another kind than those above."""

    code = "storage_error"
    exit_code = Exit.DATABASE


class StorageConflict(StorageRefused):
    """The database ended a transaction in favour of another one. It succeeds when it is run again."""


class SchemaMismatch(ContentMapError):
    """The database has no schema, an older one, a newer one, or another program's tables."""

    code = "schema_mismatch"
    exit_code = Exit.DATABASE


class AnswerLost(ContentMapError):
    """The work was done, and its output could not be written."""

    code = "answer_lost"
    exit_code = Exit.NOT_CLEAN


class NotFound(ContentMapError):
    """No such job or domain is recorded for this tenant."""

    code = "not_found"
    exit_code = Exit.NOT_FOUND


class CursorExpired(ContentMapError):
    """Changes after the cursor of a reader of the change feed were pruned."""

    code = "cursor_expired"
    exit_code = Exit.NOT_CLEAN


class JobHeld(ContentMapError):
    """Another live run holds the job."""

    code = "job_held"
    exit_code = Exit.HELD


class LeaseLost(ContentMapError):
    """Another run holds the claim on the domain scan by now: this run must not write its result."""

    code = "lease_lost"
    exit_code = Exit.NOT_CLEAN


class TransactionRuleBroken(ContentMapError):
    """A bug in ContentMap: code other than a transaction's owner tried to end, nest or share it."""

    code = "transaction_rule_broken"
    exit_code = Exit.BUG
