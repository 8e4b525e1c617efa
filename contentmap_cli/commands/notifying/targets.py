"""The targets of --notify. A target is a secret: only its label and its digest are shown or recorded."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from yarl import URL

from contentmap_cli.commands.interface.process_setup import hide_argument
from contentmap_cli.errors import UsageError

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(?=\S)", re.IGNORECASE)
_SECRET_BYTES = range(24, 65)  # as Standard Webhooks asks for
_SALT: Final = b"contentmap notify"
_ROUNDS: Final = 100_000
_SECRET_HINT = "create one: `echo whsec_$(openssl rand -base64 32)`"  # noqa: S105 - a hint


@dataclass(frozen=True, slots=True)
class NotifyTarget:
    """A webhook, which has signing keys, or a URL of apprise. `label` is its scheme, of a webhook its host
    too; other URLs may have a token where a host stands."""

    url: str = field(repr=False)
    label: str
    digest: str
    keys: tuple[bytes, ...] = field(default=(), repr=False)


def parse_targets(texts: Sequence[str], secret: str | None) -> tuple[NotifyTarget, ...]:
    """Return the targets, each once. Raise UsageError, which never repeats a target or the secret."""
    for text in (*texts, *([secret] if secret else ())):
        hide_argument(text)
    return tuple(_target(text, secret) for text in dict.fromkeys(text.strip() for text in texts))


def _target(text: str, secret: str | None) -> NotifyTarget:
    match = _SCHEME.match(text)
    if match is None:
        raise UsageError(
            "--notify takes a URL", hint="for example https://example.com/hook or mailto://user:password@host"
        )
    scheme = match[1].lower()
    if scheme not in ("http", "https"):
        _check_apprise(scheme, text)
        return NotifyTarget(text, f"{scheme}://", _digest(text))
    try:
        url = URL(text)
        label = f"{scheme}://{url.host_subcomponent or ''}{'' if url.is_default_port() else f':{url.port}'}"
    except ValueError:
        url = None
    if url is None or not url.host:
        raise UsageError("--notify: not a URL", hint="for example https://example.com/hook") from None
    if not secret:
        raise UsageError(
            f"--notify {label}: webhooks are signed, and CONTENTMAP_NOTIFY_SECRET is not set",
            hint=_SECRET_HINT,
        )
    return NotifyTarget(text, label[:300], _digest(text), _keys(secret))


def _digest(text: str) -> str:
    """Return the digest that the outbox keeps. It is slow to compute, as a target may hold a password."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), _SALT, _ROUNDS).hex()


def _keys(secret: str) -> tuple[bytes, ...]:
    """Return the keys of one or more secrets, `whsec_` and base64, separated by blanks."""
    keys = []
    for text in secret.split():
        try:
            key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) not in _SECRET_BYTES:
            raise UsageError(
                "--notify-secret takes whsec_ and 24 to 64 bytes in base64", hint=_SECRET_HINT
            ) from None
        keys.append(key)
    return tuple(keys)


def _check_apprise(scheme: str, text: str) -> None:
    """Raise UsageError for a URL that apprise does not take."""
    if find_spec("apprise") is None:
        raise UsageError(
            f"--notify {scheme}:// requires the extra notify", hint="pip install 'contentmap-cli[notify]'"
        )
    if load_apprise().Apprise.instantiate(text) is None:
        raise UsageError(
            f"--notify {scheme}://: not a URL that apprise takes",
            hint="see https://github.com/caronc/apprise/wiki for the URL of each service",
        )


def load_apprise() -> Any:
    """Import apprise, whose log lines may contain targets: they are dropped."""
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    import apprise

    return apprise
