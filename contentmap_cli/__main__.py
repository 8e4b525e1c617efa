"""`contentmap`, and `python -m contentmap_cli`."""

from __future__ import annotations

import gc
import signal

gc.disable()  # loading modules makes no garbage: `tune_garbage_collector` enables collection

# An interrupt raised while modules load shows a traceback, or is lost in a place that cannot raise it. There
# is nothing to end in good order yet: where there is, `enable_interrupts` is called.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from contentmap_cli.commands.app import main  # noqa: E402 - behind the lines above

if __name__ == "__main__":
    main()
