"""Progress for programs: one object a line, and what a user's program prints stays apart."""

from __future__ import annotations

import io
import json
from typing import Any

from deploy_action.errors import ErrorCode
from deploy_action.events.json_lines import JsonLines
from deploy_action.events.model import CommandFinished, CommandStarted
from deploy_action.events.stream import EventStream
from deploy_action.rollout.step import StepId


def _written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _observer() -> tuple[EventStream, io.StringIO, io.StringIO]:
    stream, output = io.StringIO(), io.StringIO()
    return EventStream([JsonLines(stream, output=output, now=lambda: "now")]), stream, output


def test_each_event_is_an_object_with_its_identifiers() -> None:
    """A program compares `event`, `step`, `host` and `code`; texts are for people."""
    events, stream, _ = _observer()
    events.publish(CommandStarted(command="deploy", environment="production"))
    events.step_started(StepId.BAKE, "bake", host="web-1")
    events.step_finished(StepId.BAKE, 1.23456, host="web-1")
    events.undo_started(ErrorCode.ANALYSIS_FAILED, "failed: it was slow")
    with events.waiting("pulling shop:1", host="web-1", limit_seconds=60) as tell:
        tell("1 of 2 layers")
    events.say("two\nlines", host="web-1")
    events.warn("careful")
    events.quote("log", ["\x1b[2J"])
    events.publish(CommandFinished(report=None))
    at = {"time": "now"}
    waiting = {
        **at,
        "event": "waiting",
        "text": "pulling shop:1",
        "host": "web-1",
        "limit_seconds": 60,
        "quoted": False,
    }
    assert _written(stream) == [
        {**at, "event": "command-started", "command": "deploy", "environment": "production"},
        {**at, "event": "step-started", "step": "bake", "host": "web-1", "text": "bake"},
        {**at, "event": "step-finished", "step": "bake", "host": "web-1", "seconds": 1.235},
        {**at, "event": "undo-started", "code": "analysis-failed", "text": "failed: it was slow"},
        {**waiting, "detail": ""},
        {**waiting, "detail": "1 of 2 layers"},
        {**at, "event": "waiting-ended", "host": "web-1", "text": "pulling shop:1"},
        {**at, "event": "message", "host": "web-1", "text": "two\nlines"},
        {**at, "event": "warning", "host": "", "text": "careful"},
        {**at, "event": "quoted", "title": "log", "lines": ["\x1b[2J"]},
        {**at, "event": "command-finished", "exit_code": None},
    ]


def test_the_output_of_a_program_stays_where_it_belongs() -> None:
    """What `run` prints is for stdout as it is; its errors are events between the others."""
    events, stream, output = _observer()
    events.output(b"rows\n")
    events.output(b"careful\xff", error=True)
    assert output.getvalue() == "rows\n"
    assert _written(stream) == [{"time": "now", "event": "output", "text": "careful�"}]


def test_a_reader_that_went_away_changes_nothing() -> None:
    """A closed pipe is no reason to undo a deployment."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    events = EventStream([JsonLines(Closed(), output=io.StringIO(), now=lambda: "now")])
    events.say("pulled")
    assert events.close(0) == ()
