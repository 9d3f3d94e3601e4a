"""Progress: one line a step, with the time and the host, whole and harmless."""

from __future__ import annotations

import io
import threading

from deploy_action.events.console import Console
from deploy_action.events.stream import EventStream
from deploy_action.render.text import Style


def console() -> tuple[EventStream, io.StringIO]:
    stream = io.StringIO()
    times = iter([100.0, *(100.0 + step for step in range(1, 10_000))])
    return EventStream([Console(stream, Style(), clock=lambda: next(times))]), stream


def test_a_step_shows_elapsed_time_host_and_text() -> None:
    """The time counts from the start of the command."""
    progress, stream = console()
    progress.say("pulled", host="a")
    progress.warn("slow disk", host="b")
    assert stream.getvalue() == "   1.0s  a pulled\n   2.0s  b warning: slow disk\n"


def test_the_time_of_day_is_shown_where_it_is_asked_for() -> None:
    """`--verbose`: a log beside those of the hosts."""
    stream = io.StringIO()
    shown = Console(stream, Style(), time_of_day=lambda: "12:00:01")
    EventStream([shown]).say("pulled")
    assert stream.getvalue() == "12:00:01  pulled\n"


def test_quoted_text_is_marked_and_neutralised() -> None:
    """A container's log cannot clear the screen or pass for our own words."""
    progress, stream = console()
    progress.quote("log of shop", ["\x1b[2J\rdone\n", "two"])
    assert stream.getvalue().splitlines()[1:] == ["        │ \\x1b[2J\\rdone", "        │ two"]


def test_lines_of_several_threads_stay_whole() -> None:
    """Hosts report at the same time; no line is torn."""
    progress, stream = console()

    def report(number: int) -> None:
        for _ in range(50):
            progress.say(f"step {number} " * 20)

    threads = [threading.Thread(target=report, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 400
    assert all(len({word for word in line.split() if word.isdigit()}) == 1 for line in lines)
