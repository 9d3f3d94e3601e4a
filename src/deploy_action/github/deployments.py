"""Request bodies for GitHub's deployments and their statuses; pure.

https://docs.github.com/rest/deployments
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.releases.model import Kind
from deploy_action.results.outcome import Result

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment
    from deploy_action.results.outcome import Outcome

__all__ = ["NEEDS", "ending", "is_commit", "latest", "new_deployment", "new_status", "task"]

NEEDS = "deployments: write"
_MOST_CHARACTERS = 140
"""Of a status's description."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_VERBS = {
    Kind.DEPLOY: "deploy",
    Kind.PROMOTE: "promote",
    Kind.ROLLBACK: "roll back to",
    Kind.RESTART: "restart",
    Kind.REMOVE: "remove",
}


def is_commit(text: str) -> bool:
    """Return whether this is a full commit id."""
    return _COMMIT.fullmatch(text) is not None


def task(service: str) -> str:
    """Return the task, which keeps services of one repository apart in an environment."""
    return f"deploy:{service}"


def new_deployment(deployment: Deployment, commit: str) -> dict[str, Any]:
    """Return the deployment of an attempt that begins.

    Args:
        commit: used when the release names none.
    """
    release = deployment.release
    return {
        "ref": release.commit if is_commit(release.commit) else commit,
        "task": task(release.service),
        "environment": release.environment,
        "description": _description(deployment),
        # The deployed commit is recorded as it is: no merge, and no required checks.
        "auto_merge": False,
        "required_contexts": [],
        "payload": {
            "service": release.service,
            "version": release.version,
            "digest": release.digest,
            "deployment-id": deployment.id,
        },
    }


def _description(deployment: Deployment) -> str:
    reason = f": {deployment.reason}" if deployment.reason else ""
    what = f"{_VERBS[deployment.kind]} {deployment.release.version} by {deployment.actor}{reason}"
    return what[:_MOST_CHARACTERS]


def new_status(state: str, description: str = "", *, run_url: str, url: str = "") -> dict[str, Any]:
    """Return a status. `auto_inactive` is off: it would also end other services' deployments."""
    status: dict[str, Any] = {"state": state, "auto_inactive": False}
    if description:
        status["description"] = " ".join(description.split())[:_MOST_CHARACTERS]
    if run_url:
        status["log_url"] = run_url
    if url.startswith(("https://", "http://")):
        status["environment_url"] = url
    return status


def ending(outcome: Outcome | None, *, run_url: str, url: str) -> dict[str, Any]:
    """Return the last status of an attempt; None: a bug ended it."""
    if outcome is None:
        return new_status("error", "a bug of deploy-action", run_url=run_url)
    unknown = outcome.deployment is not None and outcome.deployment.previous_version
    serving = outcome.serving or (f"unknown whether {unknown}" if unknown else "nothing")
    match outcome.result:
        case Result.DEPLOYED | Result.ROLLED_BACK:
            return new_status("success", f"{serving} is live", run_url=run_url, url=url)
        case Result.FAILED:
            return new_status("failure", f"undone; {serving} serves", run_url=run_url, url=url)
        case _:
            return new_status("error", "manual intervention is required", run_url=run_url, url=url)


def latest(statuses: Any) -> str:
    """Return the state of the newest of a deployment's statuses, which come newest first."""
    first: Mapping[str, Any] = statuses[0] if statuses else {}
    return str(first.get("state", ""))
