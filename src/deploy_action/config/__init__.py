"""deploy.yaml: read, checked, and resolved to frozen environments."""

from deploy_action.config.load import check, load
from deploy_action.config.model import DeployConfig, Environment
from deploy_action.config.select import select_environment, select_environments
from deploy_action.config.serialize import deserialize, serialize

__all__ = [
    "DeployConfig",
    "Environment",
    "check",
    "deserialize",
    "load",
    "select_environment",
    "select_environments",
    "serialize",
]
