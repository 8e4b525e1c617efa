"""Send one message: a webhook as of Standard Webhooks, anything else through apprise.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import ssl
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import aiohttp
from yarl import URL

from contentmap_cli import __version__
from contentmap_cli.commands.notifying.targets import NotifyTarget, load_apprise
from contentmap_cli.crawl.access.proxies import Proxies
from contentmap_cli.crawl.http.http_errors import EXPECTED, http_error_of
from contentmap_cli.models import Limits
from contentmap_cli.output.notification import as_text

ATTEMPT_SECONDS = 10.0
"""Time for one attempt."""
_GONE = 410  # RFC 9110 section 15.5.11: the receiver wants no more of it


class Sent(NamedTuple):
    """The result of an attempt: `error` is None if the message was taken, `gone` ends further attempts."""

    error: str | None = None
    gone: bool = False


def signature(keys: tuple[bytes, ...], message_id: str, sent_at: int, body: bytes) -> str:
    """Return the value of the header webhook-signature: a signature for each key."""
    signed = b".".join((message_id.encode(), str(sent_at).encode(), body))
    return " ".join(
        "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
    )


class Sender:
    """Sends messages. An async context manager: it owns connections.

    Proxies are those of the environment. Certificates are always verified, also by the authorities of
    `ca_file`. No redirect is followed. Errors contain nothing of a target or an answer.
    """

    def __init__(self, ca_file: str | None = None) -> None:
        self._ca_file = ca_file

    async def __aenter__(self) -> Sender:
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        self._proxies = Proxies.of(None, os.environ)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"ContentMap/{__version__}"},
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.close()

    async def send(
        self, target: NotifyTarget, message_id: str, payload: str, seconds: float = ATTEMPT_SECONDS
    ) -> Sent:
        """Send a message once, within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                if target.keys:
                    return await self._post(target, message_id, payload.encode())
                title, text = as_text(payload)
                taken = await _in_daemon_thread(lambda: _notify(target.url, title, text))
                return Sent(None if taken else "the service did not take the message")
        except TimeoutError:
            return Sent(f"no answer within {seconds:.0f} seconds")

    async def _post(self, target: NotifyTarget, message_id: str, body: bytes) -> Sent:
        now = int(time.time())
        url = URL(target.url)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(target.keys, message_id, now, body),
        }
        proxy = self._proxies.choose(url.scheme, url.host or "", url.port or 0)
        if proxy is not None and proxy.is_socks:
            return Sent("a SOCKS proxy cannot be used for notifications")
        authorization = (
            {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else None
        )
        try:
            async with self._http.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=authorization,
            ) as response:
                status = response.status
        except TimeoutError:
            raise
        except EXPECTED as error:
            return Sent(http_error_of(error, Limits()).failure.message)
        if 200 <= status < 300:
            return Sent()
        note = " (redirects are not followed)" if 300 <= status < 400 else ""
        return Sent(f"HTTP {status}{note}", gone=status == _GONE)


def _notify(url: str, title: str, text: str) -> bool:
    """Send a message through apprise, which escapes the text for the service."""
    apprise = load_apprise()
    sender = apprise.Apprise()
    return bool(sender.add(url)) and bool(
        sender.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
    )


async def _in_daemon_thread(work: Callable[[], bool]) -> bool:
    """Return what `work` returns, False for an exception. Cancelled, it does not wait for the thread, which
    does not keep the process alive either."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def finish(result: bool) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        result = False
        with contextlib.suppress(Exception):
            result = work()
        with contextlib.suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=run, name="contentmap-notify", daemon=True).start()
    return await done
