"""A signed statement that a digest passed in an environment; it knows neither hosts nor GitHub.

The next environment believes it without asking the hosts of the one before, which it may not
reach. It is signed with HMAC-SHA-256 (RFC 2104) by a key that only the jobs of the environments
have. Nothing in it is secret; whoever has the key can write one, see SECURITY.md.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.config.references import is_digest, is_version, own_repository
from deploy_action.config.serialize import decode_as
from deploy_action.errors import BadInput, GateRefused
from deploy_action.releases.model import ResolvedImage

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs

__all__ = [
    "KEY",
    "PREFIX",
    "Attestation",
    "proof_key",
    "proven_image",
    "read",
    "require_proven",
    "require_repository",
    "sign",
]

KEY = "DEPLOY_PROOF_KEY"
"""The variable that holds the key."""
PREFIX = "deploy-proof.v1."
_SHORTEST_KEY = 32
_LARGEST = 1 << 16
_SKEW = timedelta(minutes=5)
"""How far two machines' clocks may be apart."""
_AGAIN = "hand on the output `proof`, or the file of --proof-file, of the deployment before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What is signed: this digest was deployed there with success.

    `time` is when it was signed, in ISO 8601 with its zone; `repository` is OWNER/NAME.
    """

    service: str
    environment: str
    version: str
    image: str
    digest: str
    commit: str
    deployment: str
    repository: str
    time: str


def proof_key(environ: Mapping[str, str]) -> bytes | None:
    """Return the key, or None where there is none.

    Raises:
        BadInput: it is so short that it could be guessed.
    """
    key = environ.get(KEY, "").strip()
    if key and len(key) < _SHORTEST_KEY:
        raise BadInput(
            f"{KEY} is too short: it needs {_SHORTEST_KEY} characters at least",
            remedy="make one: openssl rand -hex 32",
        )
    return key.encode() or None


def sign(proof: Attestation, key: bytes) -> str:
    """Return the proof as one word that can be an output, an argument or a file."""
    content = json.dumps(dataclasses.asdict(proof), separators=(",", ":")).encode()
    signed = PREFIX + base64.urlsafe_b64encode(content).decode().rstrip("=")
    return f"{signed}.{_signature(signed, key)}"


def read(text: str, key: bytes) -> Attestation:
    """Return what a proof states; nothing of it is looked at before its signature is right.

    Raises:
        BadInput: it is no proof at all, or of another form than this version knows.
        GateRefused: it was signed with another key, or changed since.
    """
    signed, _, signature = text.strip().rpartition(".")
    if not signed.startswith(PREFIX) or not signature.isascii():
        raise BadInput(
            "this is not a proof", cause=f"it does not begin with {PREFIX}", remedy=_AGAIN
        )
    if not hmac.compare_digest(_signature(signed, key), signature):
        raise GateRefused(
            "the proof's signature is wrong",
            cause=f"it was signed with another {KEY}, or changed since",
            remedy=f"give both environments the same {KEY}, and deploy to the one before again",
        )
    content = signed.removeprefix(PREFIX)
    try:
        stated = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        proof = decode_as(Attestation, stated)
        if datetime.fromisoformat(proof.time).tzinfo is None:
            raise ValueError(f"the time {proof.time} has no zone")
        if not (is_version(proof.version) and is_digest(proof.digest)):
            raise ValueError(f"the version {proof.version!r} or the digest {proof.digest!r}")
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise BadInput("the proof is of a form that this version does not know") from error
    return proof


def proven_image(wanted: Environment, inputs: Inputs, now: datetime) -> ResolvedImage:
    """Return the image of the proof that was given, if it is one for this environment.

    Only the digest counts: it is run from the environment's own repository.

    Args:
        now: the present time, aware.

    Raises:
        BadInput: it cannot be read, or the key is missing.
        GateRefused: it is not valid, or not about what is asked for.
    """
    proof = _valid(wanted, inputs, now)
    if inputs.version and inputs.version != proof.version:
        raise GateRefused(
            f"the proof is about version {proof.version}, not {inputs.version}", remedy=_AGAIN
        )
    if inputs.digest:
        _require_digest(proof, inputs.digest)
    return ResolvedImage(
        version=proof.version,
        repository=own_repository(wanted),
        digest=proof.digest,
        local=False,
        commit=proof.commit,
    )


def require_proven(
    wanted: Environment, image: ResolvedImage, inputs: Inputs, now: datetime
) -> None:
    """Let an image on only if the proof that was given is about its digest.

    Raises:
        BadInput, GateRefused: as `proven_image`.
    """
    _require_digest(_valid(wanted, inputs, now), image.digest)


def require_repository(inputs: Inputs) -> None:
    """Make sure that the repository is known to which a proof is bound.

    Raises:
        BadInput: it is not.
    """
    if not inputs.repository:
        raise BadInput(
            "a proof counts in one repository, and which one this is, is unknown",
            cause="GITHUB_REPOSITORY is not set, and git has no remote origin",
            remedy="git remote add origin URL, or set GITHUB_REPOSITORY=OWNER/NAME",
        )


def _valid(wanted: Environment, inputs: Inputs, now: datetime) -> Attestation:
    key = proof_key(inputs.environ)
    if key is None:
        raise BadInput(
            f"a proof was given, but {KEY} is not set",
            cause="without the key nobody can tell whether it is genuine",
            remedy=f"give the job the secret: env: {{{KEY}: ${{{{ secrets.{KEY} }}}}}}",
        )
    require_repository(inputs)
    proof = read(_text(inputs.proof or ""), key)
    age = now - datetime.fromisoformat(proof.time)
    about = {
        "service": (proof.service, wanted.service),
        "environment": (proof.environment, wanted.after or ""),
        "repository": (proof.repository, inputs.repository),
    }
    for what, (stated, needed) in about.items():
        if stated != needed:
            raise GateRefused(
                f"the proof is about the {what} {stated or '(none)'}, not {needed}",
                cause=f"{wanted.name} takes what passed in {wanted.after}",
                remedy=_AGAIN,
            )
    if age > timedelta(seconds=inputs.proof_age_seconds) or age < -_SKEW:
        raise GateRefused(
            f"the proof was signed at {proof.time}, and counts for "
            f"{inputs.proof_age_seconds / 3600:g} h",
            cause="it is too old" if age > -_SKEW else "that is in the future: a clock is wrong",
            remedy=f"deploy to {wanted.after} again, or allow an older one with --proof-age",
        )
    return proof


def _text(given: str) -> str:
    """Return a proof as it was given, or what the file of that name holds."""
    if given.startswith(PREFIX):
        return given
    try:
        with Path(given).open(encoding="utf-8") as file:
            return file.read(_LARGEST)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{given[:200]!r} is neither a proof nor a file with one", remedy=_AGAIN
        ) from error


def _require_digest(proof: Attestation, digest: str) -> None:
    if digest != proof.digest:
        raise GateRefused(
            f"{proof.environment} passed {proof.version} as {proof.digest}, not as {digest}",
            cause="the image was built anew since, or the proof is of another deployment",
            remedy=f"deploy-action deploy -e {proof.environment}, and hand on its proof",
        )


def _signature(signed: str, key: bytes) -> str:
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
