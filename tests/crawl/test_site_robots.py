"""What the robots.txt files of a site say to several crawlers."""

from __future__ import annotations

import pytest

from contentmap_cli.crawl.robots_verdict import SiteRobots, decide, read_robots_body

ROBOTS = b"""\
User-agent: *
Disallow: /all/

User-agent: Googlebot
User-agent: bingbot/2.0
Disallow: /engines/

User-agent: googlebot-news
Disallow: /news/
Allow: /news/open

User-agent: Applebot
Disallow:

User-agent: Googlebot
Disallow: /later/
"""
SITE = "https://a.test"


@pytest.mark.parametrize(
    ("agent", "group", "disallowed"),
    [
        ("*", "*", "/all/"),
        ("OtherBot", "*", "/all/"),
        ("googlebot", "Googlebot", "/engines/ /later/"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", "/engines/"),
        ("Googlebot-News", "googlebot-news", "/news/"),
        ("Googlebot-Image", "Googlebot", "/engines/ /later/"),
        ("GoogleOther", "*", "/all/"),
        ("AdsBot-Google", None, ""),
        ("Applebot", "Applebot", ""),
    ],
)
def test_the_group_of_each_crawler(agent: str, group: str | None, disallowed: str) -> None:
    """Its own groups, or those of the crawler that its operator names, or that for all: never two."""
    text = read_robots_body(ROBOTS, f"{SITE}/robots.txt")
    site = SiteRobots({SITE: text}, [agent])
    for path in ("/all/", "/engines/", "/later/", "/news/", "/news/open"):
        allowed = path not in disallowed.split()
        assert site.allows(agent, SITE + path) is allowed, path
        verdict = decide(text, SITE + path, agent)
        assert (verdict.allowed, verdict.group) == (allowed, group), path


def test_crawlers_of_one_group_share_a_line() -> None:
    """Each line is named once, with its number; other origins are unknown, and nothing is refused there."""
    texts = {
        SITE: read_robots_body(ROBOTS, f"{SITE}/robots.txt"),
        "https://www.a.test": read_robots_body(
            b"User-agent: *\nDisallow: /", "https://www.a.test/robots.txt"
        ),
        "http://a.test": None,
    }
    site = SiteRobots(texts, ["*", "GPTBot", "Googlebot", "Bingbot"])

    def said(url: str) -> list[tuple[object, ...]]:
        return [(each.agents, each.group, each.line, each.rule) for each in site.refusals(url)]

    assert said(f"{SITE}/all/x") == [(("*", "GPTBot"), "*", 2, "Disallow: /all/")]
    assert said(f"{SITE}:443/engines/x") == [
        (("Googlebot",), "Googlebot", 6, "Disallow: /engines/"),
        (("Bingbot",), "bingbot", 6, "Disallow: /engines/"),
    ]
    assert said("https://www.a.test") == [(("*", "GPTBot", "Googlebot", "Bingbot"), "*", 2, "Disallow: /")]
    for url in ("http://a.test/all/x", "https://b.test/all/x", f"{SITE}:8443/all/x", "mailto:x"):
        assert said(url) == []
