"""Which environment a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.config import environment
from deploy_action.errors import BadInput

if TYPE_CHECKING:
    from deploy_action.config.model import DeployConfig, Environment

__all__ = ["select_environment", "select_promotion"]


def select_environment(config: DeployConfig, name: str | None) -> Environment:
    """Return the environment that was named, or the only one.

    Raises:
        BadInput: there are several and none was named, or there is no such one.
    """
    if name is not None:
        return environment(config, name)
    if len(config.environments) == 1:
        return next(iter(config.environments.values()))
    names = ", ".join(config.environments)
    raise BadInput(
        f"{config.file} has several environments: {names}",
        remedy=f"say which one: -e {next(iter(config.environments))}",
    )


def select_promotion(config: DeployConfig, name: str | None) -> Environment:
    """Return the environment to promote to: the named one, or the only one with an `after`.

    Raises:
        BadInput: it has no `after`, or it is not clear which one is meant.
    """
    following = [env for env in config.environments.values() if env.after is not None]
    if name is None and len(following) == 1:
        return following[0]
    wanted = select_environment(config, name)
    if wanted.after is None:
        raise BadInput(
            f"{config.file}: environments.{wanted.name} has no `after`, so nothing is promoted to it",
            remedy=f"write after: staging there, or: deploy-action deploy -e {wanted.name}",
        )
    return wanted
