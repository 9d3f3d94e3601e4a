"""The program of the action's container: it says at once that it runs, and then does the step."""

from __future__ import annotations

import os
import sys

from deploy_action import __version__


def _run() -> int:
    # Before the rest is imported, and before deploy.yaml says what has to be masked: a constant.
    sys.stdout.write(f"deploy-action {__version__}\n")
    sys.stdout.flush()
    from deploy_action.action.main import main

    # The actions in the folders beside action.yml name their command as the container's argument.
    fixed = {"INPUT_COMMAND": sys.argv[1]} if len(sys.argv) > 1 else {}
    return main({**os.environ, **fixed}, sys.stdout, sys.stderr)


if __name__ == "__main__":
    sys.exit(_run())
