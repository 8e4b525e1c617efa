"""`kill -9` at every named point of a run, and at moments drawn by lot. Then `status`, then `resume`."""

from __future__ import annotations

import pytest
from trial import Trial

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


@pytest.mark.parametrize(("point", "nth"), POINTS)
def test_killed_at_a_named_point(trial: Trial, point: str, nth: int) -> None:
    """Whatever was not committed is not there, whatever was is whole, and `resume` does exactly the rest."""
    said = trial.scan(fault={"point": point, "nth": nth, "do": "kill"})
    assert said.code == -9, (said.code, said.err)
    left = trial.check().unfinished()
    asked = len(trial.sites.asked)
    trial.check_resumed()
    assert {key.partition("/")[0].removeprefix("www.") for key in trial.sites.asked[asked:]} == left
