"""deploy.yaml: from text with positions to frozen, resolved environments."""

from deploy_action.config.load import check, environment, load
from deploy_action.config.model import DeployConfig, Environment
from deploy_action.config.serialize import from_plain, to_plain

__all__ = [
    "DeployConfig",
    "Environment",
    "check",
    "environment",
    "from_plain",
    "load",
    "to_plain",
]
