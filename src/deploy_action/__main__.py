"""`python -m deploy_action`, and the program `deploy-action`: the command line and its end."""

from __future__ import annotations

import gc

__all__ = ["main"]

_OBJECTS = 50_000


def main() -> int:
    """Run the command line and end the process; return the exit code where that is left to Python."""
    # Imports make many objects and no garbage: to look for it after each 700 takes a tenth of a start.
    gc.set_threshold(_OBJECTS)
    from deploy_action import cli
    from deploy_action.ending import end

    return end(cli.main())


if __name__ == "__main__":
    raise SystemExit(main())
