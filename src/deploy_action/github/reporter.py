"""Writes GitHub's record of a deployment beside the deployment, which never waits for it long."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.errors import Interrupted
from deploy_action.github.api import Answer, Api, ApiError, ErrorKind, Pages
from deploy_action.github.deployments import (
    NEEDS,
    ending,
    is_commit,
    latest,
    new_deployment,
    new_status,
    task,
)
from deploy_action.results.outcome import Result

if TYPE_CHECKING:
    from deploy_action.action.context import Context
    from deploy_action.events.progress import Progress
    from deploy_action.releases.model import Deployment
    from deploy_action.results.outcome import Outcome

__all__ = ["DeploymentReporter", "GitHubDeployment"]

START_SECONDS = 20.0
END_SECONDS = 5.0
INTERRUPTED_SECONDS = 2.0
"""A cancelled job is killed soon: https://docs.github.com/actions/reference/workflow-cancellation-reference"""
_OPEN = ("in_progress", "queued", "pending")


class GitHubDeployment:
    """One deployment on GitHub: opened when the attempt begins, closed when it ended.

    Args:
        connect: makes a conversation that lasts at most so many seconds; None: there is no token.
    """

    def __init__(self, context: Context, connect: Callable[[float], Api] | None) -> None:
        self._context = context
        self._connect = connect
        self._deployment: Deployment | None = None
        self._opened: list[int | ApiError] = []
        self._opening: threading.Thread | None = None
        self._notes: list[str] = []

    def begin(self, deployment: Deployment) -> None:
        """Open the record while the deployment starts."""
        self._deployment = deployment
        if self._connect is not None:
            self._opening = self._started(self._open, self._connect(START_SECONDS), deployment)

    def end(self, outcome: Outcome | None, url: str = "") -> tuple[str, ...]:
        """Close the record, and return what a person should know about it.

        Args:
            outcome: what the attempt came to; None when a bug ended it.
            url: where the environment is reached.
        """
        if self._deployment is None:
            return ()
        if self._connect is None:
            trouble = ApiError(why=ErrorKind.NO_TOKEN, what="there is no token", remedy=_TOKEN)
            return (_left_out(trouble),)
        cut_short = outcome is not None and isinstance(outcome.error, Interrupted)
        seconds = INTERRUPTED_SECONDS if cut_short else END_SECONDS
        closing = self._started(self._close, self._connect(seconds), outcome, url)
        closing.join(seconds)
        if closing.is_alive():
            return (_left_out(ApiError(why=ErrorKind.UNREACHABLE, what="no answer in time")),)
        return tuple(self._notes)

    def _open(self, api: Api, deployment: Deployment) -> None:
        opened = self._create(api, deployment)
        self._opened.append(opened)
        if isinstance(opened, int):
            # The last status says more; that this one is missing, nobody notices.
            status = new_status("in_progress", run_url=self._context.run_url)
            api.post(f"deployments/{opened}/statuses", status, needs=NEEDS, harmless=True)

    def _create(self, api: Api, deployment: Deployment) -> int | ApiError:
        body = new_deployment(deployment, self._context.commit)
        made = api.post("deployments", body, needs=NEEDS)
        if isinstance(made, ApiError) and made.why is ErrorKind.UNREACHABLE:
            # The answer may have been lost on its way back.
            there = _find(api, body)
            if there is not None:
                return there
            made = api.post("deployments", body, needs=NEEDS)
        another = is_commit(self._context.commit) and body["ref"] != self._context.commit
        if isinstance(made, ApiError) and made.why is ErrorKind.INVALID and another:
            # The release may come from a commit of another repository, or one that was never pushed.
            made = api.post("deployments", {**body, "ref": self._context.commit}, needs=NEEDS)
        return made if isinstance(made, ApiError) else int(made.data["id"])

    def _close(self, api: Api, outcome: Outcome | None, url: str) -> None:
        notes = self._notes
        if self._opening is not None:
            self._opening.join()
        if not self._opened:
            return  # what broke it is a note already
        (opened,) = self._opened
        if isinstance(opened, ApiError):
            notes.append(_left_out(opened))
            return
        status = ending(outcome, run_url=self._context.run_url, url=url)
        closed = api.post(f"deployments/{opened}/statuses", status, needs=NEEDS, harmless=True)
        if isinstance(closed, ApiError):
            notes.append(f"GitHub's record of this deployment has no end: {closed}")
            return
        good = outcome is not None and outcome.result in (Result.DEPLOYED, Result.ROLLED_BACK)
        trouble = self._end_earlier(api, opened, good)
        if trouble is not None:
            notes.append(f"GitHub shows earlier deployments as live: {trouble}")

    def _end_earlier(self, api: Api, opened: int, good: bool) -> ApiError | None:
        """End what came before of the same service: what served, and what a lost run left open."""
        if self._deployment is None:
            return None
        release = self._deployment.release
        query = {"environment": release.environment, "task": task(release.service)}
        found = api.pages("deployments", needs=NEEDS, query=query, most=100)
        if isinstance(found, ApiError):
            return found
        # Newest first: what is before one that was ended already was ended with it.
        for identifier in _earlier(found, opened):
            path = f"deployments/{identifier}/statuses"
            asked = api.get(path, needs=NEEDS, query={"per_page": 1})
            if isinstance(asked, ApiError):
                return asked
            state = latest(asked.data)
            if state == "inactive" and good:
                return None
            status = None
            if state == "success" and good:
                status = new_status("inactive", run_url="")
            elif state in _OPEN:
                status = new_status("error", "its run was lost", run_url="")
            done = (
                Answer(status=0, data=None)
                if status is None
                else api.post(path, status, needs=NEEDS)
            )
            if isinstance(done, ApiError):
                return done
            if state == "success" and not good:
                return None
        return None

    def _started(
        self, function: Callable[..., None], api: Api, *arguments: Any
    ) -> threading.Thread:
        """Run a conversation in a thread that neither keeps the process alive nor breaks it."""

        def run() -> None:
            try:
                with contextlib.closing(api):
                    function(api, *arguments)
            except Exception as error:  # noqa: BLE001 - a deployment never fails by its record
                self._notes.append(
                    f"GitHub's record of this deployment broke: {type(error).__name__}"
                )

        thread = threading.Thread(target=run, name="github-record", daemon=True)
        thread.start()
        return thread


class DeploymentReporter:
    """A progress that also opens the record."""

    def __init__(self, inner: Progress, record: GitHubDeployment) -> None:
        self._inner, self._record = inner, record

    def say(self, text: str, *, host: str = "") -> None:
        """Pass it on."""
        self._inner.say(text, host=host)

    def warn(self, text: str, *, host: str = "") -> None:
        """Pass it on."""
        self._inner.warn(text, host=host)

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Pass it on."""
        self._inner.quote(title, lines)

    def begin(self, deployment: Deployment) -> None:
        """Pass it on, and open the record."""
        self._inner.begin(deployment)
        self._record.begin(deployment)


_TOKEN = "leave the input github-token at its default, and give the job permissions: {deployments: write}"


def _left_out(trouble: ApiError) -> str:
    off = "" if trouble.why is ErrorKind.UNREACHABLE else ", or say github-record: off"
    return f"this deployment is not among GitHub's: {trouble}{off}"


def _find(api: Api, body: Mapping[str, Any]) -> int | None:
    """Look for a record that was made although nothing says so."""
    query = {"environment": body["environment"], "task": body["task"], "per_page": 10}
    found = api.get("deployments", needs=NEEDS, query=query)
    if isinstance(found, ApiError):
        return None
    mine = [int(entry["id"]) for entry in found.data if entry["payload"] == body["payload"]]
    return mine[0] if mine else None


def _earlier(found: Pages, opened: int) -> list[int]:
    numbers = [int(entry["id"]) for entry in found.entries]
    return sorted((number for number in numbers if number < opened), reverse=True)
