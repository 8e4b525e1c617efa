"""HTTP basic authentication (RFC 7617)."""

from __future__ import annotations

import base64


def basic_authorization(user: str, password: str) -> str:
    """Return the value of an Authorization or Proxy-Authorization header; user and password are UTF-8."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"
