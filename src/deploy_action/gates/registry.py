"""Every gate, in the order in which they run; a new gate is one module and one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.gates import bandit, config_files, infrastructure, pip_audit
from deploy_action.gates.gate import Gate

__all__ = ["GATES", "read_options"]

GATES: tuple[Gate[Any], ...] = (
    bandit.GATE,
    config_files.GATE,
    pip_audit.GATE,
    infrastructure.GATE,
)


def read_options(section: Mapping[str, Any]) -> dict[str, object]:
    """Return the options of each configured gate by its key, in the order of `GATES`.

    Args:
        section: a merged, valid ``gates`` of deploy.yaml.
    """
    options = {gate.key: gate.read(section[gate.key]) for gate in GATES if gate.key in section}
    return {key: value for key, value in options.items() if value is not None}
