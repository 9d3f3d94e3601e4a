"""Where a deployment goes to, and whether anybody answers at its address."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.world import code_of, make_world
from tests.support.sandbox import free_port

from deploy_action.checks import https
from deploy_action.errors import ErrorCode, ExitCode
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Result

HOSTED = {"RUNNER_ENVIRONMENT": "github-hosted"}


@pytest.mark.parametrize(
    ("production", "environ", "refused"),
    [
        ({}, HOSTED, True),
        ({}, {"RUNNER_ENVIRONMENT": "self-hosted"}, False),
        ({}, HOSTED | {"DOCKER_HOST": "tcp://10.0.0.9:2376"}, False),
        ({"hosts": ["local"]}, HOSTED, False),
    ],
)
def test_nothing_is_deployed_by_mistake_to_a_runner_that_is_gone_after_the_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    production: dict[str, object],
    environ: dict[str, str],
    refused: bool,
) -> None:
    """Unless deploy.yaml names the runner's own engine, or another engine is meant."""
    world = make_world(tmp_path, monkeypatch, environments={"production": production})
    done = world.deploy("1.0.0", environ=environ)
    if refused:
        assert done.exit_code is ExitCode.BAD_INPUT
        assert done.error is not None
        assert done.error.code is ErrorCode.ENGINE_EPHEMERAL
        assert list(world.replicas()) == []
    else:
        assert done.result is Result.DEPLOYED


@pytest.mark.parametrize("answers", [True, False])
def test_an_https_address_at_which_nobody_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """The edge has no certificate: whoever is in front of it has to be there."""
    if answers:
        monkeypatch.setattr("deploy_action.commands.deploy.why_unanswered", lambda _: "")
    world = make_world(tmp_path, monkeypatch, url=f"https://localhost:{free_port()}")
    done = world.deploy("1.0.0")
    assert done.result is Result.DEPLOYED
    told = [note for note in done.notes if code_of(note) is NoteCode.ADDRESS_UNANSWERED]
    assert bool(told) is not answers


def test_why_nobody_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port at which nobody listens is told from a name that does not exist."""
    port = free_port()
    assert https.why_unanswered(f"https://127.0.0.1:{port}") == (
        f"port {port} of 127.0.0.1 refuses the connection"
    )
    assert "no address" in https.why_unanswered("https://nowhere.invalid/")
