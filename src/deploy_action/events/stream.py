"""The stream of events: tells every observer the same, in one order, and shields the command.

An observer cannot change an outcome: what it raises becomes a note of the report. It cannot
delay one either when it is wrapped in `InBackground`: it then has a thread of its own, and the
end of the command waits for it for a bounded time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from deploy_action.errors import Interrupted
from deploy_action.events.model import (
    DeploymentStarted,
    Message,
    Output,
    QuotedOutput,
    StepFinished,
    StepStarted,
    UndoStarted,
    Waiting,
    WaitingEnded,
    WarningMessage,
)
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.events.model import Event
    from deploy_action.releases.model import Deployment

__all__ = ["EventStream", "InBackground", "Observer"]


class Observer(Protocol):
    """Is told of everything that happens during one command."""

    @property
    def name(self) -> str:
        """What notes call it ("the webhook")."""

    def notify(self, event: Event) -> None:
        """Learn of an event; called by one thread at a time, in the order of the events."""

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Finish, and return notes for the report; called once, after the last event."""


class EventStream:
    """Passes events on to the observers; safe to use from several threads."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = list(observers)
        self._notes: list[Note] = []
        self._lock = threading.Lock()

    def publish(self, event: Event) -> None:
        """Tell every observer; one that raises is told nothing more, and a note says so."""
        with self._lock:
            for observer in tuple(self._observers):
                try:
                    observer.notify(event)
                except Interrupted:
                    # A signal that came just now: it is the command's, not the observer's.
                    raise
                except Exception as error:  # noqa: BLE001 - observers cannot change an outcome
                    self._observers.remove(observer)
                    self._notes.append(_broke(observer, error))

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Let every observer finish within the time, and return their notes."""
        for observer in self._observers:
            try:
                self._notes += observer.close(timeout_seconds)
            except Exception as error:  # noqa: BLE001 - observers cannot change an outcome
                self._notes.append(_broke(observer, error))
        return tuple(self._notes)

    def say(self, text: str, *, host: str = "") -> None:
        """Publish a message."""
        self.publish(Message(text=text, host=host))

    def warn(self, text: str, *, host: str = "") -> None:
        """Publish a warning."""
        self.publish(WarningMessage(text=text, host=host))

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Publish text that came from outside."""
        self.publish(QuotedOutput(title=title, lines=tuple(lines)))

    def output(self, content: bytes, *, error: bool = False) -> None:
        """Publish what a program of the user's printed."""
        self.publish(Output(content=content, error=error))

    def begin(self, deployment: Deployment) -> None:
        """Publish that an attempt begins, as the ledger is going to have it."""
        self.publish(DeploymentStarted(deployment=deployment))

    def step_started(self, step: str, text: str, *, host: str = "") -> None:
        """Publish that a step of the plan begins."""
        self.publish(StepStarted(step=step, text=text, host=host))

    def step_finished(self, step: str, seconds: float, *, host: str = "") -> None:
        """Publish that a step of the plan is done."""
        self.publish(StepFinished(step=step, seconds=seconds, host=host))

    @contextlib.contextmanager
    def waiting(
        self, text: str, *, host: str = "", limit_seconds: float | None = None, quoted: bool = False
    ) -> Iterator[Callable[[str], None]]:
        """Publish that something takes its time inside; yields what tells the last that is seen."""
        event = Waiting(text=text, host=host, limit_seconds=limit_seconds, quoted=quoted)
        last = ""

        def tell(detail: str) -> None:
            nonlocal last
            if detail != last:
                last = detail
                self.publish(dataclasses.replace(event, detail=detail))

        self.publish(event)
        try:
            yield tell
        finally:
            self.publish(WaitingEnded(text=text, host=host))

    def undo_started(self, code: str, text: str) -> None:
        """Publish that a rollout failed and its hosts go back."""
        self.publish(UndoStarted(code=code, text=text))


class InBackground:
    """Tells a slow observer in a thread of its own, so that nobody waits for it before the end."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._notes: tuple[Note, ...] = ()
        # A daemon: an observer that hangs does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=observer.name, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The observer's name."""
        return self._observer.name

    def notify(self, event: Event) -> None:
        """Queue the event."""
        self._events.put(event)

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Wait for the observer, at most `timeout_seconds`."""
        self._events.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            text = f"{self.name}: not finished within {timeout_seconds:g} s"
            return (Note(NoteCode.OBSERVER_TIMED_OUT, text),)
        return self._notes

    def _run(self) -> None:
        try:
            while (event := self._events.get()) is not None:
                self._observer.notify(event)
            self._notes = self._observer.close(0)
        except Exception as error:  # noqa: BLE001 - observers cannot change an outcome
            self._notes = (_broke(self._observer, error),)


def _broke(observer: Observer, error: Exception) -> Note:
    # The message of an unforeseen exception may quote a secret: only its type is shown.
    text = f"{observer.name}: stopped by an unexpected {type(error).__name__}"
    return Note(NoteCode.OBSERVER_FAILED, text)
