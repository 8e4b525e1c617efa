"""Random histories of a simulated site: real changes and damages, night by night.

A history is made from a seed and an index alone, so that any of them can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from site_damages import DAMAGES, Active, Damage, Where
from site_model import File, Kind, Site, Style

KNOWN_PATHS = ("/sitemap.xml", "/sitemap_index.xml", "/sitemap-index.xml")
NOISE = ("mailto:office@{host}", "tel:+49301234567", "javascript:void(0)")
_WHERE = {Where.ROBOTS: 30, Where.INDEX: 22, Where.FILE: 30, Where.HOME: 3, Where.SITE: 15}
_SURE = (Where.FILE, Where.SITE)
"""Beside a damage of these, another one says as much as it does alone."""


@dataclass
class Night:
    """One night: the changes since the last one, in words, and the damages."""

    number: int
    changes: list[str]
    damages: list[Active]


class History:
    """A site and its nights. Each step of `nights` changes `site` in place.

    `without` are names of damages that do not occur.
    """

    def __init__(self, seed: int, index: int, nights: int = 6, without: frozenset[str] = frozenset()) -> None:
        self._without = without
        self.name = f"{seed}:{index}"
        self._count = nights
        self._random = random.Random(self.name)
        self._number = 0
        self._pages = 0
        self._former: list[str] = []  # URLs that were removed and may come back
        self.site = self._new_site(f"s{seed}h{index}.test")

    def nights(self) -> Iterator[Night]:
        """Change the site for each night in turn."""
        active: list[tuple[Active, int]] = []  # with the last night of each
        for number in range(1, self._count + 1):
            self._number = number
            active = [(each, last) for each, last in active if last >= number]
            changes = [] if number == 1 else self._change({each.path for each, _ in active if each.path})
            if not self.site.roots:
                active = [(each, last) for each, last in active if each.path is None]
            active = [(each, last) for each, last in active if self._fits(each)]
            if self._random.random() < (0.15 if number == 1 else 0.5):
                for _ in range(self._random.choice((1, 1, 1, 1, 2))):
                    chosen = self._damage()
                    if chosen and all(_together(chosen, each) for each, _ in active):
                        active.append((chosen, number + self._random.choice((0, 0, 0, 1, 2))))
            if number == self._count and self._random.random() < 0.5:
                active = []  # histories end repaired or damaged
            yield Night(number, changes, [each for each, _ in active])

    # -- the site

    def _new_site(self, host: str) -> Site:
        rng = self._random
        style = rng.choices(list(Style), (75, 15, 10))[0]
        site = Site(
            host,
            style,
            robots_file=style is Style.ROBOTS or rng.random() < 0.5,
            with_etag=rng.random() < 0.4,
            with_lastmod=rng.random() < 0.2,
        )
        self.site = site
        paths = [self._new_file(site) for _ in range(rng.randint(1, 4))]
        if style is Style.KNOWN_PATH:
            if len(paths) == 1 and rng.random() < 0.5:
                site.files["/sitemap.xml"] = site.files.pop(paths[0])
                site.files["/sitemap.xml"].kind = Kind.XML
                site.roots = ["/sitemap.xml"]
            else:
                site.indexes["/sitemap.xml"] = paths
                site.roots = ["/sitemap.xml"]
        elif rng.random() < 0.65:
            site.indexes["/maps/index.xml"] = paths
            site.roots = ["/maps/index.xml"]
        else:
            site.roots = paths if style is Style.ROBOTS else paths[:1]
            for path in paths if style is not Style.ROBOTS else ():
                if path not in site.roots:
                    del site.files[path]
        for index, children in list(site.indexes.items()):
            if len(children) > 1 and rng.random() < 0.25:
                site.indexes["/maps/more.xml"] = children[1:]
                site.indexes[index] = [children[0], "/maps/more.xml"]
        if len(site.files) > 1 and rng.random() < 0.4:
            first, second = rng.sample(sorted(site.files), 2)
            site.files[first].urls += site.files[second].urls[:2]  # pages in two files
        return site

    def _new_file(self, site: Site) -> str:
        """Add a file with new URLs and return its path."""
        rng = self._random
        kind = rng.choices(list(Kind), (7, 2, 1))[0]
        noise = rng.choice(NOISE).format(host=site.host) if rng.random() < 0.08 else None
        urls = list(dict.fromkeys(self._new_url(site) for _ in range(rng.randint(3, 12))))
        number = len(site.files) + len(site.gone) + 1
        while f"/maps/{number}.{kind}" in {*site.files, *site.gone}:
            number += 1
        path = f"/maps/{number}.{kind}"
        site.files[path] = File(urls, kind, noise if kind is not Kind.TEXT else None, max(self._number, 1))
        return path

    def _new_url(self, site: Site) -> str:
        if self._former and self._random.random() < 0.2:
            return self._former.pop(self._random.randrange(len(self._former)))
        self._pages += 1
        return site.url(f"/p/{self._pages}")

    # -- real changes

    def _change(self, damaged: set[str]) -> list[str]:
        """Make some real changes and return them in words; files in `damaged` stay where they are."""
        if self._random.random() < 0.35:
            return []
        changes = [
            self._add_urls,
            self._remove_urls,
            self._move_urls,
            self._copy_urls,
            self._drop_file,
            self._remove_file,
            self._retire_file,
            self._new_named_file,
            self._rename_file,
            self._name_again,
            self._empty_file,
            self._give_up,
        ]
        chosen = self._random.choices(
            changes, (6, 8, 5, 2, 4, 2, 3, 3, 2, 2, 1, 1), k=self._random.randint(1, 3)
        )
        return [text for change in chosen if (text := change(damaged))]

    def _pick(self, at_least: int = 0, without: set[str] | None = None) -> str | None:
        paths = [
            path
            for path, file in sorted(self.site.files.items())
            if len(file.urls) >= at_least and path not in (without or ())
        ]
        return self._random.choice(paths) if paths else None

    def _touch(self, *paths: str) -> None:
        for path in paths:
            self.site.files[path].changed = self._number

    def _add_urls(self, damaged: set[str]) -> str | None:
        path = self._pick()
        if path is None:
            return None
        urls = [self._new_url(self.site) for _ in range(self._random.randint(1, 4))]
        listed = self.site.files[path].urls
        listed += [url for url in dict.fromkeys(urls) if url not in listed]
        self._touch(path)
        return f"{path} lists {_names(urls)} too"

    def _remove_urls(self, damaged: set[str]) -> str | None:
        path = self._pick(2)
        if path is None:
            return None
        urls = self.site.files[path].urls
        gone = self._random.sample(urls, self._random.randint(1, min(4, len(urls) - 1)))
        self.site.files[path].urls = [url for url in urls if url not in gone]
        self._former += gone
        self._touch(path)
        return f"{path} lists {_names(gone)} no more"

    def _move_urls(self, damaged: set[str]) -> str | None:
        first = self._pick(2)
        second = self._pick(without={first} if first else None)
        if first is None or second is None:
            return None
        moved = self._random.sample(self.site.files[first].urls, self._random.choice((1, 1, 2)))
        self.site.files[first].urls = [url for url in self.site.files[first].urls if url not in moved]
        if not self.site.files[first].urls:
            self.site.files[first].urls = moved[:1]
        self.site.files[second].urls += [url for url in moved if url not in self.site.files[second].urls]
        self._touch(first, second)
        return f"{_names(moved)} moved from {first} to {second}"

    def _copy_urls(self, damaged: set[str]) -> str | None:
        first = self._pick(1)
        second = self._pick(without={first} if first else None)
        if first is None or second is None:
            return None
        url = self._random.choice(self.site.files[first].urls)
        if url not in self.site.files[second].urls:
            self.site.files[second].urls.append(url)
        self._touch(second)
        return f"{second} lists {_names([url])} of {first} too"

    def _take(self, path: str) -> None:
        """The file is not there any more."""
        self._former += self.site.files.pop(path).urls
        self.site.gone[path] = self._random.choice((404, 404, 410))

    def _unname(self, path: str) -> None:
        site = self.site
        for children in (site.roots, *site.indexes.values()):
            while path in children:
                children.remove(path)

    def _name(self, path: str) -> bool:
        """Name a file where the site names files; False where there is no such list."""
        site = self.site
        lists = [site.indexes[index] for index in site.named_indexes()]
        if site.style is Style.ROBOTS and not lists:
            lists = [site.roots]
        if not lists:
            return False
        self._random.choice(lists).append(path)
        return True

    def _may_unname(self, path: str) -> bool:
        return self.site.style is Style.ROBOTS or path not in self.site.roots

    def _drop_file(self, damaged: set[str]) -> str | None:
        path = self._pick(without=damaged)
        if path is None or len(self.site.files) < 2 or not self._may_unname(path):
            return None
        self._unname(path)
        self._take(path)
        return f"{path} is gone and named no more"

    def _remove_file(self, damaged: set[str]) -> str | None:
        path = self._pick(without=damaged)
        if path is None or len(self.site.files) < 2 or path not in self.site.named():
            return None
        self._take(path)
        return f"{path} is gone and still named"

    def _retire_file(self, damaged: set[str]) -> str | None:
        path = self._pick(without=damaged)
        named = self.site.named()
        if path not in named or len(named) < 2 or path is None or not self._may_unname(path):
            return None
        self._unname(path)
        return f"{path} is named no more and still there"

    def _new_named_file(self, damaged: set[str]) -> str | None:
        path = self._new_file(self.site)
        if not self._name(path):
            del self.site.files[path]
            return None
        return f"{path} is new"

    def _rename_file(self, damaged: set[str]) -> str | None:
        path = self._pick(without=damaged)
        if path is None or path not in self.site.named() or not self._may_unname(path):
            return None
        file = self.site.files[path]
        if not file.urls:  # as a text it would have no bytes at all
            return None
        new = self._new_file(self.site)
        if not self._name(new):
            del self.site.files[new]
            return None
        self.site.files[new].urls = list(file.urls)
        self._unname(path)
        self._take(path)
        return f"{path} is now {new}"

    def _name_again(self, damaged: set[str]) -> str | None:
        retired = [path for path in sorted(self.site.files) if path not in self.site.named()]
        if not retired or not self._name(retired[0]):
            return None
        return f"{retired[0]} is named again"

    def _empty_file(self, damaged: set[str]) -> str | None:
        path = self._pick(1, without=damaged)
        if path is None or self.site.files[path].kind is Kind.TEXT:  # no bytes at all are no document
            return None
        self._former += self.site.files[path].urls
        self.site.files[path].urls = []
        self._touch(path)
        return f"{path} lists nothing"

    def _give_up(self, damaged: set[str]) -> str | None:
        """The site has no sitemap any more and says so."""
        if damaged or not self.site.roots or self._random.random() < 0.5:
            return None
        for path in list(self.site.files):
            self._take(path)
        for path in list(self.site.indexes):
            del self.site.indexes[path]
            self.site.gone[path] = 404
        self.site.roots.clear()
        return "the site has no sitemap any more"

    # -- damages

    def _damage(self) -> Active | None:
        rng = self._random
        where = rng.choices(list(_WHERE), list(_WHERE.values()))[0]
        if where is Where.INDEX:
            paths = [index for index in self.site.named_indexes() if self.site.indexes[index]]
        else:
            paths = [path for path, file in sorted(self.site.files.items()) if file.urls]
        path = rng.choice(paths) if paths and where in (Where.INDEX, Where.FILE) else None
        kinds = [damage for damage in DAMAGES.values() if damage.where is where]
        kinds = [damage for damage in kinds if damage.name not in self._without]
        chosen = Active(rng.choice(kinds), path)
        return chosen if self._fits(chosen) else None

    def _fits(self, each: Active) -> bool:
        return fits(self.site, each.damage, each.path)


def fits(site: Site, damage: Damage, path: str | None) -> bool:
    """Whether a site can have this damage."""
    if damage.named and (site.style is not Style.ROBOTS or not site.roots):
        return False
    if damage.where is Where.ROBOTS:
        return site.robots_file
    if damage.where is Where.INDEX:
        return path in site.named_indexes() and bool(site.indexes[path])
    if damage.where is Where.FILE:
        return path in site.files and bool(site.files[path].urls) and site.files[path].kind in damage.kinds
    return True


def _together(one: Active, other: Active) -> bool:
    """Whether two damages at once can be judged by what each says alone."""
    if one.path == other.path:
        return False
    return all(each.damage.whole is False or each.damage.where in _SURE for each in (one, other))


def _names(urls: list[str]) -> str:
    return ", ".join(url.rpartition("/")[2] for url in urls)
