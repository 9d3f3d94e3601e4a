"""`python -m deploy_action`, and the program `deploy-action`."""

from __future__ import annotations

from deploy_action.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
