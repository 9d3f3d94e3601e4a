"""The pull request that a run is about, read from the event that started it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from deploy_action.github.context import Context

__all__ = ["PullRequest", "pull_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request; one from a fork gets a token that can only read."""

    number: int
    from_fork: bool


def pull_request(context: Context) -> PullRequest | None:
    """Return the run's pull request; None where it is about none.

    https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request
    """
    if not context.event_file:
        return None
    try:
        found = json.loads(Path(context.event_file).read_text(encoding="utf-8"))["pull_request"]
        source = (found["head"]["repo"] or {}).get("full_name")
        return PullRequest(number=int(found["number"]), from_fork=source != context.repository)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # An event of another kind, or none that we know.
        return None
