"""How to crawl, as the user said it: what a job records so that `resume` goes on the same way."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from contentmap_cli.commands.interface.expectation import Expectation
from contentmap_cli.commands.interface.options import LOCAL, SECRET
from contentmap_cli.commands.interface.sizes import parse_size
from contentmap_cli.crawl.options import (
    USER_AGENT,
    CrawlOptions,
    parse_allow_net,
    parse_connect_to,
    parse_header,
    parse_proxy,
    parse_user_agent,
)
from contentmap_cli.errors import UsageError
from contentmap_cli.models import Limits, Probe

OFF = "off"


@dataclass(frozen=True)
class ScanSettings:
    """The crawl options of `scan`, `resume` and `check` under their own names; None where none was given."""

    concurrency: int | None = None
    max_urls: int | None = None
    max_file_size: str | None = None
    max_time: float | None = None
    domain_time: float | None = None
    timeout: float | None = None
    delay: float | None = None
    user_agent: str | None = None
    header: tuple[str, ...] = ()
    proxy: str | None = None
    connect_to: tuple[str, ...] = ()
    allow_private: bool = False
    allow_net: tuple[str, ...] = ()
    ca_file: str | None = None
    probe: Probe | None = None
    full: bool = False
    ignore_robots: bool = False
    expect_urls: str | None = None
    body_cache: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The settings that options say, by the names of their parameters: lists, and None for no word."""
        said: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if value is not None
        }
        return cls(**said)

    def on_this_machine(self) -> Self:
        """The same, with this machine's own where nothing is said of it."""
        return replace(self, body_cache=self.body_cache or default_body_cache())

    def _said(self) -> dict[str, Any]:
        """Those that were given. A number that is nothing was: no delay is a delay."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value is not False and value != ()
        }

    def recorded(self) -> dict[str, Any]:
        """What stands in the job: everything that was said and is no secret."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._said().items()
            if name not in SECRET | LOCAL
        }

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, Any]) -> Self:
        """The settings a job was started with. Names that this version does not know are passed over."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in recorded.items() if name in known}
        if "probe" in values:
            values["probe"] = Probe(values["probe"])
        return cls.of(values)

    def over(self, earlier: Self) -> Self:
        """These settings on top of earlier ones."""
        return replace(earlier, **self._said())

    @property
    def expectation(self) -> Expectation | None:
        """What is expected of each domain. Raises UsageError for what cannot be meant."""
        return Expectation.parse(self.expect_urls) if self.expect_urls is not None else None

    def crawl_options(self) -> CrawlOptions:
        """The crawl wing's own options. Raises UsageError for what cannot be meant."""
        base = Limits()
        limits = replace(
            base,
            domain_urls=self.max_urls or base.domain_urls,
            body_bytes=_size(self.max_file_size) or base.body_bytes,
            domain_time=self.domain_time or base.domain_time,
            request_timeout=self.timeout or base.request_timeout,
            connect_timeout=min(self.timeout or base.connect_timeout, base.connect_timeout),
            read_timeout=min(self.timeout or base.read_timeout, base.read_timeout),
        )
        return CrawlOptions(
            limits=limits,
            allow_private=self.allow_private,
            allow_nets=tuple(parse_allow_net(text) for text in self.allow_net),
            connect_to=tuple(parse_connect_to(text) for text in self.connect_to),
            user_agent=parse_user_agent(self.user_agent) if self.user_agent else USER_AGENT,
            headers=tuple(parse_header(text) for text in self.header),
            proxy=parse_proxy(self.proxy) if self.proxy else None,
            delay=self.delay,
            probe=self.probe or Probe.AUTO,
            conditional=not self.full,
            obey_robots=not self.ignore_robots,
            concurrency=self.concurrency or CrawlOptions.concurrency,
            ca_file=_certificates(self.ca_file),
            bodies=_folder(self.body_cache),
        )


def default_body_cache() -> str:
    """The folder of the cache of bodies where nobody names another."""
    from platformdirs import user_cache_path

    return str(user_cache_path("contentmap", appauthor=False) / "bodies")


def defaults() -> dict[str, Any]:
    """What holds where nothing is said, by the option's parameter. The rest is not set by default."""
    limits = Limits()
    return {
        "tenant": "default",
        "log_format": "text",
        "color": "auto",
        "fail_on": "any",
        "concurrency": CrawlOptions.concurrency,
        "max_urls": limits.domain_urls,
        "max_file_size": "50MiB",
        "domain_time": limits.domain_time,
        "timeout": limits.request_timeout,
        "probe": Probe.AUTO.value,
        "full": False,
        "ignore_robots": False,
        "allow_private": False,
        "user_agent": USER_AGENT,
        "header": [],
        "connect_to": [],
        "allow_net": [],
    }


def _size(text: str | None) -> int | None:
    return parse_size("--max-file-size", text) if text is not None else None


def _folder(name: str | None) -> Path | None:
    """Where bodies are kept; None for nowhere. Raises UsageError for the home of somebody unknown."""
    if name in (None, "", OFF):
        return None
    try:
        return Path(str(name)).expanduser()
    except RuntimeError:
        raise UsageError(f"--body-cache: no home is known for {name}", hint="name a folder, or off") from None


def _certificates(file: str | None) -> str | None:
    """The name of a file of certificate authorities, tried now rather than when the first site is asked."""
    if file is not None:
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"--ca-file: {file} cannot be read as certificates", hint="name a file in PEM form"
            ) from (error if error.errno and not isinstance(error, ssl.SSLError) else None)
    return file
