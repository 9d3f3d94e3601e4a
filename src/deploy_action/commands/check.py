"""check: validate deploy.yaml, then run every gate that it configures; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.config import check, environment
from deploy_action.gates.result import refuses
from deploy_action.gates.run import run_gates
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import DeployConfig
    from deploy_action.events.stream import EventStream
    from deploy_action.gates.result import GateResult
    from deploy_action.inputs import Inputs

__all__ = ["run"]


def run(inputs: Inputs, progress: EventStream) -> Outcome:
    """Return `passed`, `refused` or `invalid`.

    Without an environment the gates of all environments are run, equal ones once.

    Raises:
        BadInput: there is no such environment.
    """
    config, problems = check(inputs.config)
    if config is None:
        return Outcome(result=Result.INVALID, problems=problems)
    results: list[GateResult] = []
    for gates in _distinct_gates(config, inputs.environment):
        progress.say("running the gates")
        results += run_gates(gates, inputs.config.parent)
    return Outcome(
        result=Result.REFUSED if any(map(refuses, results)) else Result.PASSED,
        service=config.service,
        environment=inputs.environment or "",
        gates=tuple(results),
        problems=problems,
    )


def _distinct_gates(config: DeployConfig, name: str | None) -> list[Mapping[str, object]]:
    chosen = list(config.environments.values()) if name is None else [environment(config, name)]
    distinct: list[Mapping[str, object]] = []
    for each in chosen:
        if each.gates not in distinct:
            distinct.append(each.gates)
    return distinct
