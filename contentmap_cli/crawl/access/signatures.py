"""Sign requests as Web Bot Auth requires: HTTP Message Signatures (RFC 9421) with an Ed25519 key.

The profile is that of draft-ietf-webbotauth-httpsig-protocol: `@authority` and the member of Signature-Agent
are signed, the tag is `web-bot-auth`, the key id is the JWK thumbprint (RFC 7638, RFC 8037 appendix A.3).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contentmap_cli.errors import UsageError

VALID_SECONDS = 300
"""Seconds from `created` to `expires`: longer than the clocks of two machines differ."""

_LABEL = "sig1"
_TAG = "web-bot-auth"
_NONCE_BYTES = 64


class RequestSigner:
    """Signs the requests of a run; each hop of a redirect has a signature of its own.

    `agent` is the https URL below which the key directory is published, None to send no Signature-Agent.
    """

    def __init__(self, key: Any, agent: str | None = None) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        self._agent = agent
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = thumbprint(raw)

    def headers(
        self,
        authority: str,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
        label: str = _LABEL,
        agent_label: str = _LABEL,
        valid: int = VALID_SECONDS,
    ) -> list[tuple[str, str]]:
        """Return the headers that sign a request to an authority (RFC 9421 section 2.2.3).

        It is `host`, or `host:port` for a port that is not the scheme's own.
        """
        created = int(clock())
        covered = ['"@authority"']
        lines = [f'"@authority": {authority}']
        headers = []
        if self._agent is not None:
            component = f'"signature-agent";key="{agent_label}"'
            covered.append(component)
            lines.append(f'{component}: "{self._agent}"')
            headers.append(("Signature-Agent", f'{agent_label}="{self._agent}"'))
        nonce = base64.b64encode(random(_NONCE_BYTES)).decode("ascii")
        parameters = (
            f'({" ".join(covered)});created={created};keyid="{self.key_id}";alg="ed25519"'
            f';expires={created + valid};nonce="{nonce}";tag="{_TAG}"'
        )
        lines.append(f'"@signature-params": {parameters}')
        signature = base64.b64encode(self._key.sign("\n".join(lines).encode("ascii"))).decode("ascii")
        return [
            *headers,
            ("Signature-Input", f"{label}={parameters}"),
            ("Signature", f"{label}=:{signature}:"),
        ]


def thumbprint(public: bytes) -> str:
    """Return the JWK thumbprint of an Ed25519 public key of 32 bytes."""
    jwk = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64url(public)}"}}'
    return _base64url(hashlib.sha256(jwk.encode("ascii")).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def load_signer(file: str | None, agent: str | None) -> RequestSigner | None:
    """Return the signer for `--signature-key` and `--signature-agent`. Raise `UsageError`."""
    if file is None:
        if agent is not None:
            raise UsageError("--signature-agent requires --signature-key", hint="name a file with the key")
        return None
    if find_spec("cryptography") is None:
        raise UsageError(
            "--signature-key requires the extra signatures", hint="pip install 'contentmap-cli[signatures]'"
        )
    try:
        data = Path(file).expanduser().read_bytes()
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"--signature-key: cannot read {file}", hint="name a private key as JWK or PEM"
        ) from (error if isinstance(error, OSError) else None)
    return RequestSigner(_private_key(data, file), _agent_url(agent) if agent is not None else None)


def _private_key(data: bytes, file: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if data.lstrip()[:1] == b"{":
            jwk = json.loads(data)
            if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
                raise ValueError
            text = str(jwk["d"])
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return Ed25519PrivateKey.from_private_bytes(raw)
        key = load_pem_private_key(data, password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UsageError(
        f"--signature-key: {file} has no Ed25519 private key",
        hint="make one: `openssl genpkey -algorithm ed25519 -out key.pem`",
    )


def _agent_url(text: str) -> str:
    """Return the URL of the agent. Raise `UsageError` for anything but an https URL of plain characters."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or any(each in text for each in ' "\\'):
        raise UsageError(
            "--signature-agent takes an https URL",
            hint="name the origin that publishes /.well-known/http-message-signatures-directory",
        )
    return text
