"""Signals: the first one ends what is done, never the way back, and never half a hand-over."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from deploy_action.errors import Interrupted
from deploy_action.interruption import interruptible, postponed

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def send(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_interrupts_and_is_named(number: signal.Signals) -> None:
    """Whichever of the three it is."""
    with interruptible(), pytest.raises(Interrupted, match=number.name):
        send(number)


def test_later_signals_leave_the_way_back_alone() -> None:
    """GitHub sends SIGTERM 7.5 s after SIGINT: by then everything is being undone."""
    undone = []
    with interruptible():
        with pytest.raises(Interrupted):
            send()
        send(signal.SIGTERM)
        undone.append(True)
    assert undone


def test_the_handlers_of_before_come_back() -> None:
    """Whatever happened in between."""
    before = [signal.getsignal(number) for number in ENDING]
    with pytest.raises(Interrupted), interruptible():
        send()
    assert [signal.getsignal(number) for number in ENDING] == before


def test_a_postponed_signal_comes_at_the_end() -> None:
    """What was begun is known by then; the outermost end counts."""
    done = []

    def work() -> None:
        with postponed():
            with postponed():
                send()
                done.append("inner")
            done.append("outer")
        done.append("never")

    with interruptible(), pytest.raises(Interrupted):
        work()
    assert done == ["inner", "outer"]


def fail_after_a_signal() -> None:
    with postponed():
        send()
        raise ValueError("the reason")


def test_a_failure_is_told_rather_than_the_signal_that_came_with_it() -> None:
    """The way back has a reason already."""
    with interruptible(), pytest.raises(ValueError, match="the reason"):
        fail_after_a_signal()


def test_a_signal_of_before_does_not_end_a_later_command() -> None:
    """Each command begins anew."""
    with interruptible(), pytest.raises(ValueError, match="the reason"):
        fail_after_a_signal()
    ended = []
    with interruptible(), postponed():
        ended.append(True)
    assert ended


def test_other_threads_are_left_alone() -> None:
    """Only the main thread can have handlers; elsewhere nothing happens and nothing fails."""
    passed = []

    def work() -> None:
        with interruptible(), postponed():
            passed.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert passed
