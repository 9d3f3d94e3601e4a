"""Comments and issues that we find again: a hidden mark, a trusted author, and text that is quiet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deploy_action.github.api import ApiError
from deploy_action.render.markdown import shortened

if TYPE_CHECKING:
    from deploy_action.github.api import Api

__all__ = [
    "COMMENT_NEEDS",
    "MOST_CHARACTERS",
    "escape_mentions",
    "fitted",
    "mark",
    "ours",
    "write_comment",
]

MOST_CHARACTERS = 65536
"""Of the body of an issue or a comment."""
COMMENT_NEEDS = "pull-requests: write"
_CUT = "\n\n*This was cut at GitHub's limit of 65,536 characters; the run's page has all of it.*\n"
_TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


def mark(kind: str, service: str, environment: str) -> str:
    """Return the beginning of the hidden line by which an entry is known for ours."""
    subject = re.sub(r"[^\w./-]|--+", "_", f"{service}/{environment}")
    return f"<!-- deploy-action {kind} {subject} "


def escape_mentions(markdown: str) -> str:
    """Let escaped names and numbers be text: a comment notifies people and links issues by them.

    GitHub looks for them after the Markdown was rendered, so that a backslash does not help.
    """
    return markdown.replace(r"\@", "@<!-- -->").replace(r"\#", "#<!-- -->")


def fitted(markdown: str) -> str:
    """Cut what GitHub would refuse for its length."""
    if len(markdown.encode()) <= MOST_CHARACTERS:
        return markdown
    return shortened(markdown, MOST_CHARACTERS, _CUT).decode(errors="ignore")


def ours(entry: Any, beginning: str) -> bool:
    """Tell our own entry from one by a stranger, who can copy a hidden line into theirs."""
    if beginning not in str(entry.get("body") or ""):
        return False
    bot = (entry.get("user") or {}).get("type") == "Bot"
    return bot or entry.get("author_association") in _TRUSTED


def write_comment(api: Api, number: int, markdown: str, beginning: str) -> ApiError | None:
    """Write a comment below a pull request, or bring the one that is there up to date."""
    body = fitted(f"{beginning}-->\n{escape_mentions(markdown)}")
    found = api.pages(f"issues/{number}/comments", needs=COMMENT_NEEDS)
    if isinstance(found, ApiError):
        return found
    mine = next((entry for entry in found.entries if ours(entry, beginning)), None)
    if mine is not None and mine["body"] == body:
        return None
    if mine is None:
        done = api.post(f"issues/{number}/comments", {"body": body}, needs=COMMENT_NEEDS)
    else:
        done = api.patch(f"issues/comments/{mine['id']}", {"body": body}, needs=COMMENT_NEEDS)
    return done if isinstance(done, ApiError) else None
