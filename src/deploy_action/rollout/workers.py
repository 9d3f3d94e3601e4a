"""Threads that do the steps of a rollout: never the main one, which signals interrupt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from deploy_action.interruption import postponed
from deploy_action.platforms.docker.health import Cancel

__all__ = ["Crew"]

_SETTLE_SECONDS = 4.0


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=32, thread_name_prefix="step")


@dataclass(slots=True, kw_only=True)
class Crew:
    """Does calls side by side; `cancel` is set when one fails or a signal comes."""

    cancel: Cancel
    _threads: ThreadPoolExecutor = field(default_factory=_pool)

    def together(self, calls: Sequence[Callable[[], object]]) -> None:
        """Run calls side by side; the first failure stops the others at their next look.

        Raises:
            BaseException: the first failure, when all have ended, or a signal, when all that had
                begun have ended or had a few seconds for it.
        """
        pending: set[Future[object]] = set()
        failure: BaseException | None = None
        try:
            # A call that has begun has to be known here: it is waited for before it is undone.
            with postponed():
                pending = {self._threads.submit(call) for call in calls}
            while pending:
                ended, pending = wait(pending, timeout=0.2, return_when="FIRST_EXCEPTION")
                for future in ended:
                    error = future.exception()
                    if error is not None and failure is None:
                        failure = error
                        self.cancel.event.set()
        except BaseException:
            self.cancel.event.set()
            wait(pending, timeout=_SETTLE_SECONDS)
            raise
        if failure is not None:
            raise failure

    def dismiss(self) -> None:
        """Begin nothing more; what has begun ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
