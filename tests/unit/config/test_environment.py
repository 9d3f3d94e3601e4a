"""The environment that somebody meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.config import load, select_environment
from deploy_action.config.model import DeployConfig
from deploy_action.errors import BadInput


@pytest.fixture
def config(tmp_path: Path) -> DeployConfig:
    """Two environments."""
    file = tmp_path / "deploy.yaml"
    file.write_text(
        "version: 1\nservice: shop\nimage: shop\nport: 80\n"
        "environments:\n  staging: {route: {port: 81}}\n  production: {route: {port: 82}}\n"
    )
    return load(file)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("prod", "did you mean -e production?"),
        ("stagin", "did you mean -e staging?"),
        ("producton", "did you mean -e production?"),
        ("qa", "-e staging or -e production"),
    ],
)
def test_a_wrong_name_leads_to_the_one_that_was_meant(
    config: DeployConfig, name: str, remedy: str
) -> None:
    """The beginning of a name and a typo are understood; nothing else is guessed."""
    with pytest.raises(BadInput) as caught:
        select_environment(config, name)
    assert caught.value.remedy == remedy
