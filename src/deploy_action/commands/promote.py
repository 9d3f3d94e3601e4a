"""promote: take to an environment exactly the digest that is live in the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.deploy import bring
from deploy_action.config import load
from deploy_action.config.select import choose_promoted
from deploy_action.releases.model import Kind
from deploy_action.releases.promotion import passed_image

if TYPE_CHECKING:
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.results.outcome import Outcome

__all__ = ["run"]


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Make the release of the environment named by `after` live in this one.

    Raises:
        BadInput: the environment names no `after`.
        GateRefused: nothing has passed there, or not the version that was asked for.
    """
    config = load(inputs.config)
    wanted = choose_promoted(config, inputs.environment)
    image = passed_image(config, wanted, inputs, progress)
    return bring(config, wanted, inputs, progress, Kind.PROMOTE, image)
