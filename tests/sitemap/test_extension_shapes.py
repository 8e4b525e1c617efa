"""Entries of one shape need no encoder: their rows are those that the parser and the encoder make."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from contentmap_cli.crawl.reading.spool import RowSpool
from contentmap_cli.models import Document, Limits
from contentmap_cli.models.entry_rows import Row, encoded_extras
from contentmap_cli.models.entry_sink import Extras
from contentmap_cli.sitemap import parse_document
from contentmap_cli.sitemap.xml import fast_extensions, fast_xml
from contentmap_cli.sitemap.xml.fast_extensions import UsualExtensions
from tests.sitemap.test_fast_extensions import NAMESPACES, ODD_VALUES, VALUES
from tests.sitemap.test_fast_xml import NAMESPACE, SITE

DECLARED = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
LINK = '<xhtml:link rel="alternate" hreflang="{}" href="{}"/>'
SHAPES = (
    f"{LINK}\n    {LINK}\n    <image:image>\n      <image:loc>{{}}</image:loc>\n    </image:image>\n",
    f"{LINK}{LINK}{LINK}",
    "<image:image><image:loc>{}</image:loc><image:title>{}</image:title></image:image>" * 2,
    "<image:image><image:loc>{}</image:loc><image:caption>{}</image:caption></image:image>" * 2,
    "<image:image><image:title>{}</image:title><image:loc>{}</image:loc></image:image>" + LINK,
    "<video:video><video:title>{}</video:title><video:duration>{}</video:duration></video:video>",
    "<news:news><news:publication><news:name>{}</news:name><news:language>{}</news:language>\r\n"
    "</news:publication><news:title>{}</news:title></news:news>",
    '<xhtml:link rel="alternate" hreflang="{}" href="{}" /><news:news><news:name>{}</news:name></news:news>',
    "<image:image><image:loc>{}</image:loc><image:loc>{}</image:loc></image:image>",  # no usual one
    "",
)
ESCAPED = (
    *("\\", '"', '\\"', "a\\u0041", '" href="', "%s", "{0}", "7", '":"7"', "a'b", "\U0001f600", "\u00a5"),
)
ODD = (
    *("\u2028", "\x1f", "\x7f", "\ud7ff", "\ue000", "a\\\nb", '<![CDATA["\\&]]>', "<![CDATA[&lt;&amp;]]>"),
    *(">", '"/>', "a b"),
)
LONG = ("x" * 4095 + "é", "x" * 4097, "\\" * 4096, "&amp;" * 4096, " x" * 2048)


def rows_of_document(text: str) -> tuple[Document, list[Row]]:
    """What is said of a document, and its rows as they go to the store."""
    spool = RowSpool()
    segment = spool.segment(f"{SITE}/map.xml", room=10_000, child_room=10)
    document = parse_document(io.BytesIO(text.encode()), segment, base=f"{SITE}/map.xml", limits=Limits())
    segment.finish()
    rows = [row for batch in segment.read() for row in batch]
    spool.close()
    return replace(document, digest=None, decoded_bytes=0), rows


def both_ways(text: str) -> tuple[tuple[Document, list[Row]], ...]:
    """The rows the short way, and the parser's way."""
    return rows_of_document(text), rows_of_document(f"<?by the parser?>{text}")


def printed(seed: int, entries: int, *odd: str, share: float = 0.0, shapes: tuple[str, ...] = SHAPES) -> str:
    """A document in a few shapes; a share of its values is odd."""
    chance = random.Random(seed)
    some = chance.sample(shapes, 3)
    text = f'<urlset xmlns="{NAMESPACE}"{DECLARED}>'
    for number in range(entries):
        shape = chance.choice(some)
        values = [
            chance.choice(odd if odd and chance.random() < share else VALUES)
            for _ in range(shape.count("{}"))
        ]
        for place, before in enumerate(shape.split("{}")[:-1]):
            value = values[place]
            if before.endswith('"') and (
                '"' in value or "CDATA" in value or (value in VALUES and " " in value)
            ):
                values[place] = "x"  # what stands in an element may not do so in an attribute
        text += f"<url><loc>{SITE}/{number}</loc>{shape.format(*values)}</url>\n"
    return f"{text}</urlset>"


@pytest.mark.parametrize(
    ("odd", "share"),
    [((), 0.0), (ESCAPED, 0.5), (ESCAPED + ODD, 0.02), (ODD_VALUES, 0.02), (LONG, 0.02)],
    ids=["usual", "escaped", "odd", "odd values", "long"],
)
def test_rows_are_the_same_both_ways(
    odd: tuple[str, ...], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows with the text of all that an entry carries, problems and facts, whatever the values are."""
    monkeypatch.setattr(fast_xml, "PIECE", 3000)
    monkeypatch.setattr(fast_extensions, "_OFTEN", 2)
    for seed in range(25):
        short, long = both_ways(printed(seed, 60, *odd, share=share))
        assert short == long, seed


@pytest.mark.parametrize("shape", [LINK, SHAPES[2], SHAPES[6]], ids=["link", "image", "news"])
def test_one_odd_value_in_a_known_shape(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape lets nothing through that would not be taken without it, wherever it stands."""
    monkeypatch.setattr(fast_xml, "PIECE", 1000)
    monkeypatch.setattr(fast_extensions, "_OFTEN", 1)
    usual = [f"<url><loc>{SITE}/{n}</loc>{shape.format(*['x'] * 9)}</url>" for n in range(9)]
    for value in (*ODD_VALUES, *ODD, *ESCAPED, *LONG, "&lt;", "&", "a &b", "é&eacute;"):
        for place in range(shape.count("{}")):
            values = ["x"] * shape.count("{}")
            values[place] = value
            odd = f"<url><loc>{SITE}/odd</loc>{shape.format(*values)}</url>"
            text = f'<urlset xmlns="{NAMESPACE}"{DECLARED}>{"".join(usual)}{odd}{usual[0]}</urlset>'
            short, long = both_ways(text)
            assert short == long, value


@pytest.mark.parametrize("character", ["x", "\\", "&amp;", "\u00e9"])
def test_a_value_is_as_long_with_a_shape_as_without(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one of characters as published."""
    monkeypatch.setattr(fast_extensions, "_OFTEN", 1)
    reader = UsualExtensions()
    for length, taken_too in ((1, True), (1, True), (4096, True), (4097, False)):
        read = reader.read([SHAPES[6].format("n", "en", character * length)])
        assert (read is not None) is taken_too
        for found in read or ():
            assert found is not None
            assert len(json.loads(found[-1])["news"][0]["title"]) == length


@pytest.mark.parametrize("value", [" x", "x ", " ", "", "x  y", "x>", "@"])
def test_a_value_alone_is_judged_like_one_of_many(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first and the last of those that are looked at together."""
    monkeypatch.setattr(fast_extensions, "_OFTEN", 1)
    reader = UsualExtensions()
    video = "<video:video><video:title>{}</video:title></video:video>"
    for _ in range(2):
        assert reader.read([video.format("x")]) == [(0, 1, 0, '{"videos":[{"title":"x"}]}')]
    assert reader.read([video.format(value)]) is None


def test_the_text_is_what_was_always_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rescan compares it with what is recorded: another spelling would count as a change."""
    monkeypatch.setattr(fast_extensions, "_OFTEN", 1)
    text = (
        f"{LINK.format('de', f'{SITE}/de?a&amp;b')}\n<image:image><image:loc>{SITE}/i</image:loc>"
        '<image:title>say "so" \\ caf\u00e9</image:title></image:image><news:news><news:publication>'
        "<news:name>N</news:name><news:language>en</news:language></news:publication>"
        "<news:title><![CDATA[a & b]]></news:title></news:news>"
        "<video:video><video:title>50 %s</video:title></video:video>"
    )
    stored = (
        f'{{"images":[{{"loc":"{SITE}/i","title":"say \\"so\\" \\\\ caf\u00e9"}}],'
        '"videos":[{"title":"50 %s"}],'
        '"news":[{"publication_name":"N","language":"en","title":"a & b"}],'
        f'"alternates":[{{"hreflang":"de","href":"{SITE}/de?a&b"}}]}}'
    )
    reader = UsualExtensions()
    for _ in range(3):  # the first without a shape, the others with one
        assert reader.read([text, "", text]) == [(1, 1, 1, stored), None, (1, 1, 1, stored)]
    assert encoded_extras(({"loc": 'a"\\'},), (), (), ()) == '{"images":[{"loc":"a\\"\\\\"}]}'


def test_most_entries_are_read_by_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are looked at by themselves, whatever stands in them, and all are taken."""
    looked_at: list[str] = []
    usual = fast_extensions.usual_extensions

    def counting(text: str) -> object:
        looked_at.append(text)
        return usual(text)

    taken: list[int] = []
    read = UsualExtensions.read

    def reading(reader: UsualExtensions, texts: Sequence[str | None]) -> list[Extras | None] | None:
        found = read(reader, texts)
        taken.append(len(found or ()))
        return found

    monkeypatch.setattr(UsualExtensions, "read", reading)
    monkeypatch.setattr(fast_extensions, "usual_extensions", counting)
    monkeypatch.setattr(fast_xml, "PIECE", 10_000)
    for given in (SHAPES[:3], SHAPES[3:6], SHAPES[5:8]):
        looked_at.clear()
        taken.clear()
        rows_of_document(printed(1, 900, *ESCAPED, share=0.1, shapes=given))
        assert sum(taken) == 900
        assert 0 < len(looked_at) < 300


def test_shapes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document made of nothing but new shapes costs no more than so many of them."""
    monkeypatch.setattr(fast_extensions, "_OFTEN", 1)
    made: list[str] = []
    shape_of = fast_extensions._shape_of

    def counting(text: str) -> object:
        made.append(text)
        return shape_of(text)

    monkeypatch.setattr(fast_extensions, "_shape_of", counting)
    names = ["t" + "_" * number for number in range(30)]
    alike = [f"<video:video><video:{name}>x</video:{name}></video:video>" for name in names]
    others = ["<image:image><image:loc>x</image:loc></image:image>" * number for number in range(1, 200)]
    reader = UsualExtensions()
    for text in alike:
        assert reader.read([text])
    assert len(made) == 8
    for text in others:
        assert reader.read([text])
    assert len(made) == 64
