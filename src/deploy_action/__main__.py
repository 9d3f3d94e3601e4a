"""`python -m deploy_action`, and the program `deploy-action`: the command line and its end."""

from __future__ import annotations

import gc

from deploy_action import cli

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit code."""
    code = cli.main()
    # The interpreter looks for garbage once more at its end; all of it goes away just then.
    gc.freeze()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
