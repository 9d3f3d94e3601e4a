"""The pull request that triggered a run, read from the event file."""

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
    """Return the pull request that triggered the run, or None.

    https://docs.github.com/webhooks/webhook-events-and-payloads#pull_request
    """
    if not context.event_file:
        return None
    try:
        request = json.loads(Path(context.event_file).read_text(encoding="utf-8"))["pull_request"]
        source = (request["head"]["repo"] or {}).get("full_name")
        return PullRequest(number=int(request["number"]), from_fork=source != context.repository)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Another kind of event, or none.
        return None
