"""Remarks of a report: an identifier for programs and tests, a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Note", "NoteCode"]


class NoteCode(StrEnum):
    """What a note is about; stays while sentences change."""

    OTHER = "other"
    COMMENT_NOT_WRITTEN = "comment-not-written"
    GITHUB_NOT_RECORDED = "github-not-recorded"
    GITHUB_RECORD_INCOMPLETE = "github-record-incomplete"
    ISSUE_NOT_WRITTEN = "issue-not-written"
    OBSERVER_FAILED = "observer-failed"
    OBSERVER_TIMED_OUT = "observer-timed-out"
    RELEASE_NOTES_NOT_WRITTEN = "release-notes-not-written"
    TAGGED = "tagged"
    TAG_NOT_WRITTEN = "tag-not-written"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark."""

    code: NoteCode
    text: str

    def __str__(self) -> str:
        return self.text
