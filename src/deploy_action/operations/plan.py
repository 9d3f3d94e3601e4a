"""plan: say what deploy would do, without a lock and without a change."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.operations import deploy

if TYPE_CHECKING:
    from deploy_action.inputs import Inputs
    from deploy_action.progress import Progress
    from deploy_action.report.outcome import Outcome

__all__ = ["run"]


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Return `planned` with the steps, or `unchanged`."""
    return deploy.run(dataclasses.replace(inputs, dry_run=True), progress)
