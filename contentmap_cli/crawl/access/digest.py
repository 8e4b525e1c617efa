"""HTTP digest authentication (RFC 7616), one request at a time."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Challenge = Mapping[str, str]

_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_SCHEME = re.compile(r"(?:^|,)\s*digest\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class DigestLogin:
    """Answers the digest challenges of one origin.

    `challenge` is the last one, None before it. `accepted` says that an answer was accepted.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._count = 0
        self.challenge: Challenge | None = None
        self.accepted = False

    def accept(self, lines: Sequence[str], answered: Challenge | None) -> bool:
        """Take a challenge from the WWW-Authenticate headers of a 401; return whether to repeat the request.

        `answered` is the challenge that the request has answered. The same credentials are sent again only
        for another realm, or if the nonce was stale: the server says so, or has accepted them before.
        """
        found = next((each for line in lines for each in challenges(line) if _is_supported(each)), None)
        if found is None:
            return False
        if self.challenge is None or self.challenge["nonce"] != found["nonce"]:
            self._count = 0
        self.challenge = found
        if answered is None or answered["realm"] != found["realm"]:
            return True
        stale = found.get("stale", "").lower() == "true"
        return stale or (self.accepted and answered["nonce"] != found["nonce"])

    def authorization(self, target: str) -> str:
        """Return the Authorization header of a GET request for a target, path and query."""
        given = self.challenge or {}
        self._count += 1
        algorithm = given.get("algorithm", "MD5")
        count, client_nonce = f"{self._count:08x}", os.urandom(8).hex()

        def digest(*parts: str) -> str:
            data = ":".join(parts).encode("utf-8", "surrogateescape")
            name = _HASHES[algorithm.upper().removesuffix("-SESS")]
            return hashlib.new(name, data, usedforsecurity=False).hexdigest()

        secret = digest(self._user, given["realm"], self._password)
        if algorithm.upper().endswith("-SESS"):
            secret = digest(secret, given["nonce"], client_nonce)
        qop = next((each for each in ("auth", "auth-int") if each in _qops(given)), None)
        action = digest("GET", target, *([digest("")] if qop == "auth-int" else []))
        terms = (count, client_nonce, qop) if qop else ()
        quoted = {
            "username": self._user,
            "realm": given["realm"],
            "nonce": given["nonce"],
            "uri": target,
            "response": digest(secret, given["nonce"], *terms, action),
        }
        plain = {"algorithm": algorithm} if "algorithm" in given else {}
        if "opaque" in given:
            quoted["opaque"] = given["opaque"]
        if qop:
            quoted["cnonce"] = client_nonce
            plain |= {"qop": qop, "nc": count}
        escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in quoted.items()}
        fields = [f'{name}="{value}"' for name, value in escaped.items()]
        return f"Digest {', '.join(fields + [f'{name}={value}' for name, value in plain.items()])}"


def challenges(line: str) -> Iterator[Challenge]:
    """Yield the parameters of each digest challenge in a header, which may have others as well."""
    for scheme in _SCHEME.finditer(line):
        found: dict[str, str] = {}
        end = scheme.end()
        while (match := _PARAMETER.match(line, end)) is not None:
            name, quoted, token = match.groups()
            found.setdefault(name.lower(), token or re.sub(r"\\(.)", r"\1", quoted or ""))
            end = match.end()
        yield found


def _qops(challenge: Challenge) -> list[str]:
    return [each.strip().lower() for each in challenge.get("qop", "").split(",") if each.strip()]


def _is_supported(challenge: Challenge) -> bool:
    name = _HASHES.get(challenge.get("algorithm", "MD5").upper().removesuffix("-SESS"))
    qops = _qops(challenge)
    return (
        "realm" in challenge
        and bool(challenge.get("nonce"))
        and name in hashlib.algorithms_available
        and (not qops or "auth" in qops or "auth-int" in qops)
    )
