"""The one open issue about an environment that is not well: opened, updated and closed by monitor."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from deploy_action.errors import DeploymentFailed, Interrupted
from deploy_action.github.api import Answer, ApiError
from deploy_action.github.comments import escape_mentions, fitted, mark, ours
from deploy_action.render.markdown import code, link, text
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Monitoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.github.api import Api
    from deploy_action.results.reports import Report

__all__ = ["complaints", "keep_issue"]

_NEEDS = "issues: write"
_STATE = re.compile(r"state:([0-9a-f]*) -->")


def complaints(report: Report) -> tuple[str, ...] | None:
    """Say in Markdown what is wrong, as stable from one look to the next as it is the same.

    Returns nothing where all is well, and None where the look itself says nothing about it.
    """
    if isinstance(report, Outcome):
        if isinstance(report.error, DeploymentFailed) and not isinstance(report.error, Interrupted):
            return (text(report.error.what),)
        return None
    if not isinstance(report, Monitoring):
        return None
    failed = [f"{code(c.name)} of {code(c.where)}" for c in report.checks if not c.passed]
    gone = [f"{code(host)} does not answer" for host in report.unreachable]
    nothing = [] if report.checks or gone else ["nothing is live"]
    return tuple(failed + gone + nothing)


def keep_issue(
    api: Api, report: Report, page: str, *, subject: tuple[str, str], run_url: str
) -> ApiError | None:
    """Open an issue when something is wrong, comment when it is something else, close it when well.

    Args:
        page: the report as Markdown.
        subject: service and environment.
    """
    wrong = complaints(report)
    if wrong is None:
        return None
    beginning = mark("monitor", *subject)
    found = api.pages("issues", needs=_NEEDS, query={"state": "open"})
    if isinstance(found, ApiError):
        return found
    mine = [entry for entry in found.entries if ours(entry, beginning)]
    issue = min(mine, key=lambda entry: int(entry["number"]), default=None)
    run = f"\n\n{link('The run', run_url)}" if run_url else ""
    if not wrong:
        return None if issue is None else _close(api, issue, run)
    state = _fingerprint(wrong)
    body = fitted(f"{beginning}state:{state} -->\n{escape_mentions(page)}{_EXPLAINED}{run}")
    if issue is None:
        title = f"{subject[0]} in {subject[1]} is not well"
        return _trouble(api.post("issues", {"title": title, "body": body}, needs=_NEEDS))
    before = _STATE.search(str(issue["body"]))
    if before is not None and before[1] == state:
        return None
    return _change(api, issue, body, f"What is wrong has changed:\n\n{_list(wrong)}{run}")


_EXPLAINED = (
    "\n\n*Kept by deploy-action: it comments here when something else is wrong, and closes the issue"
    " when all is well.*"
)


def _change(api: Api, issue: Any, body: str, said: str) -> ApiError | None:
    # The comment comes last: without the new body, the next look would say it once more.
    path = f"issues/{issue['number']}"
    changed = api.patch(path, {"body": body}, needs=_NEEDS)
    if isinstance(changed, ApiError):
        return changed
    return _trouble(api.post(f"{path}/comments", {"body": escape_mentions(said)}, needs=_NEEDS))


def _close(api: Api, issue: Any, run: str) -> ApiError | None:
    path = f"issues/{issue['number']}"
    closed = api.patch(path, {"state": "closed", "state_reason": "completed"}, needs=_NEEDS)
    if isinstance(closed, ApiError):
        return closed
    return _trouble(api.post(f"{path}/comments", {"body": f"All is well.{run}"}, needs=_NEEDS))


def _list(wrong: Sequence[str]) -> str:
    return fitted("\n".join(f"- {line}" for line in wrong))


def _fingerprint(wrong: Sequence[str]) -> str:
    """Return what stays equal while the same is wrong: counts and times in messages do not matter."""
    stable = sorted(re.sub(r"\d+", "", line) for line in wrong)
    return hashlib.sha256("\n".join(stable).encode()).hexdigest()[:16]


def _trouble(done: Answer | ApiError) -> ApiError | None:
    return done if isinstance(done, ApiError) else None
