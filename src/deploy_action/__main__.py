"""`python -m deploy_action`, and the program `deploy-action`: the command line and its end."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]

_OBJECTS = 50_000
_SWITCH_SECONDS = 0.0005


def main() -> int:
    """Run the command line and end the process; return the exit code where that is left to Python."""
    # Imports make many objects and no garbage: to look for it after each 700 takes a tenth of a start.
    gc.set_threshold(_OBJECTS)
    # What an engine has answered is not to wait the usual 5 ms for a thread that only imports.
    sys.setswitchinterval(_SWITCH_SECONDS)
    from deploy_action.cli import main as cli
    from deploy_action.ending import end

    return end(cli.main())


if __name__ == "__main__":
    raise SystemExit(main())
