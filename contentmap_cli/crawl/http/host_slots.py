"""Places at hosts and addresses that several crawlers share.

Within one crawler `Politeness` counts. Where several work side by side, each may have found a place of its
own: whoever knows of all of them is asked as well. The crawl does not know how that is found out.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol


class HostSlots(Protocol):
    """Gives places to crawlers that do not know each other."""

    def place(self, key: str) -> AbstractAsyncContextManager[None]:
        """A place at a host or an address, waited for as long as it takes."""


class LocalHostSlots:
    """For a crawler that is alone: what it counts itself is all there is."""

    def place(self, key: str) -> AbstractAsyncContextManager[None]:
        """At once."""
        return nullcontext()
