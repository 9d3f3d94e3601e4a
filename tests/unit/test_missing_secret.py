"""A secret that did not arrive: the remedy is right for the place where it is missing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deploy_action.config.model import Environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.inputs import Inputs
from deploy_action.missing_secret import advise
from deploy_action.releases.secrets import required_secrets

ON_GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY_OWNER": "acme"}
CALLED = {**ON_GITHUB, "DEPLOY_WORKFLOW": "deploy"}
OURS = {**CALLED, "GITHUB_ACTION_REPOSITORY": "Acme/deploy-action"}
THEIRS = {**CALLED, "GITHUB_ACTION_REPOSITORY": "org/deploy-action"}
ENVIRONMENT = Environment(name="production", service="shop", secrets=("TOKEN",))


def test_on_github_an_empty_secret_is_a_missing_one() -> None:
    """GitHub passes what is not there as an empty text; at a terminal empty is what was said."""
    assert Inputs(environ={**ON_GITHUB, "TOKEN": ""}).secret("TOKEN") is None
    given = Inputs(environ={"TOKEN": ""}).secret("TOKEN")
    assert given is not None
    with pytest.raises(BadInput) as refused:
        required_secrets(ENVIRONMENT, Inputs(environ={**THEIRS, "TOKEN": ""}))
    assert refused.value.code is ErrorCode.SECRET_MISSING
    advice = advise("TOKEN", THEIRS, environment="production")
    assert (refused.value.cause, refused.value.remedy) == (advice.cause, advice.remedy)


@pytest.mark.parametrize(
    ("environ", "says", "never"),
    [
        ({}, "TOKEN=…", "GitHub"),
        (ON_GITHUB, "TOKEN=${{ secrets.TOKEN }}", "DEPLOY_SECRETS"),
        (OURS, "or in the environment production", "another owner"),
        (THEIRS, "in the repository or organisation, with the line TOKEN=…", "or in the env"),
        (CALLED, "in the repository or organisation, with the line TOKEN=…", "or in the env"),
    ],
    ids=["terminal", "step", "same owner", "other owner", "unknown owner"],
)
def test_the_remedy_fits_the_place(environ: Mapping[str, str], says: str, never: str) -> None:
    """A step takes `secrets`; a call passes names; another owner's gets nothing of environments."""
    advice = advise("TOKEN", environ, environment="production")
    assert says in advice.remedy
    assert never not in f"{advice.cause} {advice.remedy}"
    # GitHub refuses `env:` on a job that calls a workflow.
    assert "env:" not in advice.remedy
    assert "inherit" not in advice.remedy


def test_a_pull_request_is_told_that_it_gets_none() -> None:
    """From a fork that is the reason, wherever the secret is kept."""
    assert "fork" in advise("TOKEN", {**OURS, "GITHUB_EVENT_NAME": "pull_request"}).cause
    assert "fork" not in advise("TOKEN", {**OURS, "GITHUB_EVENT_NAME": "push"}).cause
