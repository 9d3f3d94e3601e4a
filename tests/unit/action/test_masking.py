"""What is masked: everything that the step was handed in confidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.action.masking import declared_secrets, handed_secrets
from deploy_action.errors import BadInput

CONFIG = """\
version: 1
service: shop
image: ghcr.io/acme/shop
port: 8080
secrets: [DATABASE_URL]
registry: {username: bot, password: REGISTRY_PASSWORD}
environments:
  staging: {hosts: [local]}
  production: {hosts: [local], secrets: [STRIPE_KEY], route: {port: 81}}
"""


def test_secrets_of_every_environment_are_found(tmp_path: Path) -> None:
    """Declared ones, the registry's password, secret inputs and tokens; nothing else."""
    config = tmp_path / "deploy.yaml"
    config.write_text(CONFIG)
    environ = {
        "INPUT_CONFIG": str(config),
        "INPUT_SSH-KEY": "key",
        "INPUT_GITHUB-TOKEN": "token",
        "INPUT_SECRETS": "A=one\nB<<END\ntwo\nthree\nEND\n",
        "DATABASE_URL": "postgres",
        "REGISTRY_PASSWORD": "registry",
        "STRIPE_KEY": "stripe",
        "HOME": "/root",
        "INPUT_REASON": "slow",
    }
    assert set(declared_secrets(environ)) == {
        *("key", "token", "one", "two\nthree", "postgres", "registry", "stripe")
    }


def test_a_broken_configuration_does_not_keep_the_rest_from_being_masked(tmp_path: Path) -> None:
    """Inputs are masked whatever deploy.yaml looks like, or whether it is there."""
    environ = {"INPUT_CONFIG": str(tmp_path / "none.yaml"), "INPUT_SSH-KEY": "key"}
    assert list(declared_secrets(environ)) == ["key"]


def test_unreadable_secrets_are_masked_before_anybody_complains() -> None:
    """Of a line that is no NAME=value all parts may be the secret."""
    masked = set(declared_secrets({"INPUT_SECRETS": "just-the-value\n1A=hidden"}))
    assert {"just-the-value", "hidden"} <= masked


def test_secrets_are_handed_over_by_name() -> None:
    """One a line, values kept as they are, blocks for several lines, comments and blanks left out."""
    text = "# ours\n\nA=x = y \nB<<END\none\n\ntwo\nEND\nC=\n"
    assert handed_secrets(text) == {"A": "x = y ", "B": "one\n\ntwo", "C": ""}


def test_a_value_may_hold_what_begins_a_block() -> None:
    """Only before the first `=` it means one."""
    assert handed_secrets("A=1<<2") == {"A": "1<<2"}


@pytest.mark.parametrize(
    "text", ["tr0ub4dor", "1A=tr0ub4dor", "A B=tr0ub4dor", "A<<END\ntr0ub4dor\n", "=tr0ub4dor"]
)
def test_a_mistake_is_told_by_its_line_and_never_by_its_text(text: str) -> None:
    """The text may be the secret."""
    with pytest.raises(BadInput, match="line 1") as refused:
        handed_secrets(text)
    assert "tr0ub4dor" not in str(refused.value)
