"""Why a secret did not arrive and what to do about it, by the place where the command runs; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Advice", "advise", "arrives_empty"]

_FORK = "a pull request from a fork, or of Dependabot, gets no secrets; "
_EMPTY = "GitHub passes a secret that is not there as an empty text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The likely cause, and the next thing to do."""

    cause: str
    remedy: str


def arrives_empty(environ: Mapping[str, str]) -> bool:
    """Tell whether a secret that is missing is passed as an empty text, as GitHub Actions does.

    https://docs.github.com/actions/reference/workflows-and-actions/contexts#secrets-context
    """
    return environ.get("GITHUB_ACTIONS") == "true"


def advise(
    name: str, environ: Mapping[str, str], *, environment: str = "", own: str = ""
) -> Advice:
    """Say why a secret is missing and how to pass it.

    Args:
        name: what is missing: a secret of deploy.yaml, or an input of the step.
        environ: the process environment.
        environment: the environment of deploy.yaml, for the text.
        own: the secret of the reusable workflows that is for it alone; empty if it is a line of
            DEPLOY_SECRETS.
    """
    if not arrives_empty(environ):
        return Advice(cause="", remedy=f"pass it in the environment of this command: {name}=…")
    fork = _FORK if environ.get("GITHUB_EVENT_NAME") == "pull_request" else ""
    if not environ.get("DEPLOY_WORKFLOW"):
        passed = f"`secrets: {name}=${{{{ secrets.{name} }}}}`"
        if own:
            passed = f"`{name}: ${{{{ secrets.{own} }}}}`"
        return Advice(
            cause=f"{fork}{_EMPTY}",
            remedy=f"create it in the repository, or in the environment that the job names as"
            f" `environment:`, and give the step: {passed}",
        )
    secret = own or "DEPLOY_SECRETS"
    line = "" if own else f", with the line {name}=… in it"
    named = f"`secrets: {{{secret}: ${{{{ secrets.{secret} }}}}}}`"
    theirs = environ.get("GITHUB_ACTION_REPOSITORY", "").partition("/")[0]
    mine = environ.get("GITHUB_REPOSITORY_OWNER", "")
    where = f"the environment {environment}" if environment else "an environment"
    if theirs.lower() == mine.lower():
        return Advice(
            cause=f"{fork}{_EMPTY}, and the calling job passes only what it names",
            remedy=f"create {secret} in the repository or in {where}{line}; in the calling job:"
            f" {named}",
        )
    owner = f"{theirs}'s workflow runs for {mine}" if theirs else "a workflow of another owner"
    return Advice(
        cause=f"{fork}{owner}: GitHub hands it no secret of {where}, and inherited"
        " ones arrive empty",
        remedy=f"create {secret} in the repository or organisation{line}; in the calling job:"
        f" {named}",
    )
