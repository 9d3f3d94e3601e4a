"""deploy.yaml: from text with positions to frozen, resolved environments."""

from deploy_action.config.load import check, environment, load
from deploy_action.config.model import DeployConfig, Environment
from deploy_action.config.serialize import deserialize, serialize

__all__ = [
    "DeployConfig",
    "Environment",
    "check",
    "deserialize",
    "environment",
    "load",
    "serialize",
]
