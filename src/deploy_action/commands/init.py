"""init: write a first deploy.yaml and the workflows that call this action."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deploy_action.commands.command import Command, option
from deploy_action.gates import bandit, bandit_baseline
from deploy_action.init import initialise, survey
from deploy_action.results.reports import Written, WrittenPath

if TYPE_CHECKING:
    from pathlib import Path

    from deploy_action.events.stream import EventStream
    from deploy_action.init import Survey
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="init",
    summary="write a deploy.yaml and the workflows for this repository",
    description=(
        "Reads the repository (Dockerfiles, Compose files, Kamal's config/deploy.yml, sources, the"
        " git remote) and writes a deploy.yaml and two workflows that call the deployment and the"
        " rollback. Says what it guessed and from where; a guess that would break the deployment"
        " stands under `unconfirmed`, and validate refuses the file until it is confirmed. Existing"
        " files are left alone."
    ),
    examples=(
        ("deploy-action init", "start here"),
        ("deploy-action init --config services/api/deploy.yaml", "one service of several"),
    ),
    options=(
        option("--force", "", "overwrite existing files"),
        option("--service", "NAME", "the service of compose.yaml, where there are several"),
        option("--image", "REPOSITORY", "the image, where it is not built from here"),
    ),
)


def run(inputs: Inputs, events: EventStream) -> Written:  # noqa: ARG001
    """Return the files that were written and what they were guessed from.

    Raises:
        BadInput: there is nothing to deploy, or several services of which none is named; a file
            exists and `force` is not given, or one cannot be written.
    """
    root = inputs.config.parent
    result = survey(root, service=inputs.service, image=inputs.image or "")
    files = initialise(
        root,
        inputs.force,
        name=inputs.config.name,
        result=result,
        known=_findings(result, root),
    )
    return Written(
        files=tuple(
            WrittenPath(path=os.path.relpath(file.path), guesses=file.guesses) for file in files
        )
    )


def _findings(result: Survey, root: Path) -> str:
    """Return today's findings that the gate would refuse, as a baseline; empty for none."""
    if not result.python_paths:
        return ""
    options = bandit.BanditOptions(
        paths=result.python_paths, exclude=("**/test", "**/tests"), skips=("B104",)
    )
    return bandit_baseline.report(bandit.severe_findings(options, root), root)
