"""An annotated tag for every release that went live: git shows what ran where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.github.api import ApiError, ErrorKind
from deploy_action.github.deployments import is_commit

if TYPE_CHECKING:
    from deploy_action.github.api import Api
    from deploy_action.releases.model import Deployment

__all__ = ["tag_live", "tag_name"]

_NEEDS = "contents: write"


def tag_name(deployment: Deployment) -> str:
    """Name the tag; the deployment's number makes it unique, and sorts a version's deployments."""
    release = deployment.release
    where = f"{release.environment}/{release.service}"
    return f"deploy/{where}/{release.version}-{deployment.number}"


def tag_live(api: Api, deployment: Deployment) -> str | ApiError:
    """Create the tag and return its name.

    https://docs.github.com/rest/git/tags: the tag is an object first, and then gets its name.
    """
    release, name = deployment.release, tag_name(deployment)
    if not is_commit(release.commit):
        return ApiError(
            kind=ErrorKind.MISSING, what="the commit that the release was built from is unknown"
        )
    lines = [
        f"{release.service} {release.version} went live in {release.environment}",
        "",
        f"Digest: {release.digest}",
        f"Deployment: {deployment.id} ({deployment.kind})",
        f"By: {deployment.actor}",
        f"At: {deployment.ended_at}",
    ]
    lines += [f"Reason: {deployment.reason}"] if deployment.reason else []
    lines += [f"Run: {deployment.run_url}"] if deployment.run_url else []
    body = {"tag": name, "message": "\n".join(lines), "object": release.commit, "type": "commit"}
    created = api.post("git/tags", body, needs=_NEEDS)
    if isinstance(created, ApiError):
        return created
    named = {"ref": f"refs/tags/{name}", "sha": created.data["sha"]}
    response = api.post("git/refs", named, needs=_NEEDS)
    return response if isinstance(response, ApiError) else name
