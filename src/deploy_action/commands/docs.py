"""docs: write the page for the team from deploy.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.config import load
from deploy_action.errors import BadInput
from deploy_action.render.team_page import team_page
from deploy_action.results.reports import Page

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["run"]


def run(inputs: Inputs, progress: EventStream) -> Page:  # noqa: ARG001
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
        raise BadInput(f"{inputs.output}: cannot be written: {error.strerror}") from error
    return Page(text=text, path=str(inputs.output))
