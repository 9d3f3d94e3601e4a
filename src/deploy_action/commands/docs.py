"""docs: write the page for the team from deploy.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import Command, option
from deploy_action.config import load
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.render.team_page import team_page
from deploy_action.results.reports import Page

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="docs",
    summary="write a page for the team from deploy.yaml",
    description=(
        "Writes Markdown: the process, the environments, gates and smoke tests, how to deploy, and"
        " how to roll back by button, by command and with plain docker commands."
    ),
    examples=(("deploy-action docs --output DEPLOYMENT.md", "write the page"),),
    options=(option("--output", "PATH", "write to this file instead of stdout", kind="path"),),
)


def run(inputs: Inputs, events: EventStream) -> Page:  # noqa: ARG001
    """Return the page, and write it where `inputs.output` says.

    Raises:
        ConfigError: deploy.yaml is wrong.
        BadInput: the file cannot be written.
    """
    text = team_page(load(inputs.config))
    if inputs.output is None:
        return Page(text=text)
    try:
        inputs.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{inputs.output}: cannot be written: {error.strerror}",
            code=ErrorCode.FILE_NOT_WRITABLE,
        ) from error
    return Page(text=text, path=str(inputs.output))
