"""check: validate deploy.yaml, then run every gate that it configures; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import check, select_environments
from deploy_action.gates.result import refuses
from deploy_action.gates.run import run_gates
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.events.stream import EventStream
    from deploy_action.gates.result import GateResult
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="check",
    summary="validate, then run the gates; changes nothing",
    description=(
        "Validates deploy.yaml, then runs every gate that it configures, such as the bandit scan"
        " or the check of the application's own configuration files. `check` refuses whatever"
        " `deploy` would refuse."
    ),
    examples=(("deploy-action check -e staging", "what a pull request should run"),),
    options=(ENVIRONMENT,),
    exits=GATE_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Run the gates of one environment, or those of all, equal ones once.

    Raises:
        BadInput: there is no such environment.
    """
    config, problems = check(inputs.config)
    if config is None:
        return Outcome(result=Result.INVALID, problems=problems)
    distinct: list[Mapping[str, object]] = []
    for environment in select_environments(config, inputs.environment):
        if environment.gates not in distinct:
            distinct.append(environment.gates)
    results: list[GateResult] = []
    for gates in distinct:
        events.say("running the gates")
        results += run_gates(gates, inputs.config.parent)
    return Outcome(
        result=Result.REFUSED if any(map(refuses, results)) else Result.PASSED,
        service=config.service,
        environment=inputs.environment or "",
        gates=tuple(results),
        problems=problems,
    )
