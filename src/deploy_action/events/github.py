"""The observer that keeps GitHub's own list of deployments up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.clock import SystemClock
from deploy_action.events.model import CommandFinished, DeploymentStarted
from deploy_action.github.api import Api, ApiError, ErrorKind, Pages
from deploy_action.github.context import Context
from deploy_action.github.deployments import (
    NEEDS,
    ending,
    is_commit,
    latest,
    new_deployment,
    new_status,
    task,
)
from deploy_action.inputs import Secret
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.model import Event
    from deploy_action.inputs import Inputs
    from deploy_action.releases.model import Deployment
    from deploy_action.results.reports import Report

__all__ = ["DeploymentReporter", "reporter"]

START_SECONDS = 20.0
END_SECONDS = 5.0
_OPEN = ("in_progress", "queued", "pending")


def reporter(inputs: Inputs) -> DeploymentReporter:
    """Return the observer that `--github-record` asks for."""
    context, token = Context.read(inputs.environ), Secret(inputs.environ.get("GITHUB_TOKEN", ""))

    def connect(seconds: float) -> Api:
        return Api(
            url=context.api_url,
            token=token,
            repository=context.repository,
            clock=SystemClock(),
            seconds=seconds,
        )

    complete = bool(token.reveal().strip() and context.repository)
    return DeploymentReporter(context, connect if complete else None)


class DeploymentReporter:
    """Opens a deployment on GitHub when an attempt begins, and closes it when the attempt ended.

    Args:
        connect: makes an API client that lasts so many seconds; None: token or repository missing.
    """

    name = "GitHub's record of this deployment"

    def __init__(self, context: Context, connect: Callable[[float], Api] | None) -> None:
        self._context = context
        self._connect = connect
        self._deployment: Deployment | None = None
        self._opened: int | ApiError = _NO_TOKEN
        self._notes: list[Note] = []

    def notify(self, event: Event) -> None:
        """Open or close the deployment on GitHub."""
        match event:
            case DeploymentStarted():
                self._deployment = event.deployment
                if self._connect is not None:
                    with contextlib.closing(self._connect(START_SECONDS)) as api:
                        self._opened = self._open(api, event.deployment)
            case CommandFinished() if self._deployment is not None:
                if isinstance(self._opened, ApiError) or self._connect is None:
                    self._notes.append(_not_recorded(self._opened))
                else:
                    with contextlib.closing(self._connect(END_SECONDS)) as api:
                        self._close(api, self._opened, self._deployment, event.report)
            case _:
                pass

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:  # noqa: ARG002
        """Return what a person should know about the record."""
        return tuple(self._notes)

    def _open(self, api: Api, deployment: Deployment) -> int | ApiError:
        opened = self._create(api, deployment)
        if isinstance(opened, int):
            # The last status says more; that this one is missing, nobody notices.
            status = new_status("in_progress", run_url=self._context.run_url)
            api.post(f"deployments/{opened}/statuses", status, needs=NEEDS, repeatable=True)
        return opened

    def _create(self, api: Api, deployment: Deployment) -> int | ApiError:
        body = new_deployment(deployment, self._context.commit)
        created = api.post("deployments", body, needs=NEEDS)
        if isinstance(created, ApiError) and created.kind is ErrorKind.UNREACHABLE:
            # The response may have been lost.
            existing = _find(api, body)
            if existing is not None:
                return existing
            created = api.post("deployments", body, needs=NEEDS)
        another = is_commit(self._context.commit) and body["ref"] != self._context.commit
        if isinstance(created, ApiError) and created.kind is ErrorKind.INVALID and another:
            # The release may come from a commit of another repository, or one never pushed.
            created = api.post("deployments", {**body, "ref": self._context.commit}, needs=NEEDS)
        return created if isinstance(created, ApiError) else int(created.data["id"])

    def _close(self, api: Api, opened: int, deployment: Deployment, report: Report | None) -> None:
        outcome = report if isinstance(report, Outcome) else None
        url = "" if outcome is None else outcome.url
        status = ending(outcome, run_url=self._context.run_url, url=url)
        closed = api.post(f"deployments/{opened}/statuses", status, needs=NEEDS, repeatable=True)
        if isinstance(closed, ApiError):
            self._note(f"GitHub shows this deployment as still in progress: {closed}")
            return
        live = outcome is not None and outcome.result in (Result.DEPLOYED, Result.ROLLED_BACK)
        error = _end_earlier(api, opened, deployment, live=live)
        if error is not None:
            self._note(f"GitHub still shows earlier deployments as live: {error}")

    def _note(self, text: str) -> None:
        self._notes.append(Note(NoteCode.GITHUB_RECORD_INCOMPLETE, text))


def _end_earlier(api: Api, opened: int, deployment: Deployment, *, live: bool) -> ApiError | None:
    """End earlier deployments of the service: the previous live one, and those of lost runs."""
    release = deployment.release
    query = {"environment": release.environment, "task": task(release.service)}
    listed = api.pages("deployments", needs=NEEDS, query=query, most=100)
    if isinstance(listed, ApiError):
        return listed
    # Newest first: what is before one that was ended already was ended with it.
    for identifier in _earlier(listed, opened):
        path = f"deployments/{identifier}/statuses"
        statuses = api.get(path, needs=NEEDS, query={"per_page": 1})
        if isinstance(statuses, ApiError):
            return statuses
        state = latest(statuses.data)
        if state == "inactive" and live:
            return None
        status = None
        if state == "success" and live:
            status = new_status("inactive", run_url="")
        elif state in _OPEN:
            status = new_status("error", "its run was lost", run_url="")
        if status is not None:
            posted = api.post(path, status, needs=NEEDS)
            if isinstance(posted, ApiError):
                return posted
        if state == "success" and not live:
            return None
    return None


_NO_TOKEN = ApiError(
    kind=ErrorKind.NO_TOKEN,
    what="GITHUB_TOKEN or GITHUB_REPOSITORY is not set",
    remedy="in a workflow, leave the input github-token at its default, and give the job"
    " permissions: {deployments: write}",
)


def _not_recorded(error: int | ApiError) -> Note:
    unreachable = isinstance(error, ApiError) and error.kind is ErrorKind.UNREACHABLE
    off = "" if unreachable else ", or set github-record: off"
    text = f"this deployment is not among GitHub's: {error}{off}"
    return Note(NoteCode.GITHUB_NOT_RECORDED, text)


def _find(api: Api, body: Mapping[str, Any]) -> int | None:
    """Look for a deployment that was created although no response said so."""
    query = {"environment": body["environment"], "task": body["task"], "per_page": 10}
    listed = api.get("deployments", needs=NEEDS, query=query)
    if isinstance(listed, ApiError):
        return None
    mine = [int(entry["id"]) for entry in listed.data if entry["payload"] == body["payload"]]
    return mine[0] if mine else None


def _earlier(listed: Pages, opened: int) -> list[int]:
    numbers = [int(entry["id"]) for entry in listed.entries]
    return sorted((number for number in numbers if number < opened), reverse=True)
