"""Rules about images, videos and news."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from contentmap_cli.check.dates import AHEAD, DAY_AHEAD
from contentmap_cli.check.languages import LANGUAGES
from contentmap_cli.check.registry import GOOGLE, Family, Notes, rule
from contentmap_cli.check.url_parts import origin_of
from contentmap_cli.models import Attributes, Entry, Severity
from contentmap_cli.models.findings import CheckedFile, CheckedSite, Rule

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_IMAGES = f"{GOOGLE}/sitemaps/image-sitemaps"
_VIDEOS = f"{GOOGLE}/sitemaps/video-sitemaps"
_NEWS = f"{GOOGLE}/sitemaps/news-sitemap"

MAX_NEWS = 1_000
NEWS_AGE = timedelta(days=2)
MAX_VIDEO_SECONDS = 28_800
MAX_DESCRIPTION = 2_048

IMAGE_URL = rule(
    "image-url", _E, "image without an absolute URL",
    "image:loc is the only required element of an image.", f"{_IMAGES}#image-sitemap-tag-definitions",
)  # fmt: skip
IMAGE_RETIRED = rule(
    "image-retired", _I, "retired image tags",
    "caption, title, geo_location and license were retired in 2022: they only make the file larger.",
    _IMAGES,
)  # fmt: skip
IMAGE_HTTP = rule(
    "image-http", _W, "http image of an https page",
    "Browsers load it over https or not at all, so it should be listed as it is loaded.",
    "https://www.w3.org/TR/mixed-content/",
)  # fmt: skip
VIDEO_REQUIRED = rule(
    "video-required", _E, "video without a required field",
    "thumbnail_loc, title, description and one of content_loc and player_loc are required.",
    f"{_VIDEOS}#video-sitemap-tag-definitions",
)  # fmt: skip
VIDEO_VALUE = rule(
    "video-value", _E, "video field out of range",
    "duration is 1 to 28800 seconds, rating 0.0 to 5.0, a description has at most 2,048 characters.",
    f"{_VIDEOS}#video-sitemap-tag-definitions",
)  # fmt: skip
VIDEO_RETIRED = rule(
    "video-retired", _I, "retired video tags",
    "category, gallery_loc, price and tvshow were retired: they only make the file larger.", _VIDEOS,
)  # fmt: skip
NEWS_REQUIRED = rule(
    "news-required", _E, "news entry without a required field",
    "publication name and language, publication_date and title are required.", _NEWS,
)  # fmt: skip
NEWS_LANGUAGE = rule(
    "news-language", _E, "invalid news language",
    "Two or three letters of ISO 639, or zh-cn and zh-tw.", _NEWS,
)  # fmt: skip
NEWS_DATE = rule(
    "news-date", _E, "invalid news publication_date",
    "An article without a valid W3C date-time is not accepted as news.", _NEWS,
)  # fmt: skip
NEWS_FUTURE = rule(
    "news-future", _E, "news publication_date in the future",
    "The date is that of the first publication; an article with a later one is not accepted.", _NEWS,
)  # fmt: skip
NEWS_OLD = rule(
    "news-old", _W, "news entry older than two days",
    "A news sitemap should only have articles of the last two days.", _NEWS,
)  # fmt: skip
NEWS_COUNT = rule(
    "news-count", _E, "more than 1,000 news entries in a file",
    "The rest is not read: split the file.", _NEWS,
)  # fmt: skip
NEWS_RETIRED = rule(
    "news-retired", _I, "retired news tags",
    "access, genres, geo_locations, keywords and stock_tickers only make the file larger.", _NEWS,
)  # fmt: skip

_IMAGE_RETIRED = ("caption", "title", "geo_location", "license")
_VIDEO_REQUIRED = ("thumbnail_loc", "title", "description")
_VIDEO_RETIRED = ("category", "gallery_loc", "price", "tvshow")
_NEWS_REQUIRED = ("publication_name", "language", "publication_date", "title")
_NEWS_RETIRED = ("access", "genres", "geo_locations", "keywords", "stock_tickers")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_DATE = re.compile(
    r"([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))"
    r"(?:T([01][0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9](?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?"
)


class Media(Family):
    """Checks each image, video and news item."""

    entry_rules: ClassVar[tuple[Rule, ...]] = (
        *(IMAGE_URL, IMAGE_HTTP, IMAGE_RETIRED, VIDEO_REQUIRED, VIDEO_VALUE, VIDEO_RETIRED),
        *(NEWS_REQUIRED, NEWS_LANGUAGE, NEWS_DATE, NEWS_FUTURE, NEWS_OLD, NEWS_COUNT, NEWS_RETIRED),
    )

    def __init__(self, site: CheckedSite, notes: Notes) -> None:
        super().__init__(site, notes)
        self._news = 0
        self._oldest = ""
        self._now = site.now

    def start(self, file: CheckedFile) -> None:
        """Begin a file. News are compared with the time at which it was read."""
        self._news = 0
        now = (file.read_at or self.site.now).astimezone(UTC)
        self._oldest = f"{now - NEWS_AGE:%Y-%m-%d}"
        self._now = now

    def entries(self, file: CheckedFile, entries: Sequence[Entry]) -> None:
        """Check the images, videos and news of each entry."""
        for entry in entries:
            for image in entry.images:
                self._image(file, entry.url, image)
            for video in entry.videos:
                self._video(file, entry.url, video)
            for item in entry.news:
                self._item(file, entry.url, item)

    def end(self, file: CheckedFile) -> None:
        """Check the number of news entries."""
        if self._news > MAX_NEWS:
            self.notes.add(NEWS_COUNT, file, f"{self._news:,} news entries")

    def _image(self, file: CheckedFile, url: str, image: Attributes) -> None:
        loc = image.get("loc")
        if (origin := origin_of(loc)) is None:
            self.notes.add(IMAGE_URL, file, url=url, value=loc)
        elif origin.scheme == "http" and url.startswith("https:"):
            self.notes.add(IMAGE_HTTP, file, url=url, value=loc)
        self._retired(IMAGE_RETIRED, file, url, image, _IMAGE_RETIRED)

    def _video(self, file: CheckedFile, url: str, video: Attributes) -> None:
        missing = [name for name in _VIDEO_REQUIRED if not video.get(name)]
        if not (video.get("content_loc") or video.get("player_loc")):
            missing.append("content_loc or player_loc")
        if missing:
            self.notes.add(VIDEO_REQUIRED, file, url=url, value=", ".join(missing))
        bad = [
            f"{name} {value[:40]}"
            for name, least, most in (("duration", 1, MAX_VIDEO_SECONDS), ("rating", 0, 5))
            if (value := video.get(name)) and not (_NUMBER.fullmatch(value) and least <= float(value) <= most)
        ]
        if len(video.get("description", "")) > MAX_DESCRIPTION:
            bad.append("description")
        if bad:
            self.notes.add(VIDEO_VALUE, file, url=url, value=", ".join(bad))
        self._retired(VIDEO_RETIRED, file, url, video, _VIDEO_RETIRED)

    def _item(self, file: CheckedFile, url: str, item: Attributes) -> None:
        self._news += 1
        missing = [name for name in _NEWS_REQUIRED if not item.get(name)]
        if missing:
            self.notes.add(NEWS_REQUIRED, file, url=url, value=", ".join(missing))
        language = item.get("language", "").lower()
        known = language in LANGUAGES or (len(language) == 3 and language.isalpha())
        if language and not known and language not in ("zh-cn", "zh-tw"):
            self.notes.add(NEWS_LANGUAGE, file, url=url, value=language)
        date = item.get("publication_date", "")
        match = _DATE.fullmatch(date)
        if date and match is None:
            self.notes.add(NEWS_DATE, file, url=url, value=date)
        elif match is not None and match[1] < self._oldest:  # by days, whatever the time zone
            self.notes.add(NEWS_OLD, file, url=url, value=date)
        elif match is not None and _is_after(date, self._now):
            self.notes.add(NEWS_FUTURE, file, url=url, value=date)
        self._retired(NEWS_RETIRED, file, url, item, _NEWS_RETIRED)

    def _retired(
        self, broken: Rule, file: CheckedFile, url: str, item: Attributes, names: Sequence[str]
    ) -> None:
        used = [name for name in names if any(key == name or key.startswith(f"{name}_") for key in item)]
        if used:
            self.notes.add(broken, file, url=url, value=", ".join(used))


def _is_after(date: str, now: datetime) -> bool:
    """Return whether a W3C date-time is in the future, a date alone in every time zone."""
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:  # a zone that does not exist
        return False
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC) > now + DAY_AHEAD
    return moment > now + AHEAD
