"""What the text of a listed page shows: an error page with status 200, a replacement, or neither."""

from __future__ import annotations

import pytest

from contentmap_cli.crawl.http.headers import ReplyHeaders
from contentmap_cli.crawl.pages.contents import page_contents
from contentmap_cli.models.pages import PageText

URL = "https://example.com/lamps/brass-lamp"
LONG = "Brass is an alloy of copper and zinc that lamps were made of for more than two hundred years. " * 12


def text_of(title: str = "", body: str = "", url: str = URL) -> PageText:
    """Read the text of a page."""
    markup = f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return page_contents(markup.encode(), url, ReplyHeaders(content_type="text/html; charset=utf-8"))[1]


@pytest.mark.parametrize(
    "title",
    [
        *("404", "Error 404", "404 Not Found", "Page not found", "Page Not Found | Lamps & Co", "410 Gone"),
        *(
            "Oops! That page can’t be found.",
            "Lamps & Co – This page doesn't exist",
            "Sorry, page unavailable",
        ),
        *("The page you were looking for does not exist", "This product is no longer available"),
        *("No results found", "0 products found", "Nothing found", "We couldn't find that page"),
        *("Fehler 404 – Seite nicht gefunden", "Diese Seite existiert nicht", "Keine Ergebnisse gefunden"),
        *("Page introuvable", "Cette page n'existe pas", "Erreur 404", "Página no encontrada"),
        *("Pagina non trovata", "Página não encontrada", "Pagina niet gevonden", "Sidan hittades inte"),
        *("500 Internal Server Error", "Error 503", "Service Unavailable", "Something went wrong"),
        *("Error establishing a database connection", "An error occurred"),
        *("Halaman tidak ditemukan", "Không tìm thấy trang", "الصفحة غير موجودة", "ไม่พบหน้านี้"),
        *("Страница не найдена", "Nie znaleziono strony", "ページが見つかりません", "页面不存在"),
    ],
)
def test_titles_and_headings_of_error_pages(title: str) -> None:
    assert "not_found_title" in text_of(title, LONG).signals
    assert "not_found_heading" in text_of("Lamps", f"<h1>{title}</h1>").signals


@pytest.mark.parametrize(
    "title",
    [
        *("When a page cannot be found: what to do", "404 ways to cook rice", "Lost and found", "Room 404"),
        *(
            "Products found here",
            "Found: a brass lamp",
            "How to fix the error 404 | Lamps & Co",
            "Gone fishing",
        ),
        *(
            "The page boy",
            "Not found wanting",
            "What to do when an item is no longer available",
            "Error bars",
        ),
        *("Available products", "Nothing compares", "Moved to tears", "The missing page of a diary", ""),
        *(
            "500 lamps",
            "A service that is always available",
            "Errors occurred to them",
            "Bad gateways in history",
        ),
        *("410", "Gone", "404: the lamps of a bus", "Lamp 404"),
        *("Die Seite", "Warum diese Seite nicht gefunden wird und andere Fragen", "La página", "Страница"),
    ],
)
def test_other_titles(title: str) -> None:
    assert set(text_of(title, f"<h1>{title}</h1><p>{LONG}").signals) <= {"not_found_code"}


def test_a_number_among_other_words_is_a_weak_signal() -> None:
    assert text_of("404: the lamps of a bus", "<h1>Bus</h1>").signals == ("not_found_code",)
    assert text_of("Lamps | 404", f"<h1>Lost?</h1><p>{LONG}").signals == ("not_found_code",)
    assert not text_of("410: the lamps of a bus", "<h1>Bus 410</h1>").signals


def test_a_text_alone_is_its_heading() -> None:
    for text in ("Not Found", "404 Not Found", "<pre>Cannot GET /lamps/a</pre>"):
        assert page_contents(text.encode(), URL)[1].signals == ("not_found_heading",)
    assert not page_contents(b"Not a lamp. Found in 1904.", URL)[1].signals


@pytest.mark.parametrize(
    ("kind", "title", "error", "article"),
    [
        *(
            (
                "maintenance",
                "Maintenance",
                "We will be back soon.",
                "We mend lamps of all makes, from 20 euros.",
            ),
            ("maintenance", "Under construction", "", "A bridge with 40 lamps. Use the ferry until May."),
            ("maintenance", "Wartung", "Wir sind bald zurück.", "Wir prüfen Lampen aller Marken im Haus."),
        ),
        *(
            ("parked", "lamps.example is for sale", "Buy this domain.", None),
            ("parked", "Domain for sale", "Buy this domain.", "<h1>Law of names</h1> Advice by Mrs Lind."),
        ),
        *(
            ("challenge", "Access denied", "You do not have permission to access this page.", None),
            ("challenge", "Security check", "Verify that you are human.", "<h1>Airports</h1> Come early."),
        ),
    ],
)
def test_a_title_alone_does_not_show_a_replacement(
    kind: str, title: str, error: str, article: str | None
) -> None:
    script = "<script src=a.js></script>"
    assert kind in text_of(title, f"{script}<h1>{title}</h1><p>{error}").signals
    if article is not None:
        heading = "" if "<h1>" in article else f"<h1>{title}</h1>"
        assert not text_of(title, f"{script}{heading}<p>{article}").signals


def test_a_sentence_counts_where_there_is_little_else() -> None:
    sentence = "<p>The page you requested could not be found on this server.</p>"
    assert text_of("Lamps", sentence).signals == ("not_found_text",)
    assert not text_of("Lamps", sentence + LONG).signals
    assert not text_of("Lamps", "<p>This page is not available in English.</p>").signals
    hidden = f"<div hidden>{sentence}</div><template>{sentence}</template><noscript>{sentence}</noscript>"
    assert not text_of("Lamps", f"<p>One lamp.</p>{hidden}").signals


@pytest.mark.parametrize(
    ("sentence", "counts"),
    [
        ("The page may have been moved or no longer exists.", True),
        ("Hmm, that page doesn't seem to exist.", True),
        ("This offer has expired.", True),
        ("Error code: 404", True),
        ("Diese Seite gibt es leider nicht mehr.", True),
        ("No podemos encontrar la página que buscas.", True),
        ("La pagina che stai cercando non è stata trovata.", True),
        ("Le document demandé n’existe plus.", True),
        ("The lamp may have been moved. Ask in the shop.", False),
        ("An expired guarantee ends all claims.", False),
        ("The lamps of page 404 are from Denmark.", False),
    ],
)
def test_sentences_of_error_pages(sentence: str, counts: bool) -> None:
    assert ("not_found_text" in text_of("Lamps", f"<h1>Lamps</h1><p>{sentence}").signals) is counts


def test_empty_pages() -> None:
    layout = "<header><a href=/>Lamps</a></header><nav><a href=/a>a</a></nav>{}<footer>Imprint</footer>"
    for body in ("", " <div>&nbsp;</div> ", layout.format("<main></main>"), layout.format("<p hidden>a</p>")):
        assert text_of("Lamps", body).signals == ("empty",)
    for body in ("<main><a href=/a>a</a></main>", "<header><h1>Lamp</h1></header>", "<img src=a>"):
        assert not text_of("Lamps", layout.format(body)).signals
    for body in (
        "<img src=a>",
        "<div id=app></div><script src=app.js></script>",
        "<iframe src=a></iframe>",
        "<div style='background: url(a.jpg)'></div>",
        "a",
    ):
        assert not text_of("Lamps", body).signals


def test_pages_that_replace_others() -> None:
    form = "<form><input name=email><input type=password><button>Log in</button></form>"
    assert text_of("Log in | Lamps", f"<h1>Log in</h1>{form}").signals == ("login",)
    assert text_of("Log in", form, "https://example.com/login").signals == ("login", "login_url")
    assert not text_of("Brass lamp", f"<header>{form}</header><h1>Brass lamp</h1><p>Made by hand.").signals
    assert not page_contents(b"<title>a</title><frameset><frame src=a></frameset>", URL)[1].signals
    assert not text_of("Brass lamp", f"{form}<h1>Brass lamp</h1><p>{LONG}").signals
    head, text = page_contents(b"<p>a", URL, ReplyHeaders(challenge=True))
    assert (head.title, text.signals) == ("", ("challenge",))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7 ...", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b' {"error": "no such lamp", "page": "<p>"}\n', "application/json"),
        (b"[1, 2]", "application/json"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><rss><channel/></rss>', "application/xml"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html>a', None),
        (b"{{ a template } that is none }", None),
        (b"[a] in brackets [b]", None),
        (b"<p>%PDF-1.7", None),
        (b"", None),
    ],
)
def test_bodies_that_are_no_html(data: bytes, kind: str | None) -> None:
    signals = page_contents(data, URL, ReplyHeaders(content_type="text/html"))[1].signals
    assert [each for each in signals if each.startswith("type:")] == ([f"type:{kind}"] if kind else [])


def test_the_header_refresh_counts_like_the_element() -> None:
    page = b"<meta http-equiv=refresh content='5; url=/b'>"
    for value, expected in {
        "0; url=/a": (0, "https://example.com/a"),
        None: (5, "https://example.com/b"),
    }.items():
        assert page_contents(page, URL, ReplyHeaders(refresh=value))[0].refresh == expected


def common(one: PageText, other: PageText) -> float:
    """Return the part of the marks that two texts share."""
    return len(set(one.marks) & set(other.marks)) / max(len(one.marks), len(other.marks))


def test_marks_tell_whether_texts_are_alike() -> None:
    """An error page that repeats the path and the time is the same one; pages in one layout are not."""
    layout = "<nav>Lamps Shades Bulbs</nav>{}<aside>Other lamps</aside><footer>Lamps & Co, Hamburg</footer>"
    error = layout.format("<p>We have looked everywhere for {} and there is nothing like it, request {}.")
    paths = ("lamps/brass-lamp", "lamps/qmvx")
    first, second = (
        text_of(f"{path} at Lamps & Co", error.format(path, number), f"https://example.com/{path}")
        for number, path in enumerate(paths, start=1234)
    )
    assert common(first, second) == 1
    page = text_of(
        "Brass lamp at Lamps & Co", layout.format("<p>A lamp made of brass, thirty centimetres high.")
    )
    assert common(first, page) < 0.3
    assert text_of("", LONG).marks == text_of("", LONG).marks != ()
