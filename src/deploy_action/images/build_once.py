"""Builds a version's image once: what the ledger or the host knows under that name is not built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.images.build import COMMIT_LABEL
from deploy_action.releases.ledger import with_version
from deploy_action.releases.model import ResolvedImage, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deploy_action.images.checkout import Checkout
    from deploy_action.images.resolve import ImageSource, RequestedImage
    from deploy_action.releases.model import Deployment

__all__ = ["built_before", "pushed_before", "require_same_digest"]


def built_before(
    name: RequestedImage, checkout: Checkout, entries: Sequence[Deployment], source: ImageSource
) -> ResolvedImage | None:
    """Return the image that was built as this version, from this source; None if none was.

    Args:
        entries: the environment's ledger.
        source: where an image that was not pushed would be.

    Raises:
        BadInput: the version is another source's, or its image is gone and cannot be built again.
    """
    live = with_version(entries, name.version)
    if live is not None and live.release.image == name.repository:
        release = live.release
        if checkout.changed or release.dirty or release.commit != checkout.commit:
            raise _taken(name.version, release.commit, checkout, release.digest)
        if release.local and source.image(release.digest) is None:
            raise BadInput(
                f"{source.host}: the image of {name.version} is gone, and a build would give that "
                "version other content",
                cause=f"it was deployed as {release.digest[:19]} and never pushed",
                remedy="build it under another version: --version NAME",
                code=ErrorCode.VERSION_TAKEN,
            )
        return _known(live, name.version)
    failed = _failed_before(name, checkout, entries)
    if failed is not None and source.image(failed.release.reference) is not None:
        return _known(failed, name.version)
    built = source.image(name.reference)
    commit = "" if built is None else built.labels.get(COMMIT_LABEL, "")
    if built is not None and commit and commit != checkout.commit:
        raise _taken(name.version, commit, checkout, built.id)
    return None


def _failed_before(
    name: RequestedImage, checkout: Checkout, entries: Sequence[Deployment]
) -> Deployment | None:
    """Return the last attempt at this version from this very commit: it is tried as it is."""
    for entry in reversed(entries):
        release = entry.release
        if entry.state is State.SUCCEEDED or not checkout.commit:
            continue
        if (release.version, release.image, release.commit) == (
            *(name.version, name.repository),
            checkout.commit,
        ):
            return entry
    return None


def _known(entry: Deployment, version: str) -> ResolvedImage:
    release = entry.release
    return ResolvedImage(
        version=version,
        repository=release.image,
        digest=release.digest,
        local=release.local,
        commit=release.commit,
    )


def _taken(version: str, commit: str, checkout: Checkout, digest: str) -> BadInput:
    was = f"commit {commit[:12]}" if commit else "source that no commit has"
    now = f"commit {checkout.head[:12]}" if checkout.head else "no commit"
    changes = f" with changes in {checkout.changes}" if checkout.changed else ""
    return BadInput(
        f"version {version} was built from {was} ({digest[:19]}), but {now}{changes} is checked out",
        cause="one version would be two images",
        remedy="build under another version: --version NAME; to bring back what was built: "
        f"deploy-action rollback --to {version}",
        code=ErrorCode.VERSION_TAKEN,
    )


def pushed_before(name: RequestedImage, checkout: Checkout, resolve: Callable[[str], str]) -> str:
    """Return the digest that the registry has for a version which names the commit that is checked
    out; empty where it has none, or does not say.

    Args:
        resolve: asks the registry for a reference's digest; raises DeploymentFailed.
    """
    if not checkout.named or not checkout.commit:
        return ""
    try:
        return resolve(name.reference)
    except DeploymentFailed:
        # Some registries refuse to say that there is no such tag; the push will show the rest.
        return ""


def require_same_digest(image: ResolvedImage, entries: Sequence[Deployment]) -> None:
    """Refuse a version that was live in this environment as another image.

    Raises:
        BadInput: the ledger has another digest for it.
    """
    live = with_version(entries, image.version)
    if live is None or (live.release.image, live.release.local) != (image.repository, image.local):
        return
    if live.release.digest != image.digest:
        raise BadInput(
            f"version {image.version} was live as {live.release.digest[:19]}, but is now "
            f"{image.digest[:19]}",
            cause="its tag was moved, or it was built again",
            remedy="deploy it under another version: push another tag, or --version NAME --digest "
            f"{image.digest}",
            code=ErrorCode.VERSION_TAKEN,
        )
