"""A late run never takes an environment back: what a newer run made live stays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deploy_action.errors import ErrorCode, GateRefused
from deploy_action.releases.ledger import current_deployment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.inputs import Inputs
    from deploy_action.releases.model import Deployment, Release

__all__ = ["require_newest"]

_RUN = re.compile(r"(https?://\S+)/actions/runs/([0-9]{1,18})")


def require_newest(release: Release, entries: Sequence[Deployment], inputs: Inputs) -> None:
    """Refuse a release if a newer run of the same repository made another one live meanwhile.

    A run of GitHub Actions may wait for its approval for 30 days, or for the lock. Runs are numbered
    as they start. A run that somebody starts again means it: only the first attempt is refused.

    Raises:
        GateRefused: this run was overtaken.
    """
    current = current_deployment(entries)
    if current is None or current.release.id == release.id:
        return
    own, theirs = _RUN.fullmatch(inputs.run_url), _RUN.fullmatch(current.run_url)
    again = inputs.environ.get("GITHUB_RUN_ATTEMPT", "1") != "1"
    if (
        own is None
        or theirs is None
        or own[1] != theirs[1]
        or again
        or int(theirs[2]) <= int(own[2])
    ):
        return
    raise GateRefused(
        f"{release.version} was overtaken: a newer run made "
        f"{current.release.version} live in {release.environment}",
        cause=f"this run waited for its approval or for the lock while {current.run_url} went on",
        remedy=f"re-run this job to deploy {release.version} all the same",
        code=ErrorCode.SUPERSEDED,
    )
