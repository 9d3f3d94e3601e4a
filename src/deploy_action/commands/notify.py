"""notify: send a test to every notification target, and say what each answered."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import load, select_environments
from deploy_action.notifications.message import trial
from deploy_action.notifications.send import send
from deploy_action.results.reports import Check, CheckState, DoctorReport

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="notify",
    summary="send a test to every target of notifications",
    description=(
        "Sends a test to each target under 'notifications' in deploy.yaml, and says which of them"
        " took it. Nothing else is done."
    ),
    examples=(("deploy-action notify -e production", "the targets of production"),),
    options=(ENVIRONMENT,),
    exits=GATE_EXITS,
)

_SECONDS = 10.0


def run(inputs: Inputs, events: EventStream) -> DoctorReport:  # noqa: ARG001
    """Send the tests.

    Raises:
        BadInput: there is no such environment.
        ConfigError: deploy.yaml has errors.
    """
    config, checks = load(inputs.config), list[Check]()
    for environment in select_environments(config, inputs.environment):
        targets = config.notifications.get(environment.name, ())
        message, id_ = trial(config.service, environment.name), uuid.uuid4().hex
        answers = send(targets, message, inputs, id=id_, clock=SystemClock(), seconds=_SECONDS)
        for target, why in zip(targets, answers, strict=True):
            subject = f"{target.kind} of {environment.name}"
            if why:
                remedy = f"see whether {target.secret} holds the address as {target.kind} gave it"
                checks.append(
                    Check(subject=subject, state=CheckState.MISSING, detail=why, remedy=remedy)
                )
            else:
                detail = f"took a test for {', '.join(target.events)}"
                checks.append(Check(subject=subject, state=CheckState.OK, detail=detail))
        if not targets:
            checks.append(
                Check(
                    subject=f"notifications of {environment.name}",
                    state=CheckState.WARNING,
                    detail="deploy.yaml has none",
                    remedy="notifications: [{kind: slack, secret: SLACK_WEBHOOK}]",
                )
            )
    return DoctorReport(checks=tuple(checks))
