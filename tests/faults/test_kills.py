"""`kill -9` at every named point of a run, and at moments drawn by lot. Then `status`, then `resume`."""

from __future__ import annotations

from typing import Any

import pytest
from trial import Trial

ON_BOTH = {"domain.fenced", "COMMIT", "job.finished"}
"""Points whose kill leaves something else on each database; the campaign tries all points on both."""
POINTS = [
    ("domains.claimed", 1),  # the first claim, not committed
    ("brief:transaction.committed", 2),  # committed, nothing crawled
    ("domain.crawl_complete", 3),
    ("work:transaction.first_statement", 2),
    ("domain.fenced", 3),
    ("entries.saved", 2),
    ("domain.recorded", 4),
    ("COMMIT", 7),
    ("work:transaction.committed", 1),
    ("work:transaction.committed", 5),
    ("recovery:domain.recorded", 1),
    ("recovery:transaction.committed", 1),
    ("job.finished", 1),  # all is recorded, the job is not closed
]


def _cases() -> list[Any]:
    """Every point on SQLite, some on PostgreSQL, the others there in the campaign."""
    cases = [pytest.param("sqlite", point, nth) for point, nth in POINTS]
    for point, nth in POINTS:
        marks = () if point in ON_BOTH else pytest.mark.campaign
        cases.append(pytest.param("postgresql", point, nth, marks=marks))
    return cases


@pytest.mark.parametrize(("address", "point", "nth"), _cases(), indirect=["address"])
def test_killed_at_a_named_point(trial: Trial, point: str, nth: int) -> None:
    """Whatever was not committed is not there, whatever was is whole, and `resume` does exactly the rest."""
    said = trial.scan(fault={"point": point, "nth": nth, "do": "kill"})
    assert said.code == -9, (said.code, said.err)
    left = trial.check().unfinished()
    asked = len(trial.sites.asked)
    trial.check_resumed()
    assert {key.partition("/")[0].removeprefix("www.") for key in trial.sites.asked[asked:]} == left
