"""Dates of sitemaps and feeds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contentmap_cli.models import Lastmod
from contentmap_cli.sitemap import parse_lastmod

UNDERSTOOD = {
    # the W3C note
    "2019": ("2019-01-01T00:00:00Z", "year"),
    "2019-07": ("2019-07-01T00:00:00Z", "month"),
    "2019-07-30": ("2019-07-30T00:00:00Z", "day"),
    "2019-07-31": ("2019-07-31T00:00:00Z", "day"),
    "2024-02-29": ("2024-02-29T00:00:00Z", "day"),
    "2019-07-30T18:05Z": ("2019-07-30T18:05:00Z", "minute"),
    "2019-07-30T18:05+05:30": ("2019-07-30T12:35:00Z", "minute"),
    "2019-07-30T18:05:09Z": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30T18:05:09+00:00": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30T23:05:09-08:00": ("2019-07-31T07:05:09Z", "second"),
    "2019-12-31T23:30:00-01:00": ("2020-01-01T00:30:00Z", "second"),
    "2019-07-30T18:05:09.123456+01:00": ("2019-07-30T17:05:09Z", "fraction"),
    # its sloppy relatives
    " \n2019-07-30\t": ("2019-07-30T00:00:00Z", "day"),
    "2019-7-3": ("2019-07-03T00:00:00Z", "day"),
    "2019/07/30": ("2019-07-30T00:00:00Z", "day"),
    "2019-07-30 18:05:09": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30T18:05:09": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30t18:05:09z": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30 18:05:09 UTC": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30T18:05:09+0530": ("2019-07-30T12:35:09Z", "second"),
    "2019-07-30T18:05:09+02": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-30T24:00:00Z": ("2019-07-31T00:00:00Z", "second"),
    "2016-12-31T23:59:60Z": ("2016-12-31T23:59:59Z", "second"),
    "20190730": ("2019-07-30T00:00:00Z", "day"),
    "20190730T180509Z": ("2019-07-30T18:05:09Z", "second"),
    # RFC 822 and what became of it
    "Tue, 30 Jul 2019 18:05:09 GMT": ("2019-07-30T18:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 +0200": ("2019-07-30T16:05:09Z", "second"),
    "30 Jul 19 18:05 EST": ("2019-07-30T23:05:00Z", "minute"),
    "30 Jul 98 18:05:09 GMT": ("1998-07-30T18:05:09Z", "second"),
    "Tuesday, 30-July-2019": ("2019-07-30T00:00:00Z", "day"),
    "Tue, 3 Sept 2019 08:05:09 GMT": ("2019-09-03T08:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 XYZ": ("2019-07-30T18:05:09Z", "second"),  # RFC 5322 section 4.3
    "Tue, 30 Jul 2019 18:05:09 A": ("2019-07-30T18:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 BST": ("2019-07-30T17:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 JST": ("2019-07-30T09:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 AEST": ("2019-07-30T08:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 CEST": ("2019-07-30T16:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 UT": ("2019-07-30T18:05:09Z", "second"),
    "Tue,30 Jul 2019 18:05:09 +0800": ("2019-07-30T10:05:09Z", "second"),
    "Tue, 30Jul2019 18:05:09+0800": ("2019-07-30T10:05:09Z", "second"),
    "Tue, 30 Jul 2019 06:05:09 PM": ("2019-07-30T18:05:09Z", "second"),
    "Tue, 30 Jul 2019 18:05:09 +0200 (CEST)": ("2019-07-30T16:05:09Z", "second"),
    # a day with a zone, as the schema allows
    "2019-07-30Z": ("2019-07-30T00:00:00Z", "day"),
    "2019-07-30+01:00": ("2019-07-30T00:00:00Z", "day"),
    "2019-07-30-14:00": ("2019-07-30T00:00:00Z", "day"),
    # what programs print
    "Tue Jul 30 2019 18:05:09 GMT+0200 (Central European Summer Time)": ("2019-07-30T16:05:09Z", "second"),
    "Tue Jul 30 2019 18:05:09 GMT-0330 (GMT-03:30)": ("2019-07-30T21:35:09Z", "second"),
    "Tue Jul 30 2019": ("2019-07-30T00:00:00Z", "day"),
    "Tue Jul 30 18:05:09 CEST 2019": ("2019-07-30T16:05:09Z", "second"),
    "Tue Jul 30 18:05:09 UTC 2019": ("2019-07-30T18:05:09Z", "second"),
    "Tue Jul  3 18:05:09 2019": ("2019-07-03T18:05:09Z", "second"),
    "Tue 30 Jul 18:05:09 BST 2019": ("2019-07-30T17:05:09Z", "second"),
    "Tue 30 Jul 2019 06:05:09 PM CEST": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-30 18:05:09 +0200": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-30 18:05:09 +0000 UTC": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30 18:05:09.999999999 +0200 CEST m=+0.012": ("2019-07-30T16:05:09Z", "fraction"),
    "2019-07-30 18:05:09.5 -0300 -03": ("2019-07-30T21:05:09Z", "fraction"),
    "2019-07-30 18:05:09+01": ("2019-07-30T17:05:09Z", "second"),
    "2019-07-30 18:05:09.123": ("2019-07-30T18:05:09Z", "fraction"),
    "2019-07-30T18:05:09+02:00[Europe/Paris]": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-30 18:05:09 GMT+2": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-30 18:05:09 CEST": ("2019-07-30T16:05:09Z", "second"),
    "2019-07-3018:05:09": ("2019-07-30T18:05:09Z", "second"),
    "2019-07-30 06:05:09 PM": ("2019-07-30T18:05:09Z", "second"),
    "20190730180509": ("2019-07-30T18:05:09Z", "second"),
    "July 30, 2019": ("2019-07-30T00:00:00Z", "day"),
    "Jul 30, 2019 12:05:09 AM": ("2019-07-30T00:05:09Z", "second"),
    "July 30, 2019, 6:05 p.m.": ("2019-07-30T18:05:00Z", "minute"),
    # the ends of time
    "0001-01-01": ("0001-01-01T00:00:00Z", "day"),
    "9999-12-31T23:59:59Z": ("9999-12-31T23:59:59Z", "second"),
}
NOT_UNDERSTOOD = [
    "",
    "soon",
    "2019-13-01",
    "2019-02-30",
    "2023-02-29",
    "0000-01-01",
    "2019-07-30T25:00:00Z",
    "2019-07-30T18:60:00Z",
    "2019-07-30T118:05:09Z",
    "2019-07-30T24:00:01Z",
    "2019-07-30T18:05:09+99:00",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "03/04/2019",  # March or April?
    "1564509909",
    "20191",
    "２０１９-07-30",
    "Tue, 30 Juli 2019 18:05:09 GMT",
    "04.03.2019",
    "3/4/19",
    "Tue, 30 Jul 2019 18:05:09 PM",
    "Tue, 30 Jul 2019 00:05:09 PM",
    "2019-07-30 18:05:09 IST",  # India, Israel or Ireland?
    "2019-07-30 18:05:09 PM",
    "Tue Jul 30 18:05:09 XYZZYX 2019",
    "2019-07-30+15:00",
    "2019-02-30Z",
    "2019-7-318:05:09",
    "July 2019 30",
    "{{ page.date }}",
    "2019-07-30T18:05:09Z2019-07-30T18:05:09Z",
]


@pytest.mark.parametrize(("text", "expected"), UNDERSTOOD.items())
def test_understood(text: str, expected: tuple[str, str]) -> None:
    """Every usual form is parsed into UTC, precision, and the text as published."""
    assert parse_lastmod(text) == Lastmod(*expected, text.strip())


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_never_guessed(text: str) -> None:
    """Ambiguous, impossible and invalid dates are kept as text."""
    assert parse_lastmod(text) == Lastmod(None, None, text)


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    """No text raises, and the kept text is short."""
    lastmod = parse_lastmod(text)
    assert len(lastmod.text) <= 100
    assert (lastmod.utc is None) == (lastmod.precision is None)


@given(st.datetimes(timezones=st.timezones()))
def test_isoformat_is_understood(moment: object) -> None:
    """Python's isoformat is parsed, or refused if the conversion to UTC leaves the calendar."""
    from datetime import UTC, datetime

    assert isinstance(moment, datetime)
    offset = moment.utcoffset()
    assert offset is not None
    if offset.total_seconds() % 60:  # local mean time of long ago: not a W3C offset
        return
    try:
        expected = moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    except OverflowError:
        expected = None
    assert parse_lastmod(moment.isoformat()).utc == expected


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("2019-07-30Z", set()),
        ("2019-07-30 18:05:09", set()),
        ("2019-07-30 18:05:09 UTC", set()),
        ("Tue Jul 30 2019 18:05:09 GMT+0200 (CEST)", {"lastmod_format"}),
        ("Tue, 30 Jul 2019 18:05:09 GMT", {"lastmod_format"}),
        ("2019-07-30 18:05:09 +0000 UTC m=+0.01", {"lastmod_format"}),
        ("03/04/2019", {"invalid_lastmod"}),
    ],
)
def test_a_form_of_some_program_is_a_problem(parse: Any, urlset: Any, text: str, codes: set[str]) -> None:
    """It is parsed, and reported as not conforming, in plain documents and in others."""
    for more in ("", "<x/>"):
        entries = [
            f"<url><loc>https://site.example/{n}</loc><lastmod>{text}</lastmod>{more}</url>" for n in "ab"
        ]
        reading = parse(urlset(*entries))
        assert reading.codes == codes
        assert sum(problem.count for problem in reading.outcome.problems) == 2 * len(codes)
        assert reading.entries[0].lastmod == parse_lastmod(text)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Tue, 12 Aug 2025 12:00:00 BST", set()),
        ("Mon,11 Aug 2025 12:00:00 +0800", set()),
        ("2025-08-12", set()),
        ("Tue Aug 12 12:00:00 CEST 2025", {"lastmod_format"}),
    ],
)
def test_dates_of_rfc_822_are_those_of_feeds(parse: Any, text: str, codes: set[str]) -> None:
    """They are standard in RSS."""
    item = f"<item><link>https://site.example/a</link><pubDate>{text}</pubDate></item>"
    assert parse(f"<rss><channel>{item}</channel></rss>").codes == codes
