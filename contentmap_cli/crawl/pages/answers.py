"""Classify answers by state before they are parsed: whole, absent, refused, unreachable or elsewhere."""

from __future__ import annotations

import re
from typing import NamedTuple

from contentmap_cli.crawl.http.responses import FetchedFile, decoded
from contentmap_cli.crawl.pages.refusals import REFUSED, PageKind, is_login_url, page_kind, refusal
from contentmap_cli.errors import Code, Failure
from contentmap_cli.models.evidence import SourceState
from contentmap_cli.models.hosts import is_related, origin_of

PAGE_BYTES = 64 * 1024
"""Bytes of a page that are read."""

HEAD_BYTES = 4096
"""Bytes of a body that show whether it is a page."""

_STATUS = re.compile(r"http_(\d{3})")
_KINDS = {
    PageKind.CHALLENGE: "a challenge page",
    PageKind.LOGIN: "a login page",
    PageKind.CONSENT: "a consent page",
    PageKind.PARKED: "the page of a parked or suspended domain",
    PageKind.MAINTENANCE: "a maintenance page",
    PageKind.DEFAULT_PAGE: "the default page of a web server",
}
_ACCESS_PAGES = (PageKind.LOGIN, PageKind.CONSENT, PageKind.CHALLENGE)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^>]{0,2000}-->\s*)?"
    rb"<(?:!doctype\s+html|html|head|body|meta|title|script|style)\b",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """How a source answered. `failure` is None if it was read; `page` is the kind of a page that is not the
    site's own."""

    state: SourceState
    failure: Failure | None = None
    page: PageKind | None = None


def answer_of(fetched: FetchedFile, domain: str, name: str, *, html: bool) -> Answer:
    """Classify an answer before its body is parsed.

    `domain` is that of the target, `name` the name of the source in messages, `html` the result of `is_html`.
    A body that is no page of a known kind is `whole`; its parser decides.
    """
    page = _page(fetched) if html else None
    if fetched.status is not None and not is_related(fetched.final_url, domain):
        if is_login_url(fetched.final_url):
            page = PageKind.LOGIN
        if page in _ACCESS_PAGES:
            wall = f"{name} redirects to {_KINDS[page]} at {origin_of(fetched.final_url)}"
            return Answer(SourceState.REFUSED, Failure(Code.BLOCKED, wall), page)
        moved = f"{name} redirects to {origin_of(fetched.final_url)}"
        return Answer(SourceState.ELSEWHERE, Failure(Code.MOVED, moved))
    if fetched.not_modified:
        return Answer(SourceState.WHOLE)
    if fetched.failure is not None and fetched.body is None:
        return _failed(fetched, fetched.failure, page, name)
    if fetched.redirects and page is None and html and is_login_url(fetched.final_url):
        page = PageKind.LOGIN
    if page is None or page is PageKind.DEFAULT_PAGE:
        return Answer(SourceState.WHOLE, page=page)
    what = _KINDS[page]
    if page is PageKind.MAINTENANCE:
        failure = Failure(Code.MAINTENANCE, f"{name} is {what}")
        return Answer(SourceState.UNREACHABLE, failure, page)
    code = Code.PARKED if page is PageKind.PARKED else Code.BLOCKED
    return Answer(SourceState.REFUSED, Failure(code, f"{name} is {what}"), page)


def _failed(fetched: FetchedFile, failure: Failure, page: PageKind | None, name: str) -> Answer:
    if refusal(fetched.status, page) and fetched.status is not None and fetched.retry_after is None:
        # a plain page with status 403 resembles a challenge
        what = f" with {_KINDS[page]}" if page is not None and fetched.status not in REFUSED else ""
        message = f"{name} answered {fetched.status}{what}{fetched.remark}"
        return Answer(SourceState.REFUSED, Failure(Code.BLOCKED, message), page)
    if fetched.retry_after is not None:
        return Answer(SourceState.UNREACHABLE, Failure(failure.code, f"{name}: {failure.message}"))
    return Answer(state_of(failure), Failure(failure.code, f"{name}: {failure.message}"))


def state_of(failure: Failure) -> SourceState:
    """Return the state of a source with this failure."""
    status = _STATUS.fullmatch(failure.code)
    if failure.code == Code.DISALLOWED:
        return SourceState.DISALLOWED
    if status is None:
        return SourceState.REFUSED if failure.code in (Code.BLOCKED, Code.PARKED) else SourceState.UNREACHABLE
    number = int(status[1])
    if number in (404, 410):
        return SourceState.ABSENT
    return (
        SourceState.REFUSED if 400 <= number < 500 and number not in (408, 425) else SourceState.UNREACHABLE
    )


def _page(fetched: FetchedFile) -> PageKind | None:
    """Return the kind of an HTML body, or of the sample of a refusal."""
    if fetched.body is None:
        return page_kind(fetched.sample, fetched.headers)
    data = decoded(fetched.body, PAGE_BYTES)
    fetched.body.seek(0)
    return page_kind(data, fetched.headers)


def is_html(fetched: FetchedFile) -> bool:
    """Return whether a body, or the sample of a refusal, begins like an HTML page."""
    if fetched.body is None:
        return _HTML.match(fetched.sample) is not None
    head = decoded(fetched.body, HEAD_BYTES)
    fetched.body.seek(0)
    return _HTML.match(head) is not None
