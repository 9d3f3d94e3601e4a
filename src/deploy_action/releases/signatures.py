"""Signatures of ledger entries: a host keeps them and cannot make one.

Each entry is signed for one host with HMAC-SHA-256 (RFC 2104) under the key of the proofs. The signature
covers the whole entry (service, environment, number, release, outcome) and the host's name in deploy.yaml,
so that no entry can be changed, or moved to another place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.releases.attestation import KEY, proof_key

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = ["Signatures"]

_PURPOSE = "deploy-ledger.v1"
"""Keeps a signature of one kind from being taken for one of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """With which key entries are signed, and whether those without a valid signature count.

    Attributes:
        key: None signs nothing, and cannot tell a right signature from a wrong one.
        required: deploy.yaml says `ledger: {signed: required}`.
    """

    key: bytes | None = field(default=None, repr=False)
    required: bool = False

    @classmethod
    def of(cls, environment: Environment, environ: Mapping[str, str]) -> Signatures:
        """Read today's deploy.yaml and the key.

        Raises:
            BadInput: the key is too short.
        """
        options = environment.ledger
        return cls(
            key=proof_key(environ), required=options is not None and options.signed == "required"
        )

    def require_key(self) -> None:
        """Make sure that what is required can be done.

        Raises:
            BadInput: there is no key.
        """
        if self.required and self.key is None:
            raise BadInput(
                f"deploy.yaml requires a signed ledger, but {KEY} is not set",
                cause="without the key nobody can tell whether a host's records are genuine",
                remedy=f"give the job the secret: env: {{{KEY}: ${{{{ secrets.{KEY} }}}}}}",
                code=ErrorCode.SECRET_MISSING,
            )

    def sign(self, content: Mapping[str, object], host: str) -> str:
        """Return the signature of an entry on a host; empty without a key."""
        if self.key is None:
            return ""
        message = json.dumps(
            [_PURPOSE, host, content], sort_keys=True, separators=(",", ":"), ensure_ascii=True
        )
        return hmac.new(self.key, message.encode(), hashlib.sha256).hexdigest()

    def refusal(self, content: Mapping[str, object], signature: object, host: str) -> str:
        """Say what is wrong with an entry's signature; empty where it is right, and where there is
        none and none is required."""
        if self.key is None:
            return f"cannot be verified: {KEY} is not set" if self.required else ""
        if not signature:
            return "has no signature" if self.required else ""
        expected = self.sign(content, host).encode()
        right = hmac.compare_digest(expected, str(signature).encode())
        return "" if right else "has a wrong signature"
