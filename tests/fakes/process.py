"""A deployer's process in a test: counts its calls to the world and lets one of them go wrong.

A call is an engine's method or a request in a session. What can happen at one:

    refused   nothing was done, and the engine or the session says no
    lost      it was done, but the answer never came; a session is cut off with it
    signal    the process gets SIGINT while it is done
    dies      the process is gone before it is done
    dies after   the process is gone when it was done, before it knows
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed, HostUnreachable

if TYPE_CHECKING:
    from tests.fakes.session import FakeSession

__all__ = ["Died", "Fault", "Process"]

_LEAK_SECONDS = 3.0


class Died(BaseException):
    """Ends the threads of a process that is dead; nothing that it calls does anything any more."""


class Fault(StrEnum):
    """What happens at the chosen call."""

    REFUSED = "refused"
    LOST = "lost"
    SIGNAL = "signal"
    DIES = "dies"
    DIES_AFTER = "dies after"


@dataclass(slots=True)
class Process:
    """One run of a command.

    Attributes:
        fault, at: what happens, at which call (its number, from 0); None is an undisturbed run.
        matches: counts only such calls for `at`, by their words.
        calls: what was called, in order, as "host: words".
        struck: the call at which it happened.
    """

    fault: Fault | None = None
    at: int = -1
    matches: Callable[[str], bool] = lambda _: True
    calls: list[str] = field(default_factory=list)
    struck: str = ""
    dead: bool = False
    sessions: list[FakeSession] = field(default_factory=list)
    _counted: int = 0
    _guard: threading.RLock = field(default_factory=threading.RLock)

    def _note(self, words: str) -> Fault | None:
        with self._guard:
            if self.dead:
                raise Died
            self.calls.append(words)
            if not self.matches(words):
                return None
            number = self._counted
            self._counted += 1
            if self.fault is None or number != self.at:
                return None
            self.struck = words
            return self.fault

    @contextlib.contextmanager
    def engine_call(self, host: str, words: str) -> Iterator[None]:
        """Wrap an engine's call."""
        fault = self._note(f"{host}: {words}")
        if fault is Fault.REFUSED:
            raise DeploymentFailed(f"{host}: {words}: refused by the test")
        self._before(fault)
        yield
        if fault is Fault.LOST:
            raise HostUnreachable(f"{host}: {words}: the answer was lost by the test")
        self._after(fault)

    @contextlib.contextmanager
    def request(self, host: str, words: str) -> Iterator[str]:
        """Wrap a session's request; yields the refusal's words."""
        try:
            fault = self._note(f"{host}: session {words}")
            self._before(fault)
            yield "refused by the test" if fault is Fault.REFUSED else ""
            self._after(fault)
        except Died as died:
            raise ConnectionError("the deployer is dead") from died
        if fault is Fault.LOST:
            raise ConnectionError("the connection was cut by the test")

    def _before(self, fault: Fault | None) -> None:
        if fault is Fault.SIGNAL:
            os.kill(os.getpid(), signal.SIGINT)
        elif fault is Fault.DIES:
            self.die()
            raise Died

    def _after(self, fault: Fault | None) -> None:
        if fault is Fault.DIES_AFTER:
            self.die()
            raise Died

    def die(self) -> None:
        """Be gone: as with SIGKILL, every connection ends, and nothing more is called."""
        with self._guard:
            self.dead = True
        for session in self.sessions:
            session.end()

    def ended(self) -> None:
        """Wait until the sessions have noticed that their input ended."""
        for session in self.sessions:
            if not session.over.wait(_LEAK_SECONDS):
                raise AssertionError("a session was left open, and with it a lock")
