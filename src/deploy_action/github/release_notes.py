"""What is new in a release: the commits between it and the previous one, as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from deploy_action.github.api import ApiError, ApiResponse, ErrorKind
from deploy_action.github.comments import escape_mentions
from deploy_action.github.deployments import is_commit
from deploy_action.render.markdown import code, escape_markdown, link

if TYPE_CHECKING:
    from deploy_action.github.api import Api

__all__ = ["release_notes"]

_NEEDS = "contents: read"
_MOST = 100
_PULL_REQUEST = re.compile(r" \(#(\d+)\)$")


def release_notes(
    api: Api, *, base: str, head: str, before: str, repository_url: str
) -> str | ApiError:
    """Return the notes from commit `base`, which was version `before`, to `head`."""
    if not is_commit(base) or not is_commit(head):
        return ApiError(
            kind=ErrorKind.MISSING,
            what=f"the commits of {before or 'the release before'} and of this one are not both known",
        )
    ahead = _compare(api, base, head)
    if isinstance(ahead, ApiError):
        return ahead
    parts = [_section(f"New since {escape_markdown(before)}", ahead.data, repository_url)]
    if ahead.data.get("behind_by"):
        back = _compare(api, head, base)
        if isinstance(back, ApiError):
            return back
        parts.append(
            _section(f"Taken back from {escape_markdown(before)}", back.data, repository_url)
        )
    shown_text = "\n\n".join(part for part in parts if part)
    # They may become the text of a release, which notifies whom it names.
    return (
        escape_mentions(shown_text)
        or f"No commit lies between {escape_markdown(before)} and this release."
    )


def _compare(api: Api, base: str, head: str) -> ApiResponse | ApiError:
    """https://docs.github.com/rest/commits/commits#compare-two-commits"""
    return api.get(f"compare/{base}...{head}", needs=_NEEDS, query={"per_page": _MOST})


def _section(title: str, compared: Any, repository_url: str) -> str:
    commits = compared["commits"]
    if not commits:
        return ""
    lines = [f"- {_line(commit, repository_url)}" for commit in commits]
    total = int(compared["total_commits"])
    everything = link(f"All {total} commits", str(compared["html_url"]))
    return "\n".join([f"### {title}", "", *lines, "", everything])


def _line(entry: Any, repository_url: str) -> str:
    subject = str(entry["commit"]["message"]).partition("\n")[0]
    request = _PULL_REQUEST.search(subject)
    author = (entry.get("author") or {}).get("login") or entry["commit"]["author"]["name"]
    shown_text = escape_markdown(subject[: request.start()] if request else subject)
    shown = link(code(str(entry["sha"])[:7]), str(entry["html_url"]))
    number = ""
    if request is not None:
        number = f" ({link(f'#{request[1]}', f'{repository_url}/pull/{request[1]}')})"
    return f"{shown_text}{number} · {shown} · {escape_markdown(str(author))}"
