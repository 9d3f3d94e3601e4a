"""Remarks of a report: an identifier for programs and tests, a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Note", "NoteCode"]


class NoteCode(StrEnum):
    """What a note is about; stays while sentences change."""

    OTHER = "other"
    ADDRESS_UNANSWERED = "address-unanswered"
    CLEAN_UP_INCOMPLETE = "clean-up-incomplete"
    COMMENT_NOT_WRITTEN = "comment-not-written"
    EDGE_NETWORK = "edge-network"
    EDGE_REWRITTEN = "edge-rewritten"
    FIRST_DEPLOYMENT = "first-deployment"
    GAP_EXPECTED = "gap-expected"
    GITHUB_NOT_RECORDED = "github-not-recorded"
    GITHUB_RECORD_INCOMPLETE = "github-record-incomplete"
    HOST_DOUBTFUL = "host-doubtful"
    HOOK_FAILED = "hook-failed"
    IMAGE_NOT_RETAINED = "image-not-retained"
    IN_MAINTENANCE = "in-maintenance"
    ISSUE_NOT_WRITTEN = "issue-not-written"
    LEDGER_DISPUTED = "ledger-disputed"
    LEDGER_UNSIGNED = "ledger-unsigned"
    LEDGER_NOT_WRITTEN = "ledger-not-written"
    LOG_LOST = "log-lost"
    NETWORK_NAME_TAKEN = "network-name-taken"
    NOTIFICATION_NOT_SENT = "notification-not-sent"
    OBSERVER_FAILED = "observer-failed"
    OBSERVER_TIMED_OUT = "observer-timed-out"
    OUTPUT_MASKED = "output-masked"
    REPLICA_KILLED = "replica-killed"
    REPLICA_RECREATED = "replica-recreated"
    REPLICA_RESTARTED = "replica-restarted"
    REQUESTS_CUT = "requests-cut"
    REQUESTS_LOST = "requests-lost"
    RELEASE_NOTES_NOT_WRITTEN = "release-notes-not-written"
    SECRET_TRIVIAL = "secret-trivial"
    SOURCE_CHANGED = "source-changed"
    TAGGED = "tagged"
    TAG_NOT_WRITTEN = "tag-not-written"
    VOLUME_KEPT = "volume-kept"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark."""

    code: NoteCode
    text: str

    def __str__(self) -> str:
        return self.text
