"""The values of declared secrets, and the fingerprints by which a rotation is noticed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs

__all__ = ["available_secrets", "fingerprints", "required_secrets"]


def required_secrets(environment: Environment, inputs: Inputs) -> dict[str, str]:
    """Return the value of every declared secret.

    Raises:
        BadInput: some are not set; all of them are named.
    """
    found = available_secrets(environment, inputs)
    missing = [name for name in environment.secrets if name not in found]
    if missing:
        raise BadInput(
            f"{environment.name}: these secrets are not set: {', '.join(missing)}",
            remedy="pass them in the environment of this command; in a workflow: "
            f"env: {{{missing[0]}: ${{{{ secrets.{missing[0]} }}}}}}",
        )
    return found


def available_secrets(environment: Environment, inputs: Inputs) -> dict[str, str]:
    """Return the values of those declared secrets that are set."""
    found = {name: inputs.secret(name) for name in environment.secrets}
    return {name: value.reveal() for name, value in found.items() if value is not None}


def fingerprints(secrets: Mapping[str, str], key: bytes) -> dict[str, str]:
    """Return keyed fingerprints: they tell that a secret was rotated, and nothing else."""
    return {
        name: hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[:16]
        for name, value in sorted(secrets.items())
    }
