"""The run as GitHub describes it: the one place that reads the GITHUB_* variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who started what, on which commit.

    https://docs.github.com/actions/reference/workflows-and-actions/variables
    """

    actor: str
    commit: str
    repository: str
    repository_url: str
    run_url: str
    tag: str
    """The tag that is being built; empty for a branch."""
    api_url: str = "https://api.github.com"
    event_file: str = ""
    """A file with the event as GitHub's webhooks describe it."""
    called: bool = False
    """Whether a reusable workflow of ours runs this."""
    on_github: bool = False
    """Whether this is a run of GitHub Actions at all."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Context:
        """Read the variables; what is missing is empty."""
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
        page = f"{server}/{repository}" if repository else ""
        is_tag = environ.get("GITHUB_REF_TYPE") == "tag"
        return cls(
            # Whoever re-runs a workflow is the one who deploys.
            actor=environ.get("GITHUB_TRIGGERING_ACTOR") or environ.get("GITHUB_ACTOR", ""),
            commit=environ.get("GITHUB_SHA", ""),
            repository=repository,
            repository_url=page,
            run_url=f"{page}/actions/runs/{run}" if page and run else "",
            tag=environ.get("GITHUB_REF_NAME", "") if is_tag else "",
            api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
            event_file=environ.get("GITHUB_EVENT_PATH", ""),
            called=bool(environ.get("DEPLOY_WORKFLOW")),
            on_github=environ.get("GITHUB_ACTIONS") == "true",
        )

    @property
    def version(self) -> str:
        """What a deployment is called when nobody says it: the tag, else the short commit."""
        return self.tag or self.commit[:12]
