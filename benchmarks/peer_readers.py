"""Reads sitemaps with another program, as that program's users would. Runs in the peers' environment.

usage: PEERS-PYTHON peer_readers.py ultimate-sitemap-parser|scrapy

Takes one JSON line a document, {"url", "media_type", "body" (base64)}, and gives one, {"urls"} or {"error"}.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Reader = Callable[[str, str, bytes], list[str]]


def ultimate_sitemap_parser() -> Reader:
    """`sitemap_tree_for_homepage` on a site whose robots.txt names the document and that has nothing else."""
    from usp.tree import sitemap_tree_for_homepage
    from usp.web_client.abstract_client import (
        AbstractWebClient,
        AbstractWebClientSuccessResponse,
        WebClientErrorResponse,
    )

    class Response(AbstractWebClientSuccessResponse):
        def __init__(self, url: str, media_type: str, body: bytes) -> None:
            self._url, self._media_type, self._body = url, media_type, body

        def status_code(self) -> int:
            return 200

        def status_message(self) -> str:
            return "OK"

        def header(self, case_insensitive_name: str) -> str | None:
            return self._media_type if case_insensitive_name.lower() == "content-type" else None

        def raw_data(self) -> bytes:
            return self._body

        def url(self) -> str:
            return self._url

    class Client(AbstractWebClient):
        def __init__(self, *responses: Response) -> None:
            self._responses = {response.url(): response for response in responses}

        def set_max_response_data_length(self, max_response_data_length: int | None) -> None:
            pass

        def get(self, url: str) -> Any:
            return self._responses.get(url) or WebClientErrorResponse("404 Not Found", retryable=False)

    def read(url: str, media_type: str, body: bytes) -> list[str]:
        home = f"https://{urlsplit(url).netloc}/"
        robots = Response(f"{home}robots.txt", "text/plain", f"Sitemap: {url}\n".encode())
        client = Client(robots, Response(url, media_type, body))
        tree = sitemap_tree_for_homepage(home, web_client=client, use_known_paths=False)
        found = next((sitemap for sitemap in tree.all_sitemaps() if sitemap.url == url), None)
        assert found is not None, "the document was not asked for"
        if found.sub_sitemaps:
            return [child.url for child in found.sub_sitemaps]
        return [page.url for page in found.pages]

    return read


def scrapy() -> Reader:
    """The requests that `SitemapSpider` makes of the response that the downloader would build."""
    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Request
    from scrapy.responsetypes import responsetypes
    from scrapy.spiders import SitemapSpider

    class Spider(SitemapSpider):
        name = "reader"

        def parse(self, response: Any) -> None:
            """What the requests for pages name as their callback."""

    crawler = Crawler(Spider)
    spider = Spider.from_crawler(crawler)

    def read(url: str, media_type: str, body: bytes) -> list[str]:
        headers = Headers({"Content-Type": media_type})
        make = responsetypes.from_args(headers=headers, url=url, body=body)
        response = make(url, headers=headers, body=body, request=Request(url))
        return [request.url for request in spider._parse_sitemap(response)]

    return read


READERS: dict[str, Callable[[], Reader]] = {
    "ultimate-sitemap-parser": ultimate_sitemap_parser,
    "scrapy": scrapy,
}


def main(name: str) -> None:
    """Answers until its input ends."""
    logging.disable(logging.CRITICAL)
    read = READERS[name]()
    for line in sys.stdin:
        case = json.loads(line)
        answer: dict[str, object]
        try:
            answer = {"urls": read(case["url"], case["media_type"], base64.b64decode(case["body"]))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
