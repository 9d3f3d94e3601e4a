"""The values of declared secrets, and the fingerprints by which a rotation is noticed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.missing_secret import advise
from deploy_action.redaction import SHORTEST

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs, Secret

__all__ = ["available_secrets", "fingerprints", "required_secrets", "short_secrets"]


def required_secrets(environment: Environment, inputs: Inputs) -> dict[str, Secret]:
    """Return the value of every declared secret.

    Raises:
        BadInput: some are not set; all of them are named.
    """
    values = available_secrets(environment, environment, inputs)
    missing = [name for name in environment.secrets if name not in values]
    if missing:
        advice = advise(missing[0], inputs.environ, environment=environment.name)
        raise BadInput(
            f"{environment.name}: these secrets are not set: {', '.join(missing)}",
            cause=advice.cause,
            remedy=advice.remedy,
            code=ErrorCode.SECRET_MISSING,
        )
    return values


def available_secrets(
    configuration: Environment, today: Environment, inputs: Inputs
) -> dict[str, Secret]:
    """Return the values of those secrets that a release declares, today's deploy.yaml too, and
    that are set.

    A host could have written other names into the configuration of a release.
    """
    names = [name for name in configuration.secrets if name in today.secrets]
    values = {name: inputs.secret(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def short_secrets(secrets: Mapping[str, Secret]) -> list[str]:
    """Return the names of values so short that no output can do without them."""
    return [name for name, secret in secrets.items() if 0 < len(secret.reveal().strip()) < SHORTEST]


def fingerprints(secrets: Mapping[str, Secret], key: bytes) -> dict[str, str]:
    """Return keyed fingerprints: they tell that a secret was rotated, and nothing else."""
    return {
        name: hmac.new(key, f"{name}\0{value.reveal()}".encode(), hashlib.sha256).hexdigest()[:16]
        for name, value in sorted(secrets.items())
    }
