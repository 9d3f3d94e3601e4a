"""Signals as exceptions: the first interrupts; later ones do not disturb the automatic rollback."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from deploy_action.errors import Interrupted

__all__ = ["interruptible", "postponed", "uninterrupted"]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Used in the main thread alone, where signal handlers run.
_waiting: list[Interrupted] = []
_postponing: list[None] = []


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise Interrupted once; later ones are ignored.

    GitHub sends SIGINT, 7.5 s later SIGTERM, 2.5 s after that SIGKILL. As process 1 of a
    container Python would ignore SIGTERM without a handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            return
        interrupted = Interrupted(
            f"stopped by {signal.Signals(number).name}",
            cause="the workflow was cancelled, or a user pressed Ctrl-C or closed the terminal",
            remedy="run the same command again; it resumes from what this one recorded",
        )
        if not _postponing:
            raise interrupted
        _waiting.append(interrupted)

    kept = {number: signal.signal(number, handle) for number in _ENDING}
    try:
        yield
    finally:
        for number, old in kept.items():
            signal.signal(number, old)
        _waiting.clear()


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Delay a signal until the end of the block; it is dropped if the block itself fails."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _postponing.append(None)
    try:
        yield
    finally:
        _postponing.pop()
    if _waiting and not _postponing:
        raise _waiting.pop()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM, for what takes seconds at most and must not be cut short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in kept.items():
            signal.signal(number, old)
