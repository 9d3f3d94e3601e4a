"""The stream of events: everybody is told the same once, and nobody is in a command's way."""

from __future__ import annotations

import io
import threading
import time
from types import SimpleNamespace

import pytest

from deploy_action import commands
from deploy_action.commands import perform
from deploy_action.errors import DeploymentFailed, ErrorCode, Interrupted
from deploy_action.events import observers as registry
from deploy_action.events.model import (
    CommandFinished,
    CommandStarted,
    Event,
    Message,
    QuotedOutput,
    StepFinished,
    StepStarted,
    WarningMessage,
)
from deploy_action.events.observers import ObserverContext, observers
from deploy_action.events.stream import EventStream, InBackground
from deploy_action.inputs import Inputs
from deploy_action.render.text import Style
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import History, Report


class Recorder:
    """Keeps what it is told; fails or waits where a test says so."""

    name = "the recorder"

    def __init__(self, error: Exception | None = None, gate: threading.Event | None = None) -> None:
        self.events: list[Event] = []
        self.threads: set[threading.Thread] = set()
        self._error, self._gate = error, gate

    def notify(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread())
        if self._gate is not None:
            self._gate.wait()
        if self._error is not None:
            raise self._error

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        return (Note(NoteCode.OTHER, f"{len(self.events)} events"),)


def test_every_observer_is_told_everything_in_one_order() -> None:
    """The conveniences are events like any other."""
    first, second = Recorder(), Recorder()
    stream = EventStream([first, second])
    stream.say("pulling", host="a")
    stream.warn("slow", host="a")
    stream.quote("log", ["x"])
    stream.step_started("pull", "pull the image", host="a")
    stream.step_finished("pull", 1.5, host="a")
    assert first.events == [
        Message(text="pulling", host="a"),
        WarningMessage(text="slow", host="a"),
        QuotedOutput(title="log", lines=("x",)),
        StepStarted(step="pull", text="pull the image", host="a"),
        StepFinished(step="pull", seconds=1.5, host="a"),
    ]
    assert second.events == first.events
    assert list(map(str, stream.close(1))) == ["5 events", "5 events"]


def test_several_threads_may_publish() -> None:
    """An observer is told by one thread at a time, of every event."""
    recorder = Recorder()
    stream = EventStream([recorder])

    def publish() -> None:
        for _ in range(100):
            stream.say("x")

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorder.events) == 800


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("hunter2"), DeploymentFailed("no webhook answers")])
def test_an_observer_that_raises_is_a_note(error: Exception, background: bool) -> None:
    """The others are told on; the message may quote a secret, so the type is told alone."""
    broken, well = Recorder(error), Recorder()
    stream = EventStream([InBackground(broken) if background else broken, well])
    stream.say("one")
    stream.say("two")
    first, second = stream.close(5)
    assert first.code is NoteCode.OBSERVER_FAILED
    assert type(error).__name__ in str(first)
    assert "hunter2" not in str(first)
    assert str(second) == "2 events"
    assert len(broken.events) == 1


def test_a_signal_is_the_commands() -> None:
    """It may arrive while an observer is told, and ends the command all the same."""
    stream = EventStream([Recorder(Interrupted("stopped by SIGTERM"))])
    with pytest.raises(Interrupted):
        stream.say("one")


def test_a_slow_observer_delays_nobody() -> None:
    """It has a thread of its own, and the end waits for it for a bounded time."""
    gate = threading.Event()
    slow = Recorder(gate=gate)
    stream = EventStream([InBackground(slow)])
    began = time.monotonic()
    for _ in range(10):
        stream.say("x")
    (note,) = stream.close(0.05)
    assert note.code is NoteCode.OBSERVER_TIMED_OUT
    assert time.monotonic() - began < 2
    gate.set()


def test_a_background_observer_is_told_all_in_its_own_thread() -> None:
    """In the order of the events, before the end."""
    recorder = Recorder()
    stream = EventStream([InBackground(recorder)])
    stream.say("one")
    stream.say("two")
    assert list(map(str, stream.close(5))) == ["2 events"]
    assert [event.text for event in recorder.events if isinstance(event, Message)] == ["one", "two"]
    assert threading.current_thread() not in recorder.threads


def run_as(monkeypatch: pytest.MonkeyPatch, result: Report | Exception) -> None:
    """Let every command come to this."""

    def run(inputs: Inputs, progress: EventStream) -> Report:
        progress.say("working")
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(commands, "module_of", lambda _: SimpleNamespace(run=run))


def test_a_command_is_told_from_start_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last event has the report; what observers say about themselves is in what is shown."""
    history = History(environment="production")
    run_as(monkeypatch, history)
    recorder = Recorder()
    report = perform("history", Inputs(environment="production"), [recorder])
    assert recorder.events == [
        CommandStarted(command="history", environment="production"),
        Message(text="working"),
        CommandFinished(report=history),
    ]
    assert report == History(environment="production", notes=(Note(NoteCode.OTHER, "3 events"),))


def test_a_failure_and_a_bug_are_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that a user may see is a report; a bug ends the command without one."""
    run_as(monkeypatch, DeploymentFailed("no", code=ErrorCode.DISK_FULL))
    recorder = Recorder()
    report = perform("deploy", Inputs(), [recorder])
    assert isinstance(report, Outcome)
    last = recorder.events[-1]
    assert isinstance(last, CommandFinished)
    assert isinstance(last.report, Outcome)
    run_as(monkeypatch, RuntimeError("x"))
    recorder = Recorder()
    with pytest.raises(RuntimeError):
        perform("deploy", Inputs(), [recorder])
    assert recorder.events[-1] == CommandFinished(report=None)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (None, commands.END_SECONDS),
        (DeploymentFailed("no"), commands.END_SECONDS),
        (Interrupted("stopped by SIGINT"), commands.INTERRUPTED_SECONDS),
    ],
)
def test_a_cancelled_run_waits_less(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, seconds: float
) -> None:
    """It is killed soon, and has its outputs to write."""
    run_as(monkeypatch, error or History(environment="production"))

    class Timed(Recorder):
        def close(self, timeout_seconds: float) -> tuple[Note, ...]:
            return (Note(NoteCode.OTHER, f"{timeout_seconds:g}"),)

    report = perform("deploy", Inputs(), [Timed()])
    assert list(map(str, getattr(report, "notes", ()))) == [f"{seconds:g}"]


def test_an_observer_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody asked for returns nothing; the console is always there, and what reads in
    deploy.yaml whom to tell."""
    context = ObserverContext(inputs=Inputs(), log=io.StringIO(), style=Style())
    names = [observer.name for observer in observers(context)]
    assert names == ["the console", "the notifications"]
    recorder = Recorder()
    monkeypatch.setattr(registry, "OBSERVERS", (*registry.OBSERVERS, lambda _: recorder))
    assert observers(context)[-1] is recorder
