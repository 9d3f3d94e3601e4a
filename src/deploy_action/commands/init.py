"""init: write a first deploy.yaml and the workflows that call this action."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deploy_action.commands.command import Command, option
from deploy_action.init import initialise
from deploy_action.results.reports import Written, WrittenPath

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="init",
    summary="write a deploy.yaml and the workflows for this repository",
    description=(
        "Looks at the repository (Dockerfile, port, health route, GitHub remote) and writes a"
        " deploy.yaml and two workflows that call the deployment and the rollback. Says what it"
        " guessed and from where. Existing files are left alone."
    ),
    examples=(("deploy-action init", "start here"),),
    options=(option("--force", "", "overwrite existing files"),),
)


def run(inputs: Inputs, events: EventStream) -> Written:  # noqa: ARG001
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
