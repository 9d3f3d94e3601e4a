"""Why a call of GitHub's API came to nothing, in words for a person; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["ApiError", "ErrorKind", "refused", "said"]

_MOST_CHARACTERS = 300


class ErrorKind(StrEnum):
    """What kept a call from its answer."""

    NO_TOKEN = "no-token"
    PERMISSION = "permission"
    MISSING = "missing"
    INVALID = "invalid"
    LIMITED = "limited"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """A call that came to nothing, in words for a person; never holds the token."""

    kind: ErrorKind
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


def said(data: Any, status: int) -> str:
    """Return GitHub's own words, with what is wrong with which field."""
    if not isinstance(data, dict):
        return f"HTTP {status}"
    found = [str(data.get("message", ""))]
    errors = data.get("errors")
    for entry in errors if isinstance(errors, list) else ():
        if isinstance(entry, dict):
            parts = (entry.get(key) for key in ("field", "code", "message"))
            found.append(" ".join(str(part) for part in parts if part))
        else:
            found.append(str(entry))
    return f"{', '.join(filter(None, found))[:_MOST_CHARACTERS]} (HTTP {status})"


def refused(status: int, words: str, needs: str) -> ApiError:
    """Return why a call was refused, and the permission that it `needs`."""
    permission = f"give the job permissions: {{{needs}}}"
    match status:
        case 401:
            return ApiError(
                kind=ErrorKind.NO_TOKEN, what=words, remedy="the token is not valid any more"
            )
        case 403:
            return ApiError(kind=ErrorKind.PERMISSION, what=words, remedy=permission)
        case 404:
            # What a token may not see in a private repository does not exist for it.
            return ApiError(
                kind=ErrorKind.MISSING, what=words, remedy=f"if it is there, {permission}"
            )
        case _:
            return ApiError(kind=ErrorKind.INVALID, what=words)
