"""`python -m deploy_action`: the command line."""

from deploy_action.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
