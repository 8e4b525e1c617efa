"""CPU and requests per domain of small healthy sites, over https and over http.

    python benchmarks/tls_cost.py [--python OTHER/bin/python] [--runs 3]

Crawls of sites of 20 URLs on loopback whose robots.txt names an index of two sitemaps, and of sites with a
sitemap at /sitemap.xml that nothing names; nothing is stored. The CPU is that of all threads of the crawl's
process in the cheapest of six rounds, as other processes only add to it. `--python` measures the ContentMap
of another environment in turn, to compare versions. The least of the runs is printed, and that of the main
thread. Exit code 1 if a domain with named sitemaps takes more than 10 ms over https.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from machine import machine
from web_sites import TLS, Page, index, serving, urlset

GOAL_MS = 10.0
ROUNDS = 6
URLS = 20


def named(host: str, scheme: str) -> dict[str, Page]:
    """A site whose robots.txt names an index of two sitemaps."""
    origin = f"{scheme}://{host}"
    pages = [f"{origin}/page-{number}" for number in range(URLS)]
    return {
        f"{host}/robots.txt": f"User-agent: *\nAllow: /\nSitemap: {origin}/index.xml\n",
        f"{host}/index.xml": index(f"{origin}/a.xml", f"{origin}/b.xml"),
        f"{host}/a.xml": urlset(*pages[::2]),
        f"{host}/b.xml": urlset(*pages[1::2]),
    }


def unnamed(host: str, scheme: str) -> dict[str, Page]:
    """A site whose robots.txt names nothing, with a home page and a sitemap at the usual path."""
    return {
        f"{host}/robots.txt": "User-agent: *\nAllow: /\n",
        f"{host}/": "<!DOCTYPE html><title>Shop</title><a href=/page-1>1</a>",
        f"{host}/sitemap.xml": urlset(*(f"{scheme}://{host}/page-{number}" for number in range(URLS))),
    }


async def crawl(port: int, scheme: str, domains: int) -> tuple[float, float, float]:
    """Crawl the sites some times; return the least CPU ms per domain, of it in this thread, and requests."""
    from contentmap_cli.crawl.crawler import Crawler
    from contentmap_cli.crawl.options import ConnectTo, CrawlOptions
    from contentmap_cli.crawl.targets import parse_target

    rule = ConnectTo(None, None, "127.0.0.1", port)
    options = CrawlOptions(connect_to=(rule,), ca_file=str(TLS / "tls-cert.pem"))
    at_once = asyncio.Semaphore(20)

    async def one(number: int) -> int:
        async with at_once:
            with await crawler.crawl(parse_target(f"{scheme}://site-{number}.tls.test")) as result:
                if result.status.value != "ok":
                    raise SystemExit(f"site {number} is {result.status}: {result.error}")
                return result.requests

    found: list[tuple[float, float]] = []
    async with Crawler(options) as crawler:
        for _ in range(ROUNDS):
            used, here = time.process_time(), time.thread_time()
            requests = sum(await asyncio.gather(*map(one, range(domains))))
            found.append((time.process_time() - used, time.thread_time() - here))
    used, here = map(min, zip(*found, strict=True))
    return used / domains * 1000, here / domains * 1000, requests / domains


def main() -> int:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--domains", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], help="of another environment; repeatable")
    parser.add_argument("--crawl", nargs=2, metavar=("PORT", "SCHEME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crawl:
        print(*asyncio.run(crawl(int(options.crawl[0]), options.crawl[1], options.domains)))
        return 0
    pythons = [sys.executable, *options.python]
    hosts = [f"site-{number}.tls.test" for number in range(options.domains)]
    print(f"{machine('aiohttp')}, {options.domains} domains, {options.runs} runs\n")
    print("| sites | scheme | environment | CPU ms per domain | in the main thread | requests per domain |")
    print("|---|---|---|---|---|---|")
    failed = False
    for make in (named, unnamed):
        for scheme in ("https", "http"):
            pages = {path: page for host in hosts for path, page in make(host, scheme).items()}
            found: dict[str, list[list[float]]] = {python: [] for python in pythons}
            with serving(pages, tls=scheme == "https") as sites:
                for python in pythons * options.runs:
                    command = [python, __file__, "--domains", str(options.domains), "--crawl"]
                    command += [str(sites.port), scheme]
                    ran = subprocess.run(command, capture_output=True, text=True, check=False)
                    if ran.returncode:
                        raise SystemExit(f"{python}: {ran.stderr}")
                    found[python].append([float(each) for each in ran.stdout.split()])
            for python, runs in found.items():
                used, here, requests = map(min, zip(*runs, strict=True))
                name = "this" if python == sys.executable else python
                print(
                    f"| {make.__name__} | {scheme} | {name} | {used:.1f} | {here:.1f} | {requests:.2f} |",
                    flush=True,
                )
                failed |= (make, scheme, name) == (named, "https", "this") and used > GOAL_MS
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
