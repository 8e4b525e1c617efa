"""Page facts as text and back."""

from __future__ import annotations

from datetime import UTC, datetime

from contentmap_cli.errors import Failure
from contentmap_cli.models.pages import PageFacts, PageHead, PageState, PageText
from contentmap_cli.models.pages.json import facts_from_json, facts_to_json

NOW = datetime(2026, 1, 31, 12, 30, 5, 250_000, tzinfo=UTC)


def test_facts_come_back_as_they_were() -> None:
    """Every field, also with characters that databases refuse."""
    small = PageFacts("https://example.com/", PageState.THROTTLED, NOW)
    large = PageFacts(
        "https://example.com/ä",
        PageState.UNREACHABLE,
        NOW,
        listed=False,
        probe=True,
        status=404,
        failure=Failure("timeout", "no answer"),
        location="https://example.com/b",
        content_type="text/html",
        size=5,
        etag='W/"x"',
        last_modified="Sat, 31 Jan 2026 12:00:00 GMT",
        date="Sat, 31 Jan 2026 12:00:01 GMT",
        first_byte_ms=12,
        robots_tags=("noindex", "bot: none"),
        links=("</a>; rel=canonical",),
        head=PageHead(
            "T\0\udcff", (("robots", "none"),), ("c",), (("de", "d"),), (("s", "2026"),), (0.0, "r")
        ),
        text=PageText(3, (1, 4_294_967_295), ("empty",)),
        validated_at=NOW,
    )
    for facts in (small, large):
        text = facts_to_json(facts)
        assert facts_from_json(text) == facts
        assert text.isascii()
        assert "\0" not in text
    assert len(facts_to_json(small)) < 120
    assert facts_from_json(facts_to_json(small).replace('"v":1', '"v":0')) is None
