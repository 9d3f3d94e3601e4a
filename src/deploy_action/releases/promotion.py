"""What passed in the environment before: only such a digest may go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.config.references import own_repository
from deploy_action.errors import BadInput, ErrorCode, GateRefused
from deploy_action.releases.attestation import proven_image, require_proven
from deploy_action.releases.ledger import current_deployment, with_version
from deploy_action.releases.model import ResolvedImage, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from deploy_action.config.model import DeployConfig, Environment
    from deploy_action.inputs import Inputs
    from deploy_action.releases.ledger import Ledger

__all__ = ["EnvironmentBefore", "passed_image", "require_passed_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentBefore:
    """The environment named by `after`. What only some of its hosts record has not passed there.

    Attributes:
        unstable: what keeps replicas of its live release from counting as up and healthy.
    """

    ledger: Ledger
    unstable: tuple[str, ...] = ()

    def require_stable(self, wanted: Environment, digest: str) -> None:
        """Refuse an image that is live there and does not stay up.

        Raises:
            GateRefused: one of its replicas ended, keeps restarting or is unhealthy.
        """
        current = current_deployment(self.ledger.entries)
        if not self.unstable or current is None or current.release.digest != digest:
            return
        raise GateRefused(
            f"{current.release.version} passed in {wanted.after}, but is not well there now: "
            f"{self.unstable[0]}",
            cause=f"{wanted.name} takes only what stays up in {wanted.after}",
            remedy=f"deploy-action monitor -e {wanted.after}",
            code=ErrorCode.RELEASE_UNSTABLE,
        )


def passed_image(
    wanted: Environment,
    inputs: Inputs,
    before: Callable[[], EnvironmentBefore],
    now: datetime,
) -> ResolvedImage:
    """Return the image that is live in the environment before, or that version which passed there.

    Only the digest is taken from there: it is run from the repository of `wanted` itself.

    Args:
        before: asks the hosts of that environment; not called with a signed proof.

    Raises:
        GateRefused: nothing passed there, or not that version, or not as that digest, or it is
            live there and does not stay up.
    """
    if inputs.proof:
        return proven_image(wanted, inputs, now)
    found = before()
    agreed = found.ledger.agreed
    if not inputs.version:
        _require_undisputed(wanted, found.ledger)
    passed = with_version(agreed, inputs.version) if inputs.version else current_deployment(agreed)
    if passed is None:
        what = f"version {inputs.version}" if inputs.version else "nothing"
        verb = "has not passed" if inputs.version else "has passed"
        raise GateRefused(
            f"{what} {verb} in {wanted.after} yet",
            remedy=f"deploy-action deploy -e {wanted.after}",
            code=ErrorCode.NOT_PASSED_BEFORE,
        )
    release = passed.release
    if inputs.digest and inputs.digest != release.digest:
        raise GateRefused(
            f"{wanted.after} passed {release.version} as {release.digest}, not as {inputs.digest}",
            cause="it was deployed there again, from another image, since that digest was named",
            remedy=f"deploy-action promote -e {wanted.name} --version {release.version}",
        )
    found.require_stable(wanted, release.digest)
    return ResolvedImage(
        version=release.version,
        repository=own_repository(wanted),
        digest=release.digest,
        local=release.local,
        commit=release.commit,
        dirty=release.dirty,
    )


def _require_undisputed(wanted: Environment, ledger: Ledger) -> None:
    """Refuse to guess what is live where the hosts do not agree on it."""
    current = current_deployment(ledger.entries)
    if current is not None and current.number in ledger.disputed:
        raise GateRefused(
            f"what is live in {wanted.after} is disputed: "
            f"{', '.join(ledger.disputed[current.number])} does not record deployment "
            f"{current.number} ({current.release.version})",
            cause="what one host alone records does not count elsewhere",
            remedy=f"deploy-action deploy -e {wanted.after} --version VERSION",
            code=ErrorCode.LEDGER_DISPUTED,
        )


def require_passed_before(
    config: DeployConfig,
    wanted: Environment,
    image: ResolvedImage,
    inputs: Inputs,
    before: Callable[[], EnvironmentBefore],
    now: datetime,
) -> None:
    """Let an image on only if this very digest succeeded in the environment named by `after`.

    Raises:
        BadInput: a proof was given that cannot be read, or that nothing asks for.
        GateRefused: it did not; an image rebuilt under the same tag is shown with both digests.
    """
    if wanted.after is None:
        if inputs.proof:
            raise BadInput(
                f"{config.file}: environments.{wanted.name} has no `after`, so it asks for no proof",
                remedy="leave the proof out, or write after: there",
            )
        return
    if inputs.proof:
        require_proven(wanted, image, inputs, now)
        return
    found = before()
    passed = [entry.release for entry in found.ledger.agreed if entry.state is State.SUCCEEDED]
    same_tag = [release for release in passed if release.version == image.version]
    if same_tag and all(release.digest != image.digest for release in same_tag):
        raise GateRefused(
            f"{image.version} was rebuilt: {wanted.after} passed {same_tag[-1].digest}, but the tag "
            f"is now {image.digest}",
            cause=f"{wanted.name} takes only a digest that passed in {wanted.after}",
            remedy=f"deploy-action promote -e {wanted.name} --version {image.version} takes what "
            "passed; give the new image a version of its own",
            code=ErrorCode.NOT_PASSED_BEFORE,
        )
    if any(release.digest == image.digest for release in passed):
        found.require_stable(wanted, image.digest)
        return
    raise GateRefused(
        f"{image.version} ({image.digest[:19]}) has not passed in {wanted.after}",
        cause=f"{wanted.name} takes only a digest that passed in {wanted.after}",
        remedy=f"deploy-action deploy -e {wanted.after} --version {image.version}",
        code=ErrorCode.NOT_PASSED_BEFORE,
    )
