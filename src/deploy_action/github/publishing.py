"""All that a run writes on GitHub by its API; whatever comes of it, the report stays what it was."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.action.context import Context
from deploy_action.action.event import pull_request
from deploy_action.action.inputs import action_inputs, command_of
from deploy_action.clock import SystemClock
from deploy_action.github.api import Api, ApiError, ErrorKind
from deploy_action.github.comments import mark, write_comment
from deploy_action.github.issue import keep_issue
from deploy_action.github.live_tag import tag_live
from deploy_action.github.options import PublishOptions
from deploy_action.github.release_notes import release_notes
from deploy_action.github.reporter import DeploymentReporter, GitHubDeployment
from deploy_action.inputs import Secret
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.progress import Progress
    from deploy_action.results.answers import Report

__all__ = ["Published", "Publisher"]

_SECONDS = 10.0
_LIVE = (Result.DEPLOYED, Result.ROLLED_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A report with what became of the rest as notes, and the release notes as Markdown."""

    report: Report
    release_notes: str = ""


class Publisher:
    """Grants a step's wishes.

    Args:
        environ: the step's environment, with the token as GITHUB_TOKEN where there is one.

    Raises:
        BadInput: a wish that cannot be granted.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        inputs = action_inputs(environ)
        self._context = Context.read(environ)
        self._wishes = PublishOptions.read(inputs, command_of(inputs))
        self._config = Path(inputs.get("config") or "deploy.yaml")
        self._environment = inputs.get("environment", "")
        self._token = Secret(environ.get("GITHUB_TOKEN", ""))
        self._record = GitHubDeployment(
            self._context, self._api if self._token.reveal().strip() else None
        )

    def watching(self, progress: Progress) -> Progress:
        """Let the record be opened when a deployment begins."""
        wanted = self._wishes.record and self._context.on_github and self._context.repository
        return DeploymentReporter(progress, self._record) if wanted else progress

    def broke(self) -> None:
        """Close the record of a deployment that a bug ended."""
        self._record.end(None)

    def publish(self, report: Report, page: str) -> Published:
        """Write what is wanted.

        Args:
            page: the report as Markdown.
        """
        notes, news = list[str](), list[str]()
        if isinstance(report, Outcome):
            notes += self._record.end(report, report.url)
            if report.result in _LIVE and self._wishes.live_tag:
                notes += _guarded("the tag", lambda: self._tag(report))
            if report.result in _LIVE and self._wishes.release_notes:
                notes += _guarded("the release notes", lambda: self._news(report, news))
        if self._wishes.comment:
            notes += _guarded("the comment", lambda: self._comment(report, page))
        if self._wishes.issue:
            notes += _guarded("the issue", lambda: self._issue(report, page))
        return Published(report=_noted(report, notes), release_notes="".join(news))

    def _tag(self, outcome: Outcome) -> list[str]:
        if outcome.deployment is None:
            return []
        with self._talk() as api:
            done = api if isinstance(api, ApiError) else tag_live(api, outcome.deployment)
        if isinstance(done, ApiError):
            return [f"no tag was made for what went live: {done}"]
        return [f"tagged as {done}"]

    def _news(self, outcome: Outcome, news: list[str]) -> list[str]:
        own = outcome.deployment
        if own is None or not own.previous:
            return ["no release notes: nothing served before"]
        with self._talk() as api:
            if isinstance(api, ApiError):
                return [f"no release notes: {api}"]
            found = release_notes(
                api,
                base=outcome.previous_commit,
                head=own.release.commit,
                before=own.previous_version,
                repository_url=self._context.repository_url,
            )
        if isinstance(found, ApiError):
            return [f"no release notes: {found}"]
        news.append(found)
        return []

    def _comment(self, report: Report, page: str) -> list[str]:
        request = pull_request(self._context)
        if request is None:
            return ["no comment was written: this run is about no pull request"]
        with self._talk() as api:
            if isinstance(api, ApiError):
                trouble: ApiError | None = api
            else:
                beginning = mark("plan", *self._subject(report))
                trouble = write_comment(api, request.number, page, beginning)
        if trouble is None:
            return []
        if request.from_fork and trouble.why in (ErrorKind.PERMISSION, ErrorKind.NO_TOKEN):
            return ["the plan is on this page alone: a fork's pull request gets a read-only token"]
        return [f"the plan was not written as a comment: {trouble}"]

    def _issue(self, report: Report, page: str) -> list[str]:
        with self._talk() as api:
            if isinstance(api, ApiError):
                trouble: ApiError | None = api
            else:
                subject, run = self._subject(report), self._context.run_url
                trouble = keep_issue(api, report, page, subject=subject, run_url=run)
        return [] if trouble is None else [f"the issue was not brought up to date: {trouble}"]

    def _subject(self, report: Report) -> tuple[str, str]:
        """Return service and environment, also of a report that an error ended early."""
        service = str(getattr(report, "service", ""))
        environment = str(getattr(report, "environment", "")) or self._environment
        if not service or not environment:
            from deploy_action.config import check

            config, _ = check(self._config)
            if config is not None:
                service = service or config.service
                environment = environment or next(iter(config.environments))
        return service or str(self._config), environment

    def _api(self, seconds: float) -> Api:
        return Api(
            url=self._context.api_url,
            token=self._token,
            repository=self._context.repository,
            clock=SystemClock(),
            seconds=seconds,
        )

    @contextlib.contextmanager
    def _talk(self) -> Iterator[Api | ApiError]:
        if not self._token.reveal().strip() or not self._context.repository:
            yield ApiError(
                why=ErrorKind.NO_TOKEN,
                what="there is no token",
                remedy="leave the input github-token at its default",
            )
            return
        with contextlib.closing(self._api(_SECONDS)) as api:
            yield api


def _guarded(what: str, write: Callable[[], list[str]]) -> list[str]:
    """Let an answer that nobody foresaw be a note: what was deployed is deployed."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001 - the exit code is the deployment's
        return [f"{what} could not be written: {type(error).__name__}"]


def _noted(report: Report, notes: list[str]) -> Report:
    """Add notes to a report that has room for them."""
    known = getattr(report, "notes", None)
    if not notes or known is None:
        return report
    return dataclasses.replace(report, notes=(*known, *notes))  # type: ignore[arg-type]
