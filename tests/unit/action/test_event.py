"""The pull request of a run, from the event as GitHub writes it down."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from deploy_action.github.context import Context
from deploy_action.github.event import PullRequest, pull_request

HERE = {"repo": {"full_name": "acme/shop"}}


def of(event: Any, directory: Path) -> PullRequest | None:
    """Read what an event's file says."""
    file = directory / "event.json"
    file.write_text(event if isinstance(event, str) else json.dumps(event))
    context = Context.read({"GITHUB_REPOSITORY": "acme/shop"})
    return pull_request(dataclasses.replace(context, event_file=str(file)))


@pytest.mark.parametrize(
    ("head", "from_fork"),
    [(HERE, False), ({"repo": {"full_name": "mallory/shop"}}, True), ({"repo": None}, True)],
)
def test_a_pull_request_is_from_here_or_from_a_fork(
    tmp_path: Path, head: Any, from_fork: bool
) -> None:
    """Also from one that was deleted since."""
    found = of({"pull_request": {"number": 7, "head": head}}, tmp_path)
    assert found == PullRequest(number=7, from_fork=from_fork)


@pytest.mark.parametrize("event", [{"ref": "refs/heads/main"}, [], "{", {"pull_request": {}}])
def test_another_event_is_about_none(tmp_path: Path, event: Any) -> None:
    """A push, a schedule, or what we do not know."""
    assert of(event, tmp_path) is None


def test_a_run_without_an_event_is_about_none() -> None:
    """A file that is not named, or not there."""
    assert pull_request(Context.read({})) is None
    assert pull_request(Context.read({"GITHUB_EVENT_PATH": "/nonexistent"})) is None
