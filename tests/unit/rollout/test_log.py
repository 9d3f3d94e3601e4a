"""What is collected during a rollout, and how errors become one line."""

from __future__ import annotations

import pytest
from tests.fakes.clock import FakeClock

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.protocol import ReconcileResult
from deploy_action.releases.model import Phase
from deploy_action.rollout.log import RolloutLog, explain, first_line


def log_at(clock: FakeClock) -> RolloutLog:
    return RolloutLog(clock=clock, begun=clock.monotonic())


def test_a_phase_is_measured_from_the_beginning_also_when_it_fails() -> None:
    """In seconds, to the millisecond."""
    clock = FakeClock()
    log = log_at(clock)
    clock.sleep(1)

    def fail() -> None:
        with log.phase("start", "a"):
            clock.sleep(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert log.phases == [Phase(name="start", host="a", start_seconds=1.0, end_seconds=3.0)]


def test_a_note_is_added_once() -> None:
    """However many hosts have it."""
    log = log_at(FakeClock())
    for text in ("one", "two", "one"):
        log.note(text)
    assert log.notes == ["one", "two"]


def test_the_first_log_of_a_container_is_kept() -> None:
    """What reconciling found later is added: the earlier lines explain the failure."""
    log = log_at(FakeClock())
    log.logs["r on a"] = "early"
    log.add(ReconcileResult(notes=["removed"], logs={"r on a": "late", "s on a": "other"}))
    assert log.logs == {"r on a": "early", "s on a": "other"}
    assert log.notes == ["removed"]


@pytest.mark.parametrize(
    ("error", "line", "explained"),
    [
        (DeploymentFailed("bad"), "bad", "bad"),
        (DeploymentFailed("bad", cause="why", remedy="fix"), "bad", "bad (why)"),
        (ValueError("one\ntwo"), "one", "ValueError: one"),
        (ValueError(), "ValueError", "ValueError: ValueError"),
        (ValueError("\ntwo"), "ValueError", "ValueError: ValueError"),
    ],
)
def test_an_error_in_one_line(error: Exception, line: str, explained: str) -> None:
    """An error without words is named by its type."""
    assert first_line(error) == line
    assert explain(error) == explained
