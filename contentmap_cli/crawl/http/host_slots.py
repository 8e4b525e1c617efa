"""Connection slots per host and address that are shared by several crawlers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol


class HostSlots(Protocol):
    """Limits the connections of several crawlers."""

    def place(self, key: str) -> AbstractAsyncContextManager[None]:
        """Wait for a slot at a host or an address."""


class LocalHostSlots:
    """For a single crawler, whose `Politeness` counts its own connections."""

    def place(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return at once."""
        return nullcontext()
