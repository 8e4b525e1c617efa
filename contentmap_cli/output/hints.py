"""Hints after a scan, computed from its results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from contentmap_cli.errors import RAISE_LIMIT, Code
from contentmap_cli.models import DomainSummary, JobStatus, JobSummary, ScanStatus
from contentmap_cli.output.escape import terminal
from contentmap_cli.output.number_format import plural

_MAX_HINTS = 4
_MANY_TIMEOUTS = 3
_LATER = re.compile(r"retry after ([0-9]+) seconds")
_PROXY_LOGIN = "user name and password"
_SOCKS = "socks5h://"
_BY_WORDS = (
    ("not sent over http", "to send --header, --user and credentials over http, type http://{0}"),
    ("netrc file are sent over https only", "type https://{0}, or give credentials for http with --user"),
    (
        "answered 401: the credentials",
        "{0} does not accept the credentials: check --user, --netrc or --header",
    ),
    ("answered 401", "{0} requires credentials: add --user USER:PASSWORD"),
    ("a login page", "{0} requires credentials: add --user USER:PASSWORD or --header"),
)
"""By the reason of a refusal."""
_BY_CODE: tuple[tuple[tuple[Code, ...], str], ...] = (
    (
        (Code.DISALLOWED,),
        "robots.txt of {0} disallows the crawl: for a site of your own, add --ignore-robots",
    ),
    (
        (Code.REDIRECT_LOOP, Code.TOO_MANY_REDIRECTS),
        "the redirects of {0} do not end: see each with `contentmap doctor {0}`",
    ),
    ((Code.MOVED,), "{0} has moved: scan the site that its error names"),
    (
        (Code.URLS_DROPPED,),
        "{0} lists far fewer URLs: scan it again to confirm that, or accept it with --max-drop 100",
    ),
    ((Code.MAINTENANCE,), "{0} shows a maintenance page: retry later"),
    (
        (Code.PARKED,),
        "{0} is parked or suspended: check its registration, or remove it from the list",
    ),
    (
        (Code.ROBOTS_IS_HTML, Code.NOT_UNDERSTOOD),
        "{0} returns web pages for robots.txt or sitemaps: open them in a browser",
    ),
)
"""The first code of a group that a domain has."""
_REFUSED = (Code.BLOCKED, "http_401", "http_403", "http_407", "http_429", "http_451")


def scan_hints(
    job: JobSummary, results_sample: Sequence[DomainSummary], counts: Mapping[str, int] | None = None
) -> list[str]:
    """Return at most four hints, the most useful first.

    `results_sample` holds domains that have errors or problems in their robots.txt, not necessarily all.
    `counts` is the number of domains per code if the sample is incomplete; codes without a domain in the
    sample are ignored. Each hint is one escaped line without the prefix `hint:`.
    """
    by_code = _by_code(results_sample, counts or {})
    hints = [
        *_unfinished(job, results_sample),
        *_unrecorded(job, results_sample),
        *_whole_job(job, results_sample),
        *_proxy(results_sample),
        *by_code,
        *_partial(results_sample),
        *_robots(results_sample),
    ]
    return hints[:_MAX_HINTS]


def _unfinished(job: JobSummary, results: Sequence[DomainSummary]) -> Iterable[str]:
    waiting = job.total - job.finished
    deferred = job.domains.get(ScanStatus.DEFERRED, 0)
    running = job.status is JobStatus.RUNNING and job.alive
    if not running and waiting:
        left = plural(waiting + deferred, "domain")
        yield f"finish the remaining {left} with `contentmap resume {job.job_id}`"
    elif deferred:
        asked = plural(deferred, "domain")
        texts = [row.error.message for row in results if row.error and row.status is ScanStatus.DEFERRED]
        seconds = [int(found[1]) for text in texts if (found := _LATER.search(text)) is not None]
        most = "at most " if len(seconds) > 1 else ""
        when = f"after {most}{max(seconds)} seconds" if seconds else "later (Retry-After)"
        yield f"{asked} asked to retry {when}: run `contentmap resume {job.job_id}` then"


def _unrecorded(job: JobSummary, results: Sequence[DomainSummary]) -> Iterable[str]:
    for row in results:
        failed = row.error is not None and row.error.code == Code.STORAGE_ERROR
        if failed and row.status is ScanStatus.FAILED:
            domain = terminal(row.domain)
            yield f"once the error of {domain} is fixed, run `contentmap resume {job.job_id} --failed`"
            return


def _whole_job(job: JobSummary, results: Sequence[DomainSummary]) -> Iterable[str]:
    if any(row.error is not None and row.error.code == Code.SYSTEM_LIMIT for row in results):
        yield f"the limit of processes was reached: {RAISE_LIMIT}"
    elif job.total > 1 and job.domains.get(ScanStatus.FAILED, 0) == job.total:
        yield "every domain failed: check the network of this machine, or set --proxy"


def _proxy(results: Sequence[DomainSummary]) -> Iterable[str]:
    texts = [row.error.message for row in results if row.error and row.error.code == Code.PROXY_ERROR]
    if any(_PROXY_LOGIN in text for text in texts):
        yield "the proxy requires other credentials: give them with --proxy http://USER:PASSWORD@HOST:PORT"
    elif texts:
        yield "the proxy failed: check --proxy and HTTPS_PROXY, or connect without it with --no-proxy"


def _by_code(results: Sequence[DomainSummary], counts: Mapping[str, int]) -> Iterable[str]:
    failed = [row for row in results if row.error is not None and row.status is not ScanStatus.DEFERRED]
    found = Counter(str(row.error.code) for row in failed if row.error is not None)
    codes = Counter({code: max(count, counts.get(code, 0)) for code, count in found.items()})

    def first(code: str) -> str:
        return next(
            terminal(row.domain) for row in failed if row.error is not None and row.error.code == code
        )

    if codes[Code.ADDRESS_BLOCKED]:
        yield (
            f"{first(Code.ADDRESS_BLOCKED)} has an address that is not public:"
            " for a network of your own, add --allow-net CIDR"
        )
    if codes[Code.DNS_ERROR]:
        others = codes[Code.DNS_ERROR] - 1
        more = f" and {plural(others, 'other')}" if others else ""
        local = any(row.error is not None and _SOCKS in row.error.message for row in failed)
        action = f"with --proxy {_SOCKS}HOST the proxy resolves names" if local else "check the spelling"
        yield f"{first(Code.DNS_ERROR)}{more} could not be resolved: {action}"
    if codes[Code.TLS_CERTIFICATE]:
        domain = first(Code.TLS_CERTIFICATE)
        authority = "ask for one that contains its name" if "_" in domain else "add --ca-file FILE"
        yield f"the certificate of {domain} is not trusted: {authority}, or --insecure for a test site"
    if codes[Code.HTTPS_REQUIRED]:
        domain = first(Code.HTTPS_REQUIRED)
        yield f"{domain} is served over http: to read it without encryption, add --allow-http"
    if codes[Code.TIMEOUT] >= _MANY_TIMEOUTS:
        yield "many timeouts: lower -c, or raise --timeout"
    if codes[Code.ROBOTS_UNREACHABLE]:
        domain = first(Code.ROBOTS_UNREACHABLE)
        yield f"robots.txt of {domain} is unavailable, so the site is disallowed (RFC 9309): retry later"
    yield from _refusals(failed)
    yield from _not_selected(failed)
    for group, text in _BY_CODE:
        code = next((code for code in group if codes[code]), None)
        if code is not None:
            yield text.format(first(code))
    if codes[Code.BUDGET_EXHAUSTED] or codes[Code.DEADLINE]:
        yield "a limit was reached: raise --max-urls or --domain-time"


def _refusals(failed: Sequence[DomainSummary]) -> Iterable[str]:
    refusing = [row for row in failed if row.error is not None and row.error.code in _REFUSED]
    said = [(terminal(row.domain), row.error.message) for row in failed if row.error is not None]
    for words, action in _BY_WORDS:
        for domain, message in said:
            if words in message:
                yield action.format(domain)
                return
    if refusing:
        yield (
            f"{terminal(refusing[0].domain)} refuses the crawl: retry later, set a contact with --user-agent,"
            " or ask the operator to allow this machine's address"
        )


def _not_selected(failed: Sequence[DomainSummary]) -> Iterable[str]:
    for row in failed:
        if row.error is None or row.error.code != Code.NOT_SELECTED:
            continue
        domain, text = terminal(row.domain), row.error.message
        if text.startswith("--lastmod-after"):
            yield (
                f"the index of {domain} names only sitemaps with an earlier lastmod:"
                " scan the domain once without --lastmod-after"
            )
        else:
            yield f"the selection matches no sitemap of {domain}: compare it with the URL in the error"
        return


def _partial(results: Sequence[DomainSummary]) -> Iterable[str]:
    for row in results:
        if row.status is ScanStatus.PARTIAL and (row.sitemaps_failed or not row.withheld):
            yield f"see the errors of files with `contentmap sitemaps {terminal(row.domain)}`"
            return


def _robots(results: Sequence[DomainSummary]) -> Iterable[str]:
    rows = [row for row in results if row.robots_problems]
    if rows:
        domain = terminal(rows[0].domain)
        found = plural(rows[0].robots_problems, "problem")
        others = f", {plural(len(rows) - 1, 'other')} too" if len(rows) > 1 else ""
        yield f"the robots.txt of {domain} has {found}{others}: see `contentmap robots {domain}`"
