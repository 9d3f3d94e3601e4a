"""Comments and issues that are updated in place: a hidden marker, a trusted author, no mentions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deploy_action.github.api import ApiError
from deploy_action.render.markdown import truncate

if TYPE_CHECKING:
    from deploy_action.github.api import Api

__all__ = [
    "COMMENT_NEEDS",
    "MOST_CHARACTERS",
    "escape_mentions",
    "is_own",
    "marker",
    "truncated",
    "write_comment",
]

MOST_CHARACTERS = 65536
"""Of the body of an issue or a comment."""
COMMENT_NEEDS = "pull-requests: write"
_CUT = "\n\n*This was cut at GitHub's limit of 65,536 characters; the run's page has all of it.*\n"
_TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


def marker(kind: str, service: str, environment: str) -> str:
    """Return the start of the hidden line that identifies an entry as deploy-action's."""
    subject = re.sub(r"[^\w./-]|--+", "_", f"{service}/{environment}")
    return f"<!-- deploy-action {kind} {subject} "


def escape_mentions(markdown: str) -> str:
    """Keep names and numbers from notifying people and linking issues.

    GitHub looks for them after it has rendered the Markdown, so a backslash does not help.
    """
    return markdown.replace(r"\@", "@<!-- -->").replace(r"\#", "#<!-- -->")


def truncated(markdown: str) -> str:
    """Cut a body at the length that GitHub accepts."""
    if len(markdown.encode()) <= MOST_CHARACTERS:
        return markdown
    return truncate(markdown, MOST_CHARACTERS, _CUT).decode(errors="ignore")


def is_own(entry: Any, beginning: str) -> bool:
    """Tell deploy-action's own entry from one by a stranger who copied the hidden line."""
    if beginning not in str(entry.get("body") or ""):
        return False
    bot = (entry.get("user") or {}).get("type") == "Bot"
    return bot or entry.get("author_association") in _TRUSTED


def write_comment(api: Api, number: int, markdown: str, beginning: str) -> ApiError | None:
    """Write a comment below a pull request, or update the one that is there."""
    body = truncated(f"{beginning}-->\n{escape_mentions(markdown)}")
    listed = api.pages(f"issues/{number}/comments", needs=COMMENT_NEEDS)
    if isinstance(listed, ApiError):
        return listed
    existing = next((entry for entry in listed.entries if is_own(entry, beginning)), None)
    if existing is not None and existing["body"] == body:
        return None
    if existing is None:
        done = api.post(f"issues/{number}/comments", {"body": body}, needs=COMMENT_NEEDS)
    else:
        done = api.patch(f"issues/comments/{existing['id']}", {"body": body}, needs=COMMENT_NEEDS)
    return done if isinstance(done, ApiError) else None
