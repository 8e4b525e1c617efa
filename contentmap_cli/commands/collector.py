"""The garbage collector, set for a long run over many small values."""

from __future__ import annotations

import gc

_THRESHOLDS = (10_000, 20, 50)


def calm_collector() -> None:
    """Takes what is loaded by now out of every later collection, and makes collections rarer.

    A full pass over the imported modules alone stops the event loop for longer than any parser does.
    Process-wide, hence a command's business.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
