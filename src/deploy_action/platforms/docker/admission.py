"""How the new replicas of one host come into its edge, each started in a thread of its own.

An engine needs some tenths of a second to start a container, and an edge some to have a change
checked and written. Both happen at the same time: the edge's file names the candidates while they
start, and the running edge gets them when all of them run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.platforms.docker.edge.edge import Edge
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["ReplicaAdmission"]


class ReplicaAdmission:
    """Admits the replicas of one host to its edge, all of them together."""

    def __init__(self, edge: Edge, count: int, announce: Callable[[], Backend | None]) -> None:
        """Wait for `count` replicas.

        Args:
            announce: writes all created replicas into the edge's file, and returns its backend.
        """
        self._edge, self._announce = edge, announce
        self._guard = threading.Lock()
        self._to_create = self._to_start = count
        self._announced: Future[Backend | None] | None = None

    def admit(self, create: Callable[[], Replica], start: Callable[[Replica], Replica]) -> None:
        """Create and start one replica.

        The last one created announces all of them; the last one that runs has them admitted.

        Args:
            start: returns the replica that runs: another one where it had to be made anew.
        """
        created = create()
        # Left only when the edge was told: what is under way cannot be undone.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="edge") as beside:
            with self._guard:
                self._to_create -= 1
                if self._to_create == 0:
                    self._announced = beside.submit(self._announce)
            running = start(created)
        with self._guard:
            # Whoever announces later finds the one that runs.
            announced = self._announced
        if announced is not None and running is not created:
            # It may be at another address than the announced one.
            announced.result()
            self._announce()
        with self._guard:
            self._to_start -= 1
            last = self._to_start == 0
        if last and self._announced is not None:
            self._edge.admit(self._announced.result())
