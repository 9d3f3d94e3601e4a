"""What a job's token can see of the repository's settings: the environments and their protection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deploy_action.github.api import ApiError, ApiResponse, ErrorKind
from deploy_action.results.reports import Check, CheckState

if TYPE_CHECKING:
    from deploy_action.github.api import Api

__all__ = ["environment_checks"]

_NEEDS = "actions: read"
_PAGE = "Settings → Environments"


def environment_checks(api: Api, names: Iterable[str]) -> Iterator[Check]:
    """Look at the GitHub environment of each environment; it may have another name.

    https://docs.github.com/rest/deployments/environments#get-an-environment
    """
    for name in names:
        answer = api.get(f"environments/{quote(name, safe='')}", needs=_NEEDS)
        subject = f"GitHub environment {name}"
        if isinstance(answer, ApiResponse):
            rules = list(_rules(answer.data))
            detail = f"it has {', '.join(rules)}" if rules else "it is there, without protection"
            yield Check(subject=subject, state=CheckState.OK, detail=detail)
        else:
            yield Check(
                subject=subject,
                state=CheckState.WARNING,
                detail=_unseen(answer),
                remedy=f"{_PAGE}, or give the job permissions: {{{_NEEDS}}}",
            )


def _unseen(error: ApiError) -> str:
    if error.kind is ErrorKind.MISSING:
        return (
            "it is not there, or this token may not see it; the first job that names it creates it"
            " without protection"
        )
    return error.what


def _rules(environment: Any) -> Iterator[str]:
    rules: list[Mapping[str, Any]] = environment.get("protection_rules") or []
    for rule in rules:
        match rule.get("type"):
            case "required_reviewers":
                yield f"{len(rule.get('reviewers') or [])} reviewers"
            case "wait_timer":
                yield f"a wait of {rule.get('wait_timer')} min"
            case "branch_policy":
                yield "a rule for branches"
            case other:
                yield f"the rule {other}"
