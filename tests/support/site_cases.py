"""Named cases of the removal rule: sites with one damage, with one real change, and with both at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from site_damages import DAMAGES, Active, Damage, Where, sent
from site_model import HOME, ROBOTS, File, Kind, Site, Style

ONE, TWO, INDEX = "/maps/one.xml", "/maps/two.xml", "/maps/index.xml"
RETRIED = frozenset({429, 500, 502, 503})

Change = Callable[[Site], None]


def site_of(host: str, style: Style = Style.ROBOTS, kind: Kind = Kind.XML) -> Site:
    """A site whose index names two files of four pages each: 1 to 4 and 4 to 7."""
    index = "/sitemap.xml" if style is Style.KNOWN_PATH else INDEX
    one = f"/maps/one.{kind}"
    return Site(
        host,
        style,
        roots=[index],
        indexes={index: [one, TWO]},
        files={one: File(pages(host, 1, 2, 3, 4), kind), TWO: File(pages(host, 4, 5, 6, 7))},
    )


def pages(host: str, *numbers: int) -> list[str]:
    """The URLs of pages of a host."""
    return [f"http://{host}/p/{number}" for number in numbers]


def _damaged(
    damage: Damage, host: str, style: Style = Style.ROBOTS, kind: Kind | None = None
) -> tuple[Site, Active]:
    site = site_of(host, style, kind or damage.kinds[0])
    path = {Where.INDEX: site.roots[0], Where.FILE: next(iter(site.files))}.get(damage.where)
    return site, Active(damage, path)


def is_retried(damage: Damage) -> bool:
    """Whether a crawler asks again, and so waits, for what a damage sends."""
    site, active = _damaged(damage, "retried.test")
    path = active.path or (HOME if damage.where is Where.HOME else ROBOTS)
    answer = sent(site, [active], path)
    return answer.status in RETRIED or answer.reset or answer.missing > 0


RETRIED_DAMAGES = frozenset(name for name, damage in DAMAGES.items() if is_retried(damage))

FEW = frozenset(
    {
        *("robots.txt is an HTML page", "robots.txt has literal line ends", "robots.txt forbids everything"),
        *("index has braces in an entry", "index is an HTML page", "index names no child", "index 403"),
        *("file has braces in every entry", "file has unknown elements", "file is cut off", "file 403"),
        *("file is an HTML page", "site shows a challenge", "site leads to another site"),
    }
)
OF_TEXT_FILES = frozenset(
    {
        *("file is cut off in transfer", "file is an HTML page", "file has braces in every entry"),
        *("file is a JSON error", "file has one slash in every entry"),
    }
)
OF_KNOWN_PATHS = frozenset(
    {
        *("robots.txt is an HTML page", "robots.txt 403", "robots.txt forbids everything", "robots.txt 503"),
        *("site shows a challenge", "site shows a challenge that changes", "site leads to another site"),
        *("site leads to a login page", "site closes every connection"),
    }
)


@dataclass(frozen=True)
class Damaged:
    """A site that is damaged on its second night only."""

    name: str
    site: Site
    active: Active


def damaged_sites(*, few: bool) -> Iterator[Damaged]:
    """A site for each damage, some of them also where nothing names a sitemap; or one of each kind, `few`."""
    number = 0
    for damage in DAMAGES.values():
        if few and damage.name not in FEW:
            continue
        variants: list[tuple[Style, Kind | None]] = [(Style.ROBOTS, None)]
        if damage.name in OF_KNOWN_PATHS and not few:
            variants.append((Style.KNOWN_PATH, None))
        if damage.name in OF_TEXT_FILES:
            variants.append((Style.ROBOTS, Kind.TEXT))
        for style, kind in variants:
            number += 1
            site, active = _damaged(damage, f"damaged{number}.test", style, kind)
            yield Damaged(", ".join(filter(None, (damage.name, style, kind))), site, active)


@dataclass(frozen=True)
class Changed:
    """A site that changes on its second night: which pages go and come, and the outcomes that are right.

    With `damage` the change is hidden that night: nothing goes, and the third night shows it.
    """

    name: str
    change: Change
    gone: frozenset[int] = frozenset()
    new: frozenset[int] = frozenset()
    outcomes: frozenset[str] = frozenset({"ok"})
    style: Style = Style.ROBOTS
    damage: str | None = None

    def active(self, site: Site) -> list[Active]:
        """The damages of the second night."""
        if self.damage is None:
            return []
        damage = DAMAGES[self.damage]
        return [Active(damage, {Where.INDEX: INDEX, Where.FILE: ONE}.get(damage.where))]


OK_OR_PARTIAL = frozenset({"ok", "partial"})
PARTIAL = frozenset({"partial"})
NOT_CLEAN = frozenset({"partial", "failed"})
EMPTY = frozenset({"empty"})


def _remove(path: str, *numbers: int) -> Change:
    def change(site: Site) -> None:
        gone = pages(site.host, *numbers)
        site.files[path].urls = [url for url in site.files[path].urls if url not in gone]

    return change


def _list(path: str, *numbers: int) -> Change:
    def change(site: Site) -> None:
        site.files[path].urls += pages(site.host, *numbers)

    return change


def _all(*changes: Change) -> Change:
    def change(site: Site) -> None:
        for each in changes:
            each(site)

    return change


def _take(path: str, status: int = 404) -> Change:
    def change(site: Site) -> None:
        del site.files[path]
        site.gone[path] = status

    return change


def _unname(path: str) -> Change:
    return lambda site: site.indexes[site.roots[0]].remove(path)


def _rename(path: str, new: str) -> Change:
    def change(site: Site) -> None:
        site.files[new] = File(list(site.files[path].urls))
        site.indexes[site.roots[0]].append(new)
        _all(_unname(path), _take(path))(site)

    return change


def _new_file(site: Site) -> None:
    site.files["/maps/three.xml"] = File(pages(site.host, 8, 9))
    site.indexes[site.roots[0]].append("/maps/three.xml")


def _without_index(site: Site) -> None:
    site.roots = [ONE, TWO]
    site.gone |= dict.fromkeys(site.indexes, 404)
    site.indexes.clear()


def _give_up(site: Site) -> None:
    site.gone |= dict.fromkeys([*site.files, *site.indexes], 404)
    site.files.clear()
    site.indexes.clear()
    site.roots = []


def _noise(site: Site) -> None:
    site.files[ONE].noise = f"mailto:office@{site.host}"


def _set(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


_ALL = _set(*range(1, 8))
_NO_PAGES = _all(_remove(ONE, 1, 2, 3, 4), _remove(TWO, 4, 5, 6, 7))

CHANGES = (
    Changed("a page is gone", _remove(ONE, 1), _set(1)),
    Changed("a page is gone (known path)", _remove(ONE, 1), _set(1), style=Style.KNOWN_PATH),
    Changed("a page is gone (home page)", _remove(ONE, 1), _set(1), style=Style.HOME_PAGE),
    Changed("a page is gone from one of its two files", _remove(ONE, 4)),
    Changed("a page is gone from both of its files", _all(_remove(ONE, 4), _remove(TWO, 4)), _set(4)),
    Changed("a page moves to another file", _all(_remove(ONE, 1), _list(TWO, 1))),
    Changed("a page is replaced", _all(_remove(ONE, 1), _list(ONE, 8)), _set(1), _set(8)),
    Changed("a file has other pages", _all(_remove(ONE, 1, 2, 3, 4), _list(ONE, 8)), _set(1, 2, 3), _set(8)),
    Changed("a page is gone beside mailto:", _all(_noise, _remove(ONE, 1)), _set(1), outcomes=OK_OR_PARTIAL),
    Changed("a file is gone and not named", _all(_unname(ONE), _take(ONE)), _set(1, 2, 3)),
    Changed("a file is 410 and not named", _all(_unname(ONE), _take(ONE, 410)), _set(1, 2, 3)),
    Changed("a file is gone and still named", _take(ONE), _set(1, 2, 3), outcomes=PARTIAL),
    Changed("a file is 410 and still named", _take(ONE, 410), _set(1, 2, 3), outcomes=PARTIAL),
    Changed(
        "a file and a page are gone", _all(_take(ONE), _remove(TWO, 5)), _set(1, 2, 3, 5), outcomes=PARTIAL
    ),
    Changed("a file is not named and still there", _unname(ONE)),
    Changed("a page of a file that is not named is gone", _all(_unname(ONE), _remove(ONE, 1)), _set(1)),
    Changed("a file is renamed", _rename(ONE, "/maps/three.xml")),
    Changed("a file is new", _new_file, new=_set(8, 9)),
    Changed("a file lists nothing", _remove(ONE, 1, 2, 3, 4), _set(1, 2, 3), outcomes=OK_OR_PARTIAL),
    Changed("no file lists anything", _NO_PAGES, _ALL, outcomes=NOT_CLEAN),
    Changed("robots.txt names the files instead of the index", _without_index),
    Changed("no sitemap any more", _give_up, _ALL, outcomes=EMPTY),
    Changed("no sitemap any more (known path)", _give_up, _ALL, outcomes=EMPTY, style=Style.KNOWN_PATH),
)
"""Real changes. Each is counted by the first scan that sees it."""

HIDDEN = tuple(
    Changed(f"a page is gone while {damage}", _remove(TWO, 5), _set(5), damage=damage)
    for damage in (
        "robots.txt is an HTML page",
        "robots.txt is a challenge with 403",
        "index has braces in an entry",
        "index is cut off",
        "index is an HTML page",
        "file 403",
        "file has braces in an entry",
        "file is cut off",
        "file has unknown elements",
        "file is a maintenance page",
        "file leads to a login page",
        "site shows a challenge",
        "site leads to another site",
    )
)
"""Real changes that the first scan cannot be sure of. Each is counted by the next one."""
