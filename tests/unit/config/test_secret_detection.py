"""What looks like a secret is not shown, and what does not is."""

from __future__ import annotations

import pytest

from deploy_action.config.secret_detection import (
    HIDDEN,
    looks_secret,
    name_looks_secret,
    secret_spans,
    shown,
)


@pytest.mark.parametrize(
    "name",
    [
        *("DATABASE_PASSWORD", "API_KEY", "apikey", "GITHUB_TOKEN", "client-secret", "PASS"),
        *("DB_PWD", "SENTRY_DSN", "PRIVATE_KEY", "passphrase", "aws_access_key", "BASIC_AUTH"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    """Names that usually hold a secret are recognised in any spelling."""
    assert name_looks_secret(name)
    assert shown(("env", name), "value") == HIDDEN


@pytest.mark.parametrize(
    "name",
    [
        *("LOG_LEVEL", "KEYBOARD", "MONKEY", "AUTHOR", "COMPASS", "KEY_FILE", "TOKEN_TTL"),
        *("SECRET_NAME", "PASSWORD_MIN_LENGTH", "AUTH_URL", "TOKEN_TYPE"),
    ],
)
def test_names_of_other_things(name: str) -> None:
    """Names that only sound like it, or say where the secret is, are not."""
    assert not name_looks_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        *("ghp_0123456789abcdefghij", "github_pat_0123456789abcdefghij_x", "AKIAABCDEFGHIJKLMNOP"),
        *("xoxb-0123456789-abc", "sk-0123456789abcdefghij", "glpat-0123456789abcdefghij"),
        *("eyJhbGciOiJIUzI1NiJ9.e30.x", "postgres://shop:hunter2@db/shop", "https://:pw@host"),
        "-----BEGIN PRIVATE KEY-----\nMIIE",
    ],
)
def test_forms_of_secrets(value: str) -> None:
    """Well-known forms are recognised wherever they stand."""
    assert looks_secret(value)
    assert shown(("env", "A"), value) == HIDDEN
    line = f"a: [{value}, b]"
    start, end = secret_spans(line)[0]
    assert value not in line[:start] + line[end:]
    assert line[:start].startswith("a: [")


@pytest.mark.parametrize(
    "value", ["info", "postgres://db/shop", "ssh://deploy@host", "sk-1", "a:b@c"]
)
def test_forms_of_other_things(value: str) -> None:
    """Ordinary values are shown."""
    assert not looks_secret(value)
    assert shown(("env", "A"), value) == f'"{value}"'


def test_what_is_shown_is_short_and_on_one_line() -> None:
    """Line feeds, escapes and length cannot disturb a message."""
    assert shown((), "a\nb\x1b[31m\u202e") == '"a\\nb\\u001b[31m\\u202e"'
    assert len(shown((), "x" * 1000)) == 60
    assert shown((), {"a": 1}) == "a map"
    assert shown((), 10**5000) == "a very long number"
