"""What is live in an environment, for the commands that need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.releases.ledger import current_deployment

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment

__all__ = ["require_live"]


def require_live(entries: Sequence[Deployment], environment: str) -> Deployment:
    """Return the deployment that is live.

    Raises:
        BadInput: nothing is.
    """
    current = current_deployment(entries)
    if current is None:
        raise BadInput(
            f"{environment}: nothing is live there",
            remedy=f"deploy-action deploy -e {environment}",
            code=ErrorCode.NOTHING_DEPLOYED,
        )
    return current
