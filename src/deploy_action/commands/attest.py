"""Signs a proof of a successful deployment if there is a key, and writes it if asked for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.releases.attestation import (
    KEY,
    Attestation,
    proof_key,
    require_repository,
    sign,
)
from deploy_action.releases.model import State
from deploy_action.results.outcome import Result

if TYPE_CHECKING:
    from datetime import datetime

    from deploy_action.inputs import Inputs
    from deploy_action.results.outcome import Outcome

__all__ = ["attest", "require_attestable"]


def require_attestable(inputs: Inputs) -> None:
    """Check before anything changes whether a requested proof can be written.

    Raises:
        BadInput: the key is missing or too short, the repository is unknown, or the file's
            directory is not there.
    """
    key = proof_key(inputs.environ)
    if inputs.proof_file is None:
        return
    if key is None:
        raise BadInput(
            f"--proof-file needs a key, but {KEY} is not set",
            remedy=f"make a key once: openssl rand -hex 32, and pass it as {KEY}",
            code=ErrorCode.SECRET_MISSING,
        )
    require_repository(inputs)
    if not inputs.proof_file.parent.is_dir():
        raise BadInput(
            f"{inputs.proof_file.parent}: there is no such directory",
            code=ErrorCode.FILE_NOT_WRITABLE,
        )


def attest(outcome: Outcome, inputs: Inputs, now: datetime) -> Outcome:
    """Add the proof to the outcome of a deployment whose release is live.

    The deployment has already succeeded, so a proof that cannot be written is only a note.
    """
    key, deployment = proof_key(inputs.environ), outcome.deployment
    done = outcome.result in (Result.DEPLOYED, Result.UNCHANGED) and not inputs.dry_run
    if key is None or not done or deployment is None or deployment.state is not State.SUCCEEDED:
        return outcome
    release = deployment.release
    why = ""
    if release.local:
        why = "the image was never in a registry, so no other host can take it"
    elif not inputs.repository:
        why = "git's remote origin, which it would name, is not set"
    if why:
        note = f"no proof was signed: {why}"
        return dataclasses.replace(outcome, notes=(*outcome.notes, note))
    proof = sign(
        Attestation(
            service=release.service,
            environment=release.environment,
            version=release.version,
            image=release.image,
            digest=release.digest,
            commit=release.commit,
            deployment=deployment.id,
            repository=inputs.repository,
            time=now.isoformat(timespec="seconds"),
        ),
        key,
    )
    notes = outcome.notes
    if inputs.proof_file is not None:
        try:
            inputs.proof_file.write_text(f"{proof}\n", encoding="utf-8")
        except OSError as error:
            notes = (
                *notes,
                f"{inputs.proof_file}: the proof could not be written: {error.strerror}",
            )
    return dataclasses.replace(outcome, proof=proof, notes=notes)
