"""A run that comes late: what a newer one made live stays, unless a person starts it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.world import World, make_world

from deploy_action.errors import ErrorCode
from deploy_action.results.outcome import Result

RUNS = "https://github.com/acme/shop/actions/runs"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Run 200 has made 2.0.0 live."""
    made = make_world(tmp_path, monkeypatch)
    for version in ("1.0.0", "2.0.0"):
        made.publish(Application(version=version))
    assert made.deploy("2.0.0", run_url=f"{RUNS}/200").error is None
    return made


def test_a_late_approval_does_not_take_back_what_a_newer_run_deployed(world: World) -> None:
    """It is refused under the lock, and nothing changes."""
    late = world.deploy("1.0.0", run_url=f"{RUNS}/199")
    assert late.error is not None
    assert late.error.code is ErrorCode.SUPERSEDED
    assert world.ledger("local")[-1].release.version == "2.0.0"
    assert list(world.troubles()) == []


@pytest.mark.parametrize(
    ("run_url", "environ"),
    [
        (f"{RUNS}/201", {}),
        (f"{RUNS}/199", {"GITHUB_RUN_ATTEMPT": "2"}),
        ("https://github.com/acme/other/actions/runs/199", {}),
        ("", {}),
    ],
    ids=["newer run", "run again by a person", "another repository", "command line"],
)
def test_everybody_else_deploys(world: World, run_url: str, environ: Mapping[str, str]) -> None:
    """Only a first attempt of an older run of the same repository was overtaken."""
    done = world.deploy("1.0.0", run_url=run_url, environ=environ)
    assert done.result is Result.DEPLOYED


def test_what_is_live_already_may_be_said_by_any_run(world: World) -> None:
    """The same release changes nothing."""
    assert world.deploy("2.0.0", run_url=f"{RUNS}/199").result is Result.UNCHANGED
