"""`python -m demo` runs the demo, `python -m demo --clean` removes what it created."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.stage import ROOT, Stage
from demo.story import StoryFailed, tell
from demo.teller import Teller


def main() -> int:
    """Return 0 only if every expectation was met."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--clean", action="store_true", help="remove everything that the demo created"
    )
    parser.add_argument("--edge", default="deploy-action-demo", help="name of the edge of the demo")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build/demo", help="working directory"
    )
    parser.add_argument("--keep-images", action="store_true", help="with --clean: keep the images")
    asked = parser.parse_args()
    teller = Teller.for_terminal(sys.stdout)
    stage = Stage(edge=asked.edge, folder=asked.folder)
    try:
        if asked.clean:
            stage.clear()
            if not asked.keep_images:
                stage.remove_images()
            teller.say(f"removed everything of {stage.edge}")
        else:
            tell(stage, teller)
    except StoryFailed as failed:
        teller.fail(str(failed))
        return 1
    except KeyboardInterrupt:
        teller.fail("interrupted; `make clean-demo` removes what was created")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
