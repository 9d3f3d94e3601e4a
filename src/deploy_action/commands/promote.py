"""promote: take to an environment exactly the digest that is live in the one before it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.commands.command import (
    CHANGE_EXITS,
    DIGEST,
    ENVIRONMENT,
    PROOF,
    PROOF_FILE,
    RECORDED,
    VERSION,
    Command,
)
from deploy_action.commands.deploy import deploy_image, look_before
from deploy_action.config import load
from deploy_action.config.select import select_promotion
from deploy_action.releases.model import Kind
from deploy_action.releases.promotion import passed_image

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.results.outcome import Outcome

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="promote",
    summary="deploy to an environment the digest that passed in the one before it",
    description=(
        "Deploys to an environment exactly the image digest that succeeded in the environment"
        " named by its `after:` key. Anything that did not pass there is refused."
    ),
    examples=(
        ("deploy-action promote -e production", "what serves in staging goes to production"),
    ),
    options=(ENVIRONMENT, VERSION, DIGEST, *RECORDED, *PROOF, PROOF_FILE),
    exits=CHANGE_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Make the release of the environment named by `after` live in this one.

    Raises:
        BadInput: the environment names no `after`.
        GateRefused: nothing has passed there, or not the version that was asked for.
    """
    config = load(inputs.config)
    target = select_promotion(config, inputs.environment)
    before = functools.partial(look_before, config, target, inputs, events)
    image = passed_image(target, inputs, before, SystemClock().now())
    return deploy_image(config, target, inputs, events, Kind.PROMOTE, image)
