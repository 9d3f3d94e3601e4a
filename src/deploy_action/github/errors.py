"""Errors of GitHub's API, with the permission or setting that helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["ApiError", "ErrorKind", "message_of", "refusal"]

_MOST_CHARACTERS = 300


class ErrorKind(StrEnum):
    """Why a request failed."""

    NO_TOKEN = "no-token"
    PERMISSION = "permission"
    MISSING = "missing"
    INVALID = "invalid"
    LIMITED = "limited"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiError:
    """A failed request; its text never contains the token."""

    kind: ErrorKind
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


def message_of(data: Any, status: int) -> str:
    """Return GitHub's own message, with the fields that are wrong."""
    if not isinstance(data, dict):
        return f"HTTP {status}"
    parts = [str(data.get("message", ""))]
    errors = data.get("errors")
    for entry in errors if isinstance(errors, list) else ():
        if isinstance(entry, dict):
            details = (entry.get(key) for key in ("field", "code", "message"))
            parts.append(" ".join(str(part) for part in details if part))
        else:
            parts.append(str(entry))
    return f"{', '.join(filter(None, parts))[:_MOST_CHARACTERS]} (HTTP {status})"


def refusal(status: int, message: str, needs: str) -> ApiError:
    """Return the error of a refusal request, with the permission that it `needs`."""
    permission = f"give the job permissions: {{{needs}}}"
    match status:
        case 401:
            return ApiError(
                kind=ErrorKind.NO_TOKEN, what=message, remedy="the token is not valid any more"
            )
        case 403:
            return ApiError(kind=ErrorKind.PERMISSION, what=message, remedy=permission)
        case 404:
            # What a token may not see in a private repository does not exist for it.
            return ApiError(
                kind=ErrorKind.MISSING, what=message, remedy=f"if it is there, {permission}"
            )
        case _:
            return ApiError(kind=ErrorKind.INVALID, what=message)
