"""Selects the environment that a command is about."""

from __future__ import annotations

from deploy_action.config.model import DeployConfig, Environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.suggest import closest

__all__ = ["select_environment", "select_environments", "select_promotion"]


def select_environment(config: DeployConfig, name: str | None) -> Environment:
    """Return the environment of that name; without a name the only one.

    Raises:
        BadInput: there is no such environment, or there are several and none is named.
    """
    names = list(config.environments)
    if name is not None and name in config.environments:
        return config.environments[name]
    if name is None and len(names) == 1:
        return config.environments[names[0]]
    if name is None:
        raise BadInput(
            f"{config.file} has several environments: {', '.join(names)}",
            remedy=f"say which one: -e {names[0]}",
            code=ErrorCode.ENVIRONMENT_NOT_NAMED,
        )
    likely = closest(name, names)
    # Without a similar name no single one is suggested: a user might deploy to it.
    raise BadInput(
        f"there is no environment '{name}'",
        cause=f"{config.file} has {', '.join(names)}",
        remedy=f"did you mean -e {likely}?" if likely else f"-e {' or -e '.join(names)}",
        code=ErrorCode.UNKNOWN_ENVIRONMENT,
    )


def select_environments(config: DeployConfig, name: str | None) -> list[Environment]:
    """Return the environment of that name; without a name all of them.

    Raises:
        BadInput: there is no such environment.
    """
    if name is None:
        return list(config.environments.values())
    return [select_environment(config, name)]


def select_promotion(config: DeployConfig, name: str | None) -> Environment:
    """Return the environment to promote to: the named one, or the only one with an `after`.

    Raises:
        BadInput: it has no `after`, or there are several and none is named.
    """
    following = [each for each in config.environments.values() if each.after is not None]
    if name is None and len(following) == 1:
        return following[0]
    target = select_environment(config, name)
    if target.after is None:
        raise BadInput(
            f"{config.file}: environments.{target.name} has no `after`, so nothing is promoted to it",
            remedy=f"write after: staging there, or: deploy-action deploy -e {target.name}",
        )
    return target
