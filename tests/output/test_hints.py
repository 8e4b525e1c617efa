"""Hints: few, useful, computed from what happened."""

from __future__ import annotations

import re

import pytest

from contentmap_cli.commands.app import app
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models import JobStatus, ScanStatus
from contentmap_cli.output.hints import scan_hints

COMMANDS = {command.name for command in app.registered_commands}


def failed(make_domain, code: str, domain: str = "shop.example"):
    return make_domain(domain, ScanStatus.FAILED, error=Failure(code, "why"))


def test_a_clean_job_needs_no_hint(make_domain, make_job) -> None:
    """Nothing to do, nothing to say."""
    rows = [make_domain(), make_domain("b.example", ScanStatus.EMPTY)]
    assert scan_hints(make_job(rows, status=JobStatus.COMPLETE), []) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (Code.DNS_ERROR, "spelling"),
        (Code.ADDRESS_BLOCKED, "--allow-net"),
        (Code.TLS_CERTIFICATE, "--insecure"),
        (Code.HTTPS_REQUIRED, "--allow-http"),
        (Code.ROBOTS_UNREACHABLE, "robots.txt"),
        (Code.DEADLINE, "--domain-time"),
        (Code.BUDGET_EXHAUSTED, "--max-urls"),
        ("http_403", "--user-agent"),
        (Code.REDIRECT_LOOP, "contentmap doctor shop.example"),
        (Code.TOO_MANY_REDIRECTS, "contentmap doctor shop.example"),
    ],
)
def test_an_error_has_its_remedy(code: str, says: str, make_domain, make_job) -> None:
    """One domain with one known error: one hint, with what can be done."""
    rows = [failed(make_domain, code)]
    (hint,) = scan_hints(make_job(rows), rows)
    assert says in hint


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        (
            "blocked",
            "answered 403: --header, --user and credentials were not sent over http",
            "type http://shop",
        ),
        (
            "blocked",
            "answered 401: --header, --user and credentials were not sent over http",
            "type http://shop",
        ),
        (
            "blocked",
            "answered 401: the credentials of the netrc file are sent over https only",
            "https://shop",
        ),
        ("blocked", "answered 401: the credentials are not accepted", "check --user"),
        ("blocked", "answered 401: it requires credentials", "add --user"),
        ("blocked", "robots.txt is a login page", "add --user"),
        ("proxy_error", "the proxy p:1 requires a user name and password (407)", "http://USER:PASSWORD@HOST"),
        ("proxy_error", "no connection to the proxy p:1: connection refused", "--no-proxy"),
        ("not_selected", "--include '*x*' does not select any", "compare it with the URL"),
        ("not_selected", "--lastmod-after 2026-01-01 does not select any", "once without --lastmod-after"),
        ("dns_error", "the host name does not exist: with socks5h:// the proxy resolves it", "socks5h://"),
    ],
)
def test_a_reason_has_its_remedy(code: str, reason: str, says: str, make_domain, make_job) -> None:
    """The hint follows the reason."""
    rows = [make_domain("shop.example", ScanStatus.FAILED, error=Failure(code, reason))]
    (hint,) = scan_hints(make_job(rows), rows)
    assert says in hint
    assert "retry later" not in hint


def test_interrupted_work_is_resumed(make_domain, make_job) -> None:
    """What was not finished comes first, with the command to copy and how much is left."""
    rows = [make_domain("a.example", ScanStatus.INTERRUPTED), make_domain("b.example", ScanStatus.PENDING)]
    job = make_job(rows, status=JobStatus.INTERRUPTED)
    assert (
        scan_hints(job, [rows[0]])[0]
        == f"finish the remaining 2 domains with `contentmap resume {job.job_id}`"
    )


def test_a_living_job_is_not_to_be_resumed(make_domain, make_job) -> None:
    """Work that another process is doing right now needs nobody's hand."""
    job = make_job([make_domain(status=ScanStatus.RUNNING)], status=JobStatus.RUNNING, alive=True)
    assert scan_hints(job, []) == []


def test_deferred_is_for_later(make_domain, make_job) -> None:
    """A site that asked to come back is resumed later, not now."""
    rows = [make_domain(status=ScanStatus.DEFERRED)]
    assert scan_hints(make_job(rows), rows) == [
        f"1 domain asked to retry later (Retry-After): run `contentmap resume {make_job().job_id}` then"
    ]
    why = "robots.txt: the server answered 429: retry after 3600 seconds"
    rows = [make_domain(status=ScanStatus.DEFERRED, error=Failure(Code.ROBOTS_UNREACHABLE, why))]
    assert scan_hints(make_job(rows), rows) == [
        f"1 domain asked to retry after 3600 seconds: run `contentmap resume {make_job().job_id}` then"
    ]


def test_partial_shows_its_files(make_domain, make_job) -> None:
    """Which files failed is a command away."""
    rows = [make_domain("part.example", ScanStatus.PARTIAL)]
    assert scan_hints(make_job(rows), rows) == [
        "see the errors of files with `contentmap sitemaps part.example`"
    ]
    rows = [make_domain("drop.example", ScanStatus.PARTIAL, withheld=9, sitemaps_failed=0)]
    assert scan_hints(make_job(rows), rows) == []


def test_one_timeout_is_bad_luck_and_three_are_a_pattern(make_domain, make_job) -> None:
    """Only many timeouts say something about this run."""
    rows = [failed(make_domain, Code.TIMEOUT, f"{n}.example") for n in range(3)]
    ok = make_domain("ok.example")
    assert scan_hints(make_job([*rows[:1], ok]), rows[:1]) == []
    assert "--timeout" in scan_hints(make_job([*rows, ok]), rows)[0]


def test_at_most_four_one_line_each_with_real_commands(make_domain, make_job) -> None:
    """Whatever happened, the answer stays short, and every command in it exists."""
    rows = [failed(make_domain, code, f"{code.value}\x1b.example") for code in Code]
    rows += [make_domain("p.example", ScanStatus.PARTIAL), make_domain("d.example", ScanStatus.DEFERRED)]
    hints = scan_hints(make_job(rows), rows)
    assert len(hints) == 4
    for start in range(len(Code)):
        for hint in scan_hints(make_job(rows[start : start + 2]), rows[start : start + 2]):
            assert hint.isprintable()
            assert set(re.findall(r"contentmap (\w+)", hint)) <= COMMANDS


def test_an_underscore_that_a_wildcard_does_not_cover(make_domain, make_job) -> None:
    """A certificate authority would not help."""
    rows = [failed(make_domain, Code.TLS_CERTIFICATE, "my_shop.example"), make_domain()]
    (hint,) = scan_hints(make_job(rows), rows)
    assert "contains its name, or --insecure" in hint


def test_a_code_that_no_domain_of_the_sample_has_needs_no_hint(make_domain, make_job) -> None:
    """Of very many domains only some are at hand: what cannot be named is not spoken of."""
    rows = [failed(make_domain, Code.DNS_ERROR)]
    counts = {str(Code.DNS_ERROR): 301, str(Code.TLS_CERTIFICATE): 1}
    (hint,) = scan_hints(make_job([*rows, make_domain()]), rows, counts)
    assert hint == "shop.example and 300 others could not be resolved: check the spelling"
