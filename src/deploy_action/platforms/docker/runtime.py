"""What the steps of one rollout share: the locked hosts and the replicas that it started."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.checks.analysis import TrafficJudge

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.admission import ReplicaAdmission
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.rollout.context import RolloutContext

__all__ = ["DockerContext", "DockerRuntime", "ReplicaKey"]

ReplicaKey = tuple[str, str, int]
"""Host, role and index."""


@dataclass(slots=True, kw_only=True)
class DockerRuntime:
    """State of one rollout on the locked hosts.

    Attributes:
        certificate: what the edge shall answer with; None keeps what it has.
        started: the replicas of the new release, by host, role and index.
    """

    hosts: Mapping[str, Host]
    certificate: Bundle | None = None
    started: dict[ReplicaKey, Replica] = field(default_factory=dict)
    _judge: TrafficJudge | None = None
    _admissions: dict[str, ReplicaAdmission] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def on(self, host: str) -> list[Replica]:
        """Return what this rollout started on a host, in order of role and index."""
        return [replica for (name, *_), replica in sorted(self.started.items()) if name == host]

    def analysis(self, configuration: Environment) -> TrafficJudge | None:
        """Return what judges the traffic, the same for all hosts and steps of this rollout."""
        strategy = configuration.strategy
        with self._guard:
            if self._judge is None and configuration.route is not None:
                phases = bool(strategy.canary) + bool(configuration.bake_seconds)
                self._judge = TrafficJudge(strategy.analysis, phases=phases)
            return self._judge

    def admission(self, host: str, default: ReplicaAdmission) -> ReplicaAdmission:
        """Return the admission of a host's replicas to its edge, the same for all of them."""
        with self._guard:
            return self._admissions.setdefault(host, default)


if TYPE_CHECKING:
    DockerContext = RolloutContext[DockerRuntime]
