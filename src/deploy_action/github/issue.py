"""The one open issue about an unhealthy environment: opened, updated and closed by monitor."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.github.api import ApiError, ApiResponse
from deploy_action.github.comments import escape_mentions, is_own, marker, truncated
from deploy_action.render.markdown import code, escape_markdown, link
from deploy_action.render.text import moment
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Monitoring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from deploy_action.github.api import Api
    from deploy_action.results.reports import Report

__all__ = ["failures", "keep_issue"]

_CANCELLED = ErrorCode.INTERRUPTED
_NEEDS = "issues: write"
_STATE = re.compile(r"state:([0-9a-f]*)(?: since:(\S+))? -->")


def failures(report: Report) -> tuple[str, ...] | None:
    """Return what is wrong, in Markdown that is the same while the failure is the same.

    Empty where all is well; None where the report says nothing about the environment.
    """
    if isinstance(report, Outcome):
        if isinstance(report.error, DeploymentFailed) and report.error.code is not _CANCELLED:
            return (escape_markdown(report.error.what),)
        return None
    if not isinstance(report, Monitoring):
        return None
    checks = [f"{code(c.name)} of {code(c.where)}" for c in report.checks if not c.passed]
    silent = [f"{code(host)} does not answer" for host in report.unreachable]
    nothing = [] if report.checks or silent else ["nothing is live"]
    return tuple(checks + silent + nothing)


def keep_issue(
    api: Api, report: Report, page: str, *, subject: tuple[str, str], run_url: str, now: datetime
) -> ApiError | None:
    """Open an issue when something is wrong, comment when that changes, close it when all is well.

    Args:
        page: the report as Markdown.
        subject: service and environment.
        now: when the report was made.
    """
    failed = failures(report)
    if failed is None:
        return None
    beginning = marker("monitor", *subject)
    listed = api.pages("issues", needs=_NEEDS, query={"state": "open"})
    if isinstance(listed, ApiError):
        return listed
    own = [entry for entry in listed.entries if is_own(entry, beginning)]
    issue = min(own, key=lambda entry: int(entry["number"]), default=None)
    run = f"\n\n{link('The run', run_url)}" if run_url else ""
    if not failed:
        return None if issue is None else _close(api, issue, run)
    state = _fingerprint(failed)
    before = _STATE.search(str(issue["body"])) if issue is not None else None
    since = (before[2] if before else None) or now.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = truncated(
        f"{beginning}state:{state} since:{since} -->\n{escape_mentions(page)}"
        f"**Unhealthy since** {moment(since)}{_EXPLAINED}{run}"
    )
    if issue is None:
        title = f"{subject[0]} in {subject[1]} is not well"
        return _error(api.post("issues", {"title": title, "body": body}, needs=_NEEDS))
    if before is not None and before[1] == state:
        return None
    return _change(api, issue, body, f"What is wrong has changed:\n\n{_list(failed)}{run}")


_EXPLAINED = (
    "\n\n*Kept by deploy-action: it comments here when the failure changes, and closes the issue"
    " when all is well.*"
)


def _change(api: Api, issue: Any, body: str, comment: str) -> ApiError | None:
    # The comment comes last: without the new body, the next run would write it again.
    path = f"issues/{issue['number']}"
    changed = api.patch(path, {"body": body}, needs=_NEEDS)
    if isinstance(changed, ApiError):
        return changed
    return _error(api.post(f"{path}/comments", {"body": escape_mentions(comment)}, needs=_NEEDS))


def _close(api: Api, issue: Any, run: str) -> ApiError | None:
    path = f"issues/{issue['number']}"
    closed = api.patch(path, {"state": "closed", "state_reason": "completed"}, needs=_NEEDS)
    if isinstance(closed, ApiError):
        return closed
    return _error(api.post(f"{path}/comments", {"body": f"All is well.{run}"}, needs=_NEEDS))


def _list(failed: Sequence[str]) -> str:
    return truncated("\n".join(f"- {line}" for line in failed))


def _fingerprint(failed: Sequence[str]) -> str:
    """Identify a failure: counts and times in messages do not matter."""
    stable = sorted(re.sub(r"\d+", "", line) for line in failed)
    return hashlib.sha256("\n".join(stable).encode()).hexdigest()[:16]


def _error(response: ApiResponse | ApiError) -> ApiError | None:
    return response if isinstance(response, ApiError) else None
