"""The lines of robots.txt: repairs, refusals and their problems."""

from __future__ import annotations

import json

import pytest

from contentmap_cli.sitemap.problems import Problems
from contentmap_cli.sitemap.robots.lines import RobotsText, read_robots, wrapped_in_html

SITE = "https://site.example"
SOUND = f"User-agent: *\nDisallow: /private/\nAllow: /private/open\n\nSitemap: {SITE}/maps/all.xml\n"
RULES = [("user-agent", "*"), ("disallow", "/private/"), ("allow", "/private/open")]


def read(text: str, base: str | None = f"{SITE}/robots.txt", *, html: bool = False) -> RobotsText:
    """Parse a text."""
    return read_robots(text, Problems(), base=base, url_length=2048, html=html)


def codes(text: str, base: str | None = f"{SITE}/robots.txt") -> list[str]:
    """Return the codes of a text's problems, in order."""
    problems = Problems()
    read_robots(text, problems, base=base, url_length=2048)
    return [problem.code for problem in problems.listed]


def urls(text: str, base: str | None = f"{SITE}/robots.txt") -> list[str]:
    """Return the sitemaps of a text."""
    return [sitemap.url for sitemap in read(text, base).sitemaps]


def test_a_sound_file() -> None:
    """Every line has its number, and there are no problems."""
    robots = read(SOUND)
    assert [(line.number, line.key, line.value) for line in robots.lines] == [
        (1, "user-agent", "*"),
        (2, "disallow", "/private/"),
        (3, "allow", "/private/open"),
    ]
    assert [(sitemap.number, sitemap.url, sitemap.repaired) for sitemap in robots.sitemaps] == [
        (5, f"{SITE}/maps/all.xml", False)
    ]
    assert (robots.losses, robots.understood, codes(SOUND)) == (0, True, [])


@pytest.mark.parametrize(
    "end",
    [
        *(r"\n", r"\r\n", r"\r", r"\\n", "<br>", "<br/>", "<BR />", "<br>\n", "\\n\n", "\\r\\n\r\n"),
        *(" ", "   ", "\t", "%0A", "%0D%0A", "&#10;", "&#13;&#10;", "/n"),
    ],
)
def test_lost_line_ends(end: str) -> None:
    """Line ends that are escaped, encoded or replaced by spaces are restored and reported."""
    robots = read(SOUND.replace("\n", end))
    assert [(line.key, line.value) for line in robots.lines][:2] == RULES[:2]
    assert [sitemap.url.partition("%0")[0].partition("/n")[0] for sitemap in robots.sitemaps] == [
        f"{SITE}/maps/all.xml"
    ]
    assert "line_ends_lost" in codes(SOUND.replace("\n", end))


def test_no_line_ends_at_all() -> None:
    """Keys in the usual spelling begin a line."""
    robots = read(SOUND.replace("\n", ""))
    assert [(line.key, line.value) for line in robots.lines] == RULES
    assert [sitemap.url for sitemap in robots.sitemaps] == [f"{SITE}/maps/all.xml"]


@pytest.mark.parametrize("quote", [json.dumps, repr])
def test_a_string_of_a_program(quote: object) -> None:
    """robots.txt as a JSON or Python string."""
    assert callable(quote)
    robots = read(quote(f"# rules\n{SOUND}"))
    assert [(line.key, line.value) for line in robots.lines] == RULES
    assert [sitemap.url for sitemap in robots.sitemaps] == [f"{SITE}/maps/all.xml"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (r"Disallow: /folder\name", r"/folder\name"),
        (r"Disallow: /a\nb", r"/a\nb"),
        ("Disallow: /*%0A", "/*%0A"),
        ("Disallow: /a%0Ab:c", "/a%0Ab:c"),
        ("Disallow: /netzwerk/nSeiten: x", "/netzwerk/nSeiten: x"),
        ("Disallow: /DisallowedThings:", "/DisallowedThings:"),
        ("Disallow: /wiki/Allow:x", "/wiki/Allow:x"),
        ("Disallow: /a # Allow: /", "/a"),
    ],
)
def test_nothing_is_invented(line: str, value: str) -> None:
    """A possible part of a path is not split."""
    assert [each.value for each in read(f"User-agent: *\n{line}\n").lines] == ["*", value]


def test_a_comment_stays_a_comment() -> None:
    """Text in a comment is not a rule, unless the whole file is one physical line."""
    text = (
        "# write \\nDisallow: / to close all\n# or User-agent: * Disallow: /\nUser-agent: *\nDisallow: /a\n"
    )
    assert [line.value for line in read(text).lines] == ["*", "/a"]
    assert [line.value for line in read("# rules\\nUser-agent: *\\nDisallow: /b").lines] == ["*", "/b"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Sitemap: {}/a.xml {}/b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: {}/a.xml, {}/b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: {}/a.xml,{}/b.xml;{}/c.xml", ["a.xml", "b.xml", "c.xml"]),
        ("Sitemap: {}/a.xml | {}/b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: {}/a.xml{}/b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: {}/a.xml {}/a.xml {}/b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: /a.xml /b.xml", ["a.xml", "b.xml"]),
        ("Sitemap: {}/a.xml\n         {}/b.xml", ["a.xml", "b.xml"]),
    ],
)
def test_several_urls_on_a_line(line: str, names: list[str]) -> None:
    """All of them are read, and the line is reported."""
    text = line.replace("{}", SITE)
    assert urls(text) == [f"{SITE}/{name}" for name in names]
    assert "several_urls" in codes(text)


@pytest.mark.parametrize(
    "value",
    [
        *('"{}/a.xml"', "<{}/a.xml>", "{}/a.xml,", "{}/a.xml (the main one)", "{}/a.xml # all"),
        *('<a href="{}/a.xml">{}/a.xml</a>', "[{}/a.xml]({}/a.xml)"),
    ],
)
def test_one_url_and_what_surrounds_it(value: str) -> None:
    """Quotes, brackets, remarks and links around the URL are removed."""
    assert urls(f"Sitemap: {value.replace('{}', SITE)}\n") == [f"{SITE}/a.xml"]


def test_a_url_with_a_space() -> None:
    """The value is the rest of the line."""
    assert urls(f"Sitemap: {SITE}/site map.xml\n") == [f"{SITE}/site map.xml"]


def test_a_url_on_the_line_below() -> None:
    """A Sitemap line without a value, then the URL; without the URL it is reported as lost."""
    assert urls(f"Sitemap:\n  {SITE}/a.xml\nUser-agent: *\n") == [f"{SITE}/a.xml"]
    assert codes(f"Sitemap:\n  {SITE}/a.xml\n") == []
    assert (read("Sitemap:\nUser-agent: *\n").losses, codes("Sitemap:\n")) == (1, ["missing_url"])
    assert urls(f"User-agent: *\n{SITE}/a.xml\n") == []


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https:/site.example/a.xml", f"{SITE}/a.xml"),
        ("http:/site.example/a.xml", "http://site.example/a.xml"),
        ("https:site.example/a.xml", f"{SITE}/a.xml"),
        ("https:///site.example/a.xml", f"{SITE}/a.xml"),
        (r"https:\\site.example\a.xml", f"{SITE}/a.xml"),
        ("https//site.example/a.xml", f"{SITE}/a.xml"),
        ("https//:site.example/a.xml", f"{SITE}/a.xml"),
        ("https;//site.example/a.xml", f"{SITE}/a.xml"),
        ("http://https://site.example/a.xml", f"{SITE}/a.xml"),
        ("https://https:/site.example/a.xml", f"{SITE}/a.xml"),
        ("https:/cdn.other.example/maps/a.xml", "https://cdn.other.example/maps/a.xml"),
    ],
)
def test_a_scheme_with_the_wrong_slashes(value: str, url: str) -> None:
    """Read as the URL Standard reads it, and reported."""
    assert urls(f"Sitemap: {value}\n") == [url]
    assert codes(f"Sitemap: {value}\n") == ["url_repaired"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("/a.xml", "relative_url"),
        ("a.xml", "relative_url"),
        ("//site.example/a.xml", "relative_url"),
        ("https:/a.xml", "relative_url"),
        ("site.example/a.xml", "scheme_added"),
        ("user:secret@site.example/a.xml", "rejected_url"),
        ("https://user:secret@site.example/a.xml", "credentials_removed"),
    ],
)
def test_a_url_that_is_not_absolute(value: str, code: str) -> None:
    """Resolved against robots.txt, and reported."""
    assert codes(f"Sitemap: {value}\n") == [code]
    assert urls(f"Sitemap: {value}\n") == ([] if code == "rejected_url" else [f"{SITE}/a.xml"])


@pytest.mark.parametrize(
    "value",
    [
        *(
            "{{ site.url }}/sitemap.xml",
            "${BASE_URL}/sitemap.xml",
            "<?= $url ?>/sitemap.xml",
            "<%= url %>/s.xml",
        ),
        *("{base}/sitemap.xml", "%SITE_URL%/sitemap.xml", "https://{host}/sitemap.xml", "__BASE_URL__/s.xml"),
        *(
            "http://localhost/sitemap.xml",
            "http://localhost:8000/sitemap.xml",
            "https://127.0.0.1/sitemap.xml",
        ),
        *(
            "http://shop.localhost/sitemap.xml",
            "ftp://site.example/sitemap.xml",
            "file:///var/www/sitemap.xml",
        ),
        *("https://", "http://[/sitemap.xml"),
    ],
)
def test_values_that_are_refused(value: str) -> None:
    """They are losses: the intended URL is unknown."""
    text = f"User-agent: *\nSitemap: {value}\nSitemap: {SITE}/b.xml\n"
    assert urls(text) == [f"{SITE}/b.xml"]
    assert (read(text).losses, codes(text)) == (1, ["rejected_url"])


def test_a_site_on_this_machine() -> None:
    """A local host may name itself."""
    assert urls("Sitemap: http://localhost:8000/a.xml", "http://127.0.0.1:8000/robots.txt") == [
        "http://localhost:8000/a.xml"
    ]


@pytest.mark.parametrize(
    "key",
    [
        *(
            "Sitmap",
            "Sitemp",
            "Siteamp",
            "Sitemaps",
            "Site map",
            "Site_map",
            "Site-Map",
            "SiteMap URL",
            "Stiemap",
        ),
        *("XML Sitemap", "XML-Sitemap", "Sitemap index", "sitemap.xml", "Google Sitemap", "Sitemap-News"),
    ],
)
def test_misspelt_sitemap_keys(key: str) -> None:
    """A misspelt key before a URL is unambiguous."""
    assert urls(f"User-agent: *\n{key}: {SITE}/a.xml\n") == [f"{SITE}/a.xml"]
    assert codes(f"User-agent: *\n{key}: {SITE}/a.xml\n") == ["misspelt_key"]


@pytest.mark.parametrize("line", ["Sitemap = {}", "Sitemap {}", "Sitemap - {}", "Sitemap; {}", "Sitemap\t{}"])
def test_sitemap_lines_without_colon(line: str) -> None:
    """Any other separator is accepted."""
    text = line.format(f"{SITE}/a.xml")
    assert (urls(text), codes(text)) == ([f"{SITE}/a.xml"], ["missing_colon"])
    assert urls(f"Sitemap\uff1a {SITE}/a.xml") == [f"{SITE}/a.xml"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        *(
            (f"{key}: /x", ("disallow", "/x"))
            for key in ("Dissallow", "Disalow", "Diasllow", "Disallaw", "Disallows")
        ),
        *(
            (f"{key}: b", ("user-agent", "b"))
            for key in ("Useragent", "User agent", "User_agent", "User-agnet")
        ),
        *(
            (line, ("disallow", "/x"))
            for line in ("Disallow /x", "Disallow = /x", "disallow\t/x", "Disallow; /x")
        ),
        ("User-agent *", ("user-agent", "*")),
        ("Crawl delay: 5", ("crawl-delay", "5")),
        ("Crawl-delay 5", ("crawl-delay", "5")),
    ],
)
def test_misspelt_rules(line: str, rule: tuple[str, str]) -> None:
    """Read as Google's parser and Protego read them, and reported."""
    assert [(each.key, each.value) for each in read(f"User-agent: a\n{line}\n").lines][1:] == [rule]
    assert codes(f"User-agent: a\n{line}\n")[0] in ("misspelt_key", "missing_colon")


@pytest.mark.parametrize(
    "line",
    [
        *("Allow everything", "Disallow nothing here", "Alow: /", "Allows: /", "please: go away", "Foo: bar"),
        *("Sitemapper: x", f"No-Sitemap: {SITE}/a.xml", f"{SITE}/a.xml", "Sitemap are listed below", "404"),
    ],
)
def test_lines_that_nothing_defines(line: str) -> None:
    """They are reported and ignored, without effect on other lines."""
    robots = read(f"User-agent: *\n{line}\nDisallow: /a\n")
    assert [each.value for each in robots.lines] == ["*", "/a"]
    assert not robots.sitemaps
    assert codes(f"User-agent: *\n{line}\nDisallow: /a\n") == ["unknown_line"]


def test_extensions_are_known() -> None:
    """Known extensions are neither problems nor rules."""
    text = "User-agent: *\nContent-Signal: ai-train=no\nHost: site.example\nClean-param: s /\nNoindex: /a\n"
    assert (codes(text), len(read(text).lines)) == ([], 1)


def test_rules_before_any_agent() -> None:
    """They are ignored and reported."""
    assert codes("Disallow: /a\nAllow: /b\nUser-agent: *\nDisallow: /c\n") == ["rule_without_agent"] * 2


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n", "\ufeff# nothing", "#\n#Disallow: /\n"])
def test_nothing_is_understood_as_nothing(text: str) -> None:
    """An empty file allows everything without a problem."""
    assert (read(text).understood, codes(text)) == (True, [])


@pytest.mark.parametrize(
    "text",
    ["Not found", '{"error": "no such file"}', "<urlset><url><loc>x</loc></url></urlset>", "\x00\x01\x02"],
)
def test_other_documents(text: str) -> None:
    """A document without a defined line has one problem."""
    assert (read(text).understood, codes(text)) == (False, ["robots_not_understood"])


HTML = "<!DOCTYPE html><html><head></head><body><pre>\n{}\n</pre></body></html>"


def test_robots_in_html() -> None:
    """A page that contains only a robots.txt is read; a page about robots.txt is not."""
    base = f"{SITE}/robots.txt"
    for text in (HTML.format(SOUND), HTML.format(SOUND.replace("\n", "<br>")), f"<p>{SOUND}</p>"):
        assert wrapped_in_html(text, base=base, url_length=2048)
        robots = read(text, html=True)
        assert [(line.key, line.value) for line in robots.lines] == RULES
        assert [sitemap.url for sitemap in robots.sitemaps] == [f"{SITE}/maps/all.xml"]
    page = "<p>Welcome</p>" * 20 + "<p>User-agent: *</p><p>Disallow: /</p>"
    assert not wrapped_in_html(HTML.format(page), base=base, url_length=2048)
    assert not wrapped_in_html(HTML.format("Disallow: /"), base=base, url_length=2048)


SIZE = 128 * 1024
HOSTILE = {
    **{
        repr(piece): piece * (SIZE // len(piece))
        for piece in ("\\", "\\n", "<", "<br>", "<p ", "%0A", "&#10;", ":")
    },
    **{
        repr(piece): piece * (SIZE // len(piece))
        for piece in ("\\n ", " Disallow", "Disallow:", "Sitemap: ", '"')
    },
    **{
        f"value {piece!r}": "Sitemap: " + piece * (SIZE // len(piece))
        for piece in ("{", "/", "https:", "http://a.b,")
    },
    "spaces": f"a{' ' * SIZE}b",
    "one line": f"User-agent: *\\nDisallow: /{'a' * SIZE}",
    "agents": "".join(f"User-agent: b{number}\n" for number in range(SIZE // 16)),
    "unknown": "".join(f"disall{number:06d}: b\n" for number in range(SIZE // 16)),
    "literal": r"User-agent: *\nDisallow: /a\nSitemap: /b\n" * (SIZE // 41),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_in_linear_time(text: str) -> None:
    """The time is linear (a timeout would fail)."""
    assert len(read(text, html="<" in text).lines) <= SIZE // 8
