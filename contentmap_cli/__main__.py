"""`contentmap`, and `python -m contentmap_cli`."""

from __future__ import annotations

import gc

gc.disable()  # loading modules makes no garbage: `calm_collector` switches collections on for the work

from contentmap_cli.commands.app import main  # noqa: E402 - behind the line above

if __name__ == "__main__":
    main()
