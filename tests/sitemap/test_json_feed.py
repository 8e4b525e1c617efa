"""JSON Feed: items, pages, damage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contentmap_cli.models import DocumentKind
from contentmap_cli.sitemap.feeds import json_feed
from tests.sitemap.conftest import Parse

HOST = "https://site.example"


def feed(*items: Any, version: str = "https://jsonfeed.org/version/1.1", **more: Any) -> str:
    return json.dumps({"version": version, "title": "Notes", "items": list(items), **more})


@pytest.mark.parametrize("version", ["https://jsonfeed.org/version/1", "http://www.jsonfeed.org/version/1.1"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_items(parse: Parse, version: str, encoding: str) -> None:
    text = feed({"id": "1", "url": f"{HOST}/é", "date_published": "2025-04-02T08:00:00Z"}, version=version)
    for content in (text, text.replace("/", "\\/"), f"\n {text}", json.dumps(json.loads(text), indent=2)):
        reading = parse(content.encode(encoding))
        assert reading.outcome.kind is DocumentKind.JSON_FEED
        assert reading.outcome.kind.is_sitemap
        assert reading.outcome.complete
        assert reading.urls == [f"{HOST}/é"]
        assert reading.entries[0].lastmod is not None
        assert reading.entries[0].lastmod.utc == "2025-04-02T08:00:00Z"
        assert not reading.codes


@pytest.mark.parametrize(
    ("item", "url", "losses"),
    [
        ({"url": "/a"}, "/a", 0),
        ({"url": "/a", "external_url": "https://other.example/"}, "/a", 0),
        ({"external_url": f"{HOST}/a"}, "/a", 0),
        ({"url": "", "id": f"{HOST}/a"}, "/a", 0),
        ({"url": 5, "external_url": None, "id": f"{HOST}/a"}, "/a", 0),
        ({"id": "1", "content_text": "a"}, None, 1),
        ({"id": "1", "attachments": [{"url": "/a.mp3"}]}, None, 0),
        ({"url": "{{ base }}/a"}, None, 1),
        ({"url": "mailto:a@site.example"}, None, 0),
        ("a", None, 1),
    ],
)
def test_which_url(parse: Parse, item: Any, url: str | None, losses: int) -> None:
    reading = parse(feed(item))
    assert reading.urls == ([f"{HOST}{url}"] if url else [])
    assert reading.outcome.losses == losses


def test_the_date_of_the_last_change_counts(parse: Parse) -> None:
    reading = parse(feed({"url": "/a", "date_published": "2024-01-01", "date_modified": "2024-02-02"}))
    assert reading.entries[0].lastmod is not None
    assert reading.entries[0].lastmod.text == "2024-02-02"


def test_the_next_page(parse: Parse) -> None:
    assert parse(feed({"url": "/a"}, next_url="/feed?page=2")).outcome.next_url == f"{HOST}/feed?page=2"
    assert parse(feed({"url": "/a"}, next_url=7)).outcome.next_url is None
    assert parse(feed({"url": "/a"})).outcome.next_url is None


@pytest.mark.parametrize("end", [-1, -20])
def test_broken_json_is_a_failure(parse: Parse, end: int) -> None:
    reading = parse(feed({"url": "/a"}, {"url": "/b"})[:end])
    assert (reading.failure, reading.outcome.complete) == ("not_a_sitemap", False)


def test_json_that_is_nested_too_deep_or_too_long(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(feed()[:-1] + ', "x": ' + "[" * 200_000).failure == "not_a_sitemap"
    monkeypatch.setattr(json_feed, "MAX_CHARACTERS", 1000)
    assert parse(feed({"url": "/a", "content_text": "a" * 1000})).failure == "not_a_sitemap"


@pytest.mark.parametrize("content", ['{"version": "1.1", "items": [{"url": "/a"}]}', "{}", '[{"url": "/a"}]'])
def test_other_json_is_no_feed(parse: Parse, content: str) -> None:
    assert parse(content).outcome.kind is DocumentKind.UNKNOWN


def test_a_feed_without_a_list_of_items(parse: Parse) -> None:
    reading = parse('{"version": "https://jsonfeed.org/version/1", "items": {}}')
    assert reading.codes == {"nothing_understood"}
    assert reading.outcome.losses == 1
    assert parse(feed()).outcome.losses == 0


def test_many_items_come_in_batches(parse: Parse) -> None:
    reading = parse(feed(*({"url": f"/{n}"} for n in range(2500))))
    assert len(reading.entries) == 2500
    assert reading.batches == 3
