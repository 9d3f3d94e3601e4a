"""`python -m deploy_action`, and the program `deploy-action`: the command line and its end."""

from __future__ import annotations

from deploy_action import cli
from deploy_action.ending import end

__all__ = ["main"]


def main() -> int:
    """Run the command line and end the process; return the exit code where that is left to Python."""
    return end(cli.main())


if __name__ == "__main__":
    raise SystemExit(main())
