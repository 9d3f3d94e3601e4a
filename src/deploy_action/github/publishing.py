"""Writes a report on GitHub by its API: tag, release notes, comment, issue.

Whatever fails becomes a note of the report; the result and the exit code stay what they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.github.api import Api, ApiError, ErrorKind
from deploy_action.github.comments import marker, write_comment
from deploy_action.github.event import pull_request
from deploy_action.github.issue import keep_issue
from deploy_action.github.live_tag import tag_live
from deploy_action.github.release_notes import release_notes
from deploy_action.github.settings import environment_checks
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import with_notes

if TYPE_CHECKING:
    from deploy_action.github.context import Context
    from deploy_action.inputs import Secret
    from deploy_action.results.reports import Check, DoctorReport, Report

__all__ = ["PublishOptions", "Published", "Publisher"]

_SECONDS = 10.0
_LIVE = (Result.DEPLOYED, Result.ROLLED_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """What to write besides log, outputs and summary page; each has to be asked for."""

    live_tag: bool = False
    release_notes: bool = False
    comment: bool = False
    issue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The report with notes on what could not be written, and the release notes as Markdown."""

    report: Report
    release_notes: str = ""


class Publisher:
    """Writes what the options ask for.

    Args:
        token: empty where there is none.
        config, environment: what the run is about, for reports that do not say it themselves.
    """

    def __init__(
        self,
        context: Context,
        options: PublishOptions,
        token: Secret,
        *,
        config: Path,
        environment: str,
    ) -> None:
        self._context = context
        self._options = options
        self._token = token
        self._config = config
        self._environment = environment

    def publish(self, report: Report, page: str) -> Published:
        """Write everything that the options ask for.

        Args:
            page: the report as Markdown.
        """
        options, notes, news = self._options, list[Note](), list[str]()
        if isinstance(report, Outcome) and report.result in _LIVE:
            if options.live_tag:
                notes += _guarded(NoteCode.TAG_NOT_WRITTEN, lambda: self._tag(report))
            if options.release_notes:
                notes += _guarded(
                    NoteCode.RELEASE_NOTES_NOT_WRITTEN, lambda: self._release_notes(report, news)
                )
        if options.comment:
            notes += _guarded(NoteCode.COMMENT_NOT_WRITTEN, lambda: self._comment(report, page))
        if options.issue:
            notes += _guarded(NoteCode.ISSUE_NOT_WRITTEN, lambda: self._issue(report, page))
        return Published(report=with_notes(report, notes), release_notes="".join(news))

    def with_settings(self, report: DoctorReport) -> DoctorReport:
        """Add what the token sees of the repository's settings."""
        return dataclasses.replace(report, checks=(*report.checks, *self._settings()))

    def _settings(self) -> tuple[Check, ...]:
        """Check what the token sees of the repository's settings."""
        from deploy_action.config import check

        config, _ = check(self._config)
        names = [self._environment] if self._environment else config.environments if config else ()
        with self._connected() as api:
            if isinstance(api, ApiError):
                return ()
            return tuple(environment_checks(api, names))

    def _tag(self, outcome: Outcome) -> list[Note]:
        if outcome.deployment is None:
            return []
        with self._connected() as api:
            tag = api if isinstance(api, ApiError) else tag_live(api, outcome.deployment)
        if isinstance(tag, ApiError):
            if self._context.called and tag.kind is ErrorKind.PERMISSION:
                remedy = "pass the secret DEPLOY_GITHUB_TOKEN, a token that may write contents"
                tag = dataclasses.replace(tag, remedy=remedy)
            return [Note(NoteCode.TAG_NOT_WRITTEN, f"no tag was made for what went live: {tag}")]
        return [Note(NoteCode.TAGGED, f"tagged as {tag}")]

    def _release_notes(self, outcome: Outcome, news: list[str]) -> list[Note]:
        own = outcome.deployment
        if own is None or not own.previous:
            return [
                Note(NoteCode.RELEASE_NOTES_NOT_WRITTEN, "no release notes: nothing served before")
            ]
        with self._connected() as api:
            if isinstance(api, ApiError):
                return [Note(NoteCode.RELEASE_NOTES_NOT_WRITTEN, f"no release notes: {api}")]
            written = release_notes(
                api,
                base=outcome.previous_commit,
                head=own.release.commit,
                before=own.previous_version,
                repository_url=self._context.repository_url,
            )
        if isinstance(written, ApiError):
            return [Note(NoteCode.RELEASE_NOTES_NOT_WRITTEN, f"no release notes: {written}")]
        news.append(written)
        return []

    def _comment(self, report: Report, page: str) -> list[Note]:
        request = pull_request(self._context)
        if request is None:
            return [
                Note(
                    NoteCode.COMMENT_NOT_WRITTEN,
                    "no comment was written: this run is about no pull request",
                )
            ]
        with self._connected() as api:
            if isinstance(api, ApiError):
                error: ApiError | None = api
            else:
                beginning = marker("plan", *self._subject(report))
                error = write_comment(api, request.number, page, beginning)
        if error is None:
            return []
        if request.from_fork and error.kind in (ErrorKind.PERMISSION, ErrorKind.NO_TOKEN):
            return [
                Note(
                    NoteCode.COMMENT_NOT_WRITTEN,
                    "the plan is on this page alone: a fork's pull request gets a read-only token",
                )
            ]
        return [
            Note(NoteCode.COMMENT_NOT_WRITTEN, f"the plan was not written as a comment: {error}")
        ]

    def _issue(self, report: Report, page: str) -> list[Note]:
        with self._connected() as api:
            if isinstance(api, ApiError):
                error: ApiError | None = api
            else:
                subject, run = self._subject(report), self._context.run_url
                now = SystemClock().now()
                error = keep_issue(api, report, page, subject=subject, run_url=run, now=now)
        return (
            []
            if error is None
            else [
                Note(NoteCode.ISSUE_NOT_WRITTEN, f"the issue was not brought up to date: {error}")
            ]
        )

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

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Api | ApiError]:
        if not self._token.reveal().strip() or not self._context.repository:
            yield ApiError(
                kind=ErrorKind.NO_TOKEN,
                what="there is no token",
                remedy="leave the input github-token at its default",
            )
            return
        api = Api(
            url=self._context.api_url,
            token=self._token,
            repository=self._context.repository,
            clock=SystemClock(),
            seconds=_SECONDS,
        )
        with contextlib.closing(api):
            yield api


def _guarded(code: NoteCode, write: Callable[[], list[Note]]) -> list[Note]:
    """Turn an unforeseen response into a note: the deployment itself is done."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001 - the exit code is the deployment's
        what = code.removesuffix("-not-written").replace("-", " ")
        return [Note(code, f"the {what} could not be written: {type(error).__name__}")]
