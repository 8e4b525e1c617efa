"""The model that judges scans of damaged sites, held against histories and answers written by hand."""

from __future__ import annotations

import gzip
import http.client
from collections import Counter
from typing import Any

import pytest
from site_cases import INDEX, ONE, TWO, pages, site_of
from site_damages import DAMAGES, Active, Damage, Where, sent
from site_histories import History, fits
from site_model import Kind, Site, Style
from site_reader import Mistake, Reader
from site_rule import NIGHTS_UNNAMED, Expected, Fault, Recorded, Rule, violations
from site_server import serving_sites

HOST = "shop.test"


def listed(*numbers: int) -> frozenset[str]:
    return frozenset(pages(HOST, *numbers))


ALL = listed(1, 2, 3, 4, 5, 6, 7)


def active(name: str, path: str | None = None) -> list[Active]:
    return [Active(DAMAGES[name], path)]


@pytest.fixture
def site() -> Site:
    """Two files of an index: pages 1 to 4 and 4 to 7."""
    return site_of(HOST)


@pytest.fixture
def rule(site: Site) -> Rule:
    """What is known after a sound first night."""
    rule = Rule()
    first = rule.expect(site, [])
    assert (first.low, first.high, first.outcomes) == (ALL, ALL, {"ok"})
    rule.settle(ALL)
    return rule


def bounds(expected: Expected) -> tuple[frozenset[str], frozenset[str]]:
    return expected.low, expected.high


def test_a_page_that_is_gone_must_go(site: Site, rule: Rule) -> None:
    """Everything is read whole: there is one right answer."""
    site.files[ONE].urls.remove(pages(HOST, 1)[0])
    found = rule.expect(site, [])
    assert bounds(found) == (listed(2, 3, 4, 5, 6, 7),) * 2
    assert found.outcomes == {"ok"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("robots.txt 503", None),
        ("robots.txt is an HTML page", None),
        ("index has braces in an entry", INDEX),
        ("index is cut off", INDEX),
        ("file 403", TWO),
        ("file has braces in every entry", TWO),
        ("file has unknown elements", TWO),
        ("site shows a challenge", None),
        ("site leads to another site", None),
    ],
)
def test_what_was_not_read_whole_keeps_everything(
    site: Site, rule: Rule, name: str, path: str | None
) -> None:
    """Also a page that is gone from a file that could be read."""
    site.files[ONE].urls.remove(pages(HOST, 1)[0])
    found = rule.expect(site, active(name, path))
    assert bounds(found) == (ALL, ALL)
    assert found.outcomes == {"partial", "failed", "deferred"}
    rule.settle(ALL)
    assert bounds(rule.expect(site, [])) == (ALL - listed(1),) * 2


def test_a_new_page_is_added_where_its_file_was_read(site: Site, rule: Rule) -> None:
    """The other file is refused: the new page must be listed, and nothing may go."""
    site.files[ONE].urls += pages(HOST, 8)
    found = rule.expect(site, active("file 403", TWO))
    assert bounds(found) == (ALL | listed(8),) * 2


def test_a_new_page_may_be_missed_behind_a_damaged_index(site: Site, rule: Rule) -> None:
    """The index does not name the file for certain."""
    site.files[ONE].urls += pages(HOST, 8)
    assert bounds(rule.expect(site, active("index is cut off", INDEX))) == (ALL, ALL | listed(8))


def test_a_repairable_damage_leaves_both_answers_open(site: Site, rule: Rule) -> None:
    """One slash: the reader may repair it, and see that a page is gone, or keep what was known."""
    site.files[ONE].urls.remove(pages(HOST, 1)[0])
    found = rule.expect(site, active("file has one slash in every entry", ONE))
    assert bounds(found) == (ALL - listed(1), ALL)
    assert found.outcomes == {"ok", "partial", "failed", "deferred"}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_is_gone_takes_its_pages_along(site: Site, rule: Rule, status: int, named: bool) -> None:
    """Page 4 is in the other file too. The outcome is ok only where nothing names the file."""
    del site.files[ONE]
    site.gone[ONE] = status
    if not named:
        site.indexes[INDEX].remove(ONE)
    found = rule.expect(site, [])
    assert bounds(found) == (listed(4, 5, 6, 7),) * 2
    assert ("ok" in found.outcomes) is not named


def test_a_file_that_is_named_no_more_stays_for_seven_whole_scans(site: Site, rule: Rule) -> None:
    """The seventh may drop it, the eighth must, none before."""
    site.indexes[INDEX].remove(ONE)
    for _ in range(NIGHTS_UNNAMED - 1):
        assert bounds(rule.expect(site, [])) == (ALL, ALL)
        rule.settle(ALL)
    assert bounds(rule.expect(site, [])) == (listed(4, 5, 6, 7), ALL)
    rule.settle(ALL)
    assert bounds(rule.expect(site, [])) == (listed(4, 5, 6, 7),) * 2


def test_a_site_without_a_sitemap_is_empty_only_if_that_was_seen(site: Site, rule: Rule) -> None:
    """Given up: empty. Behind a refusal, or from the start behind a challenge: not."""
    site.files.clear()
    site.indexes.clear()
    site.roots.clear()
    site.gone |= {ONE: 404, TWO: 404, INDEX: 404}
    refused = rule.expect(site, active("robots.txt 403"))
    assert (refused.low, "empty" in refused.outcomes) == (ALL, False)
    rule.settle(ALL)
    seen = rule.expect(site, [])
    assert (bounds(seen), seen.outcomes) == ((frozenset(), frozenset()), {"empty"})
    walled = Rule().expect(site_of("wall.test"), active("site shows a challenge"))
    assert not walled.outcomes & {"ok", "empty"}


RIGHT = Recorded("ok", 6, 0, 1)


@pytest.mark.parametrize(
    ("after", "recorded", "fault"),
    [
        (ALL - listed(1), RIGHT, None),
        (ALL - listed(1, 2), RIGHT._replace(urls=5, removed=2), Fault.FALSE_REMOVAL),
        (ALL, RIGHT._replace(urls=7, removed=0), Fault.MISSED_REMOVAL),
        (ALL - listed(1) | listed(9), RIGHT._replace(urls=7, added=1), Fault.FALSE_ADDED),
        (ALL - listed(1), RIGHT._replace(added=6), Fault.FALSE_ADDED),
        (ALL - listed(1), RIGHT._replace(removed=0), Fault.WRONG_COUNT),
        (ALL - listed(1), RIGHT._replace(urls=7), Fault.WRONG_COUNT),
        (ALL - listed(1), RIGHT._replace(outcome="empty"), Fault.WRONG_EMPTY),
        (ALL - listed(1), RIGHT._replace(outcome="partial"), Fault.WRONG_FAILURE),
        (ALL - listed(1), RIGHT._replace(outcome="interrupted"), Fault.WRONG_FAILURE),
        (ALL - listed(1), RIGHT._replace(outcome="failed", code="internal_error"), Fault.WRONG_FAILURE),
    ],
)
def test_each_fault_is_found(
    site: Site, rule: Rule, after: frozenset[str], recorded: Recorded, fault: Fault | None
) -> None:
    """Page 1 is gone: one answer is right, and each other one is called what it is."""
    site.files[ONE].urls.remove(pages(HOST, 1)[0])
    found = violations(rule.expect(site, []), ALL, after, recorded)
    assert [each.fault for each in found] == ([fault] if fault else [])


def test_a_night_that_misses_a_page_or_calls_damage_clean_is_found(site: Site, rule: Rule) -> None:
    """The faults that need damage or a new page."""
    site.files[ONE].urls += pages(HOST, 8)
    expected = rule.expect(site, active("file 403", TWO))
    found = violations(expected, ALL, ALL, Recorded("ok", 7, 0, 0))
    assert [each.fault for each in found] == [Fault.MISSED_ADDED, Fault.WRONG_OK]


def test_one_fault_is_reported_once(site: Site, rule: Rule) -> None:
    """What was removed by mistake may come back or not; neither is a second fault."""
    rule.expect(site, active("file 403", ONE))
    rule.settle(ALL - listed(1, 2, 3))
    damaged = rule.expect(site, active("file 403", ONE))
    assert violations(damaged, rule.before, rule.before, Recorded("partial", 4, 0, 0)) == []
    rule.settle(rule.before)
    repaired = rule.expect(site, [])
    assert violations(repaired, rule.before, ALL, Recorded("ok", 7, 3, 0)) == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=lambda damage: damage.name)
def test_a_damage_changes_what_is_sent(damage: Damage) -> None:
    """Each sends something else than the sound site, for the path that it damages and for no other."""
    site = site_of(HOST, Style.ROBOTS, Kind.XML if Kind.XML in damage.kinds else damage.kinds[0])
    one = next(iter(site.files))
    path = {Where.INDEX: INDEX, Where.FILE: one, Where.HOME: "/"}.get(damage.where, "/robots.txt")
    each = Active(damage, path if damage.where in (Where.INDEX, Where.FILE) else None)
    assert fits(site, damage, each.path)
    assert sent(site, [each], path) != site.answer(path)
    unhurt = sent(site, [each], TWO) == site.answer(TWO)
    assert unhurt is (damage.where is not Where.SITE)


def test_what_is_cut_off_holds_no_whole_document(site: Site) -> None:
    """A URL is cut in two, and gzip data end early."""
    cut = sent(site, active("file is cut off", ONE), ONE).body.decode()
    assert cut.endswith(f"http://{HOST}/p")
    zipped = site_of(HOST, kind=Kind.GZIP)
    one = next(iter(zipped.files))
    body = sent(zipped, active("file is cut off in its gzip data", one), one).body
    with pytest.raises(EOFError):
        gzip.decompress(body)


def test_a_history_is_the_same_each_time() -> None:
    """So that it can be replayed; another index is another history."""

    def description(index: int) -> list[str]:
        history = History(3, index, 6)
        return [
            f"{night.changes} {[str(each) for each in night.damages]} {history.site}"
            for night in history.nights()
        ]

    assert description(5) == description(5) != description(6)


def test_the_server_sends_what_the_model_thinks(site: Site) -> None:
    """Sound, with a validator, damaged, cut off, closed, elsewhere and for the host with www."""

    def get(host: str, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connections.append(connection)
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        return connection.getresponse()

    connections: list[http.client.HTTPConnection] = []
    site.with_etag = True
    with serving_sites() as server:
        server.publish(site, [])
        sound = get(HOST, ONE)
        assert (sound.status, sound.read()) == (200, site.answer(ONE).body)
        assert get(HOST, ONE, {"If-None-Match": sound.headers["ETag"]}).status == 304
        assert get(HOST, "/none").status == get("other.test", "/").status == 404
        www = get(f"www.{HOST}", "/robots.txt")
        assert (www.status, www.headers["Location"]) == (301, f"http://{HOST}/robots.txt")
        assert get("elsewhere.test", "/").status == 200
        server.publish(site, active("file is cut off in transfer", ONE))
        with pytest.raises(http.client.IncompleteRead):
            get(HOST, ONE, {"If-None-Match": sound.headers["ETag"]}).read()
        server.publish(site, active("site closes every connection"))
        with pytest.raises(http.client.RemoteDisconnected):
            get(f"www.{HOST}", "/robots.txt")
        server.publish(site, active("site leads to a login page"))
        login = get(HOST, ONE).headers["Location"]
        assert get(HOST, login).status == 200
        for connection in connections:
            connection.close()


def test_two_damages_of_one_site_are_judged_by_the_worse(site: Site, rule: Rule) -> None:
    """A file that can be repaired beside one that was refused."""
    both = active("file has one slash in every entry", ONE) + active("file 403", TWO)
    assert rule.expect(site, both).whole == {False}


def faults_of(count: int, nights: int, **options: Any) -> Counter[Fault]:
    """The faults that the model finds with a reader in some random histories."""
    found: Counter[Fault] = Counter()
    for index in range(count):
        history, rule = History(5, index, nights), Rule()
        reader = Reader(history.site.host, **options)
        for night in history.nights():
            expected = rule.expect(history.site, night.damages)
            recorded, after = reader.scan(history.site, night.damages)
            found.update(each.fault for each in violations(expected, rule.before, after, recorded))
            rule.settle(after)
    return found


@pytest.mark.parametrize("generous", [False, True])
def test_the_model_finds_no_fault_with_a_right_reader(generous: bool) -> None:
    """One that refuses all that is odd, and one that repairs what can be."""
    assert faults_of(120, 9, generous=generous) == {}


@pytest.mark.parametrize(
    ("mistake", "faults"),
    [
        (Mistake.HTML_ROBOTS_IS_WHOLE, {Fault.FALSE_REMOVAL, Fault.WRONG_OK}),
        (Mistake.WALL_IS_NO_SITEMAP, {Fault.FALSE_REMOVAL}),
        (Mistake.REFUSED_ENTRIES_ARE_WHOLE, {Fault.FALSE_REMOVAL, Fault.WRONG_OK}),
        (Mistake.CUT_OFF_IS_WHOLE, {Fault.FALSE_REMOVAL, Fault.WRONG_OK}),
        (Mistake.FORGETS_UNNAMED_FILES, {Fault.FALSE_REMOVAL, Fault.WRONG_EMPTY}),
        (Mistake.MISSING_FILE_BLOCKS, {Fault.MISSED_REMOVAL}),
        (Mistake.COUNTS_READ_URLS_AS_ADDED, {Fault.FALSE_ADDED}),
        (Mistake.LOSES_NEW_URLS_OF_PARTIAL_SCANS, {Fault.MISSED_ADDED}),
        (Mistake.CALLS_MISSING_CLEAN, {Fault.WRONG_OK}),
    ],
    ids=lambda value: value.name if isinstance(value, Mistake) else "",
)
def test_the_model_finds_each_mistake(mistake: Mistake, faults: set[Fault]) -> None:
    """In a few histories."""
    assert faults <= faults_of(60, 6, mistake=mistake).keys()


def test_the_model_finds_a_reader_that_keeps_unnamed_files(site: Site) -> None:
    """On the eighth night without its name, for which random histories would have to be long."""
    rule, reader = Rule(), Reader(HOST, mistake=Mistake.KEEPS_UNNAMED_FILES)
    found = []
    for night in range(2 + NIGHTS_UNNAMED):
        if night == 1:
            site.indexes[INDEX].remove(ONE)
        expected = rule.expect(site, [])
        recorded, after = reader.scan(site, [])
        found.append([each.fault for each in violations(expected, rule.before, after, recorded)])
        rule.settle(after)
    assert found == [[]] * (1 + NIGHTS_UNNAMED) + [[Fault.MISSED_REMOVAL]]
