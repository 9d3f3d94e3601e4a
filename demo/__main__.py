"""`python -m demo` tells the story, `python -m demo --clean` takes away what it made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.stage import ROOT, Stage
from demo.story import StoryFailed, tell
from demo.teller import Teller


def main() -> int:
    """Return 0 only when everything was as the story says."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove all that the demo made")
    parser.add_argument("--edge", default="deploy-action-demo", help="name of the demo's own edge")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/demo", help="where it works")
    parser.add_argument("--keep-images", action="store_true", help="clean, but not the images")
    asked = parser.parse_args()
    teller = Teller.for_terminal(sys.stdout)
    stage = Stage(edge=asked.edge, folder=asked.folder)
    try:
        if asked.clean:
            stage.clear()
            if not asked.keep_images:
                stage.remove_images()
            teller.say(f"removed what belongs to {stage.edge}")
        else:
            tell(stage, teller)
    except StoryFailed as failed:
        teller.fail(str(failed))
        return 1
    except KeyboardInterrupt:
        teller.fail("interrupted; `make clean-demo` removes what was made")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
