"""init: write a first deploy.yaml and the workflows that call ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deploy_action.init import initialise
from deploy_action.results.reports import Written, WrittenPath

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["run"]


def run(inputs: Inputs, progress: EventStream) -> Written:  # noqa: ARG001
    """Return the files that were written and what they were guessed from.

    Raises:
        BadInput: a file exists and `force` is not given, or one cannot be written.
    """
    files = initialise(inputs.config.parent, inputs.force, name=inputs.config.name)
    return Written(
        files=tuple(
            WrittenPath(path=os.path.relpath(file.path), guesses=file.guesses) for file in files
        )
    )
