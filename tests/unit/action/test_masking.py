"""What is masked: everything that the step was handed in confidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.action.masking import (
    handed_secrets,
    lost_outputs,
    masked_texts,
    named_secrets,
    trivial_secrets,
)
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
    assert {value for _, value in named_secrets(environ)} == {
        *("key", "token", "one", "two\nthree", "postgres", "registry", "stripe")
    }


def test_a_broken_configuration_does_not_keep_the_rest_from_being_masked(tmp_path: Path) -> None:
    """Inputs are masked whatever deploy.yaml looks like, or whether it is there."""
    environ = {"INPUT_CONFIG": str(tmp_path / "none.yaml"), "INPUT_SSH-KEY": "key"}
    assert list(named_secrets(environ)) == [("INPUT_SSH-KEY", "key")]


def test_unreadable_secrets_are_masked_before_anybody_complains() -> None:
    """Of a line that is no NAME=value all parts may be the secret."""
    masked = {v for _, v in named_secrets({"INPUT_SECRETS": "just-the-value\n1A=hidden"})}
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


def test_a_long_value_is_hidden_by_its_lines() -> None:
    """As written and as a program trims it; the braces of JSON stay readable."""
    assert list(masked_texts("x")) == ["x"]
    assert list(masked_texts('{\n  "key": 1\n}')) == ['  "key": 1', '"key": 1']


def test_an_output_with_a_secret_in_it_is_told_before_github_drops_it() -> None:
    """By the names of both: a worker count in a digest, an environment's name in an address."""
    outputs = {"digest": "sha256:ab2c", "version": "1.4.0", "url": "https://staging.example.com"}
    secrets = [("WORKERS", "2"), ("STAGE", "staging"), ("TOKEN", "tr0ub4dor")]
    assert lost_outputs(outputs, secrets) == {
        "digest": ("WORKERS",),
        "url": ("STAGE",),
    }
    assert lost_outputs(outputs, secrets[2:]) == {}


def test_what_hides_too_much_is_named() -> None:
    """Short values and everyday words; an empty one hides nothing."""
    secrets = {
        "WORKERS": "2",
        "STAGE": "Staging",
        "DEBUG": "false",
        "NONE": "",
        "TOKEN": "tr0ub4dor",
    }
    assert trivial_secrets(secrets.items()) == ("WORKERS", "STAGE", "DEBUG")
