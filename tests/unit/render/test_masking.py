"""Masking: a secret beside a mistake is hidden, the mistake is not."""

from __future__ import annotations

import pytest

from deploy_action.render.masking import masked


@pytest.mark.parametrize(
    ("line", "where", "expected"),
    [
        ("service: shop", "", "service: shop"),
        ("  API_TOKEN: hunter2", "", "  API_TOKEN: ***"),
        ("  password: hunter2, and more # x", "", "  password: ***"),
        ("  password: 'open", "", "  password: ***"),
        ('  {"password":"a,b", "n": 1}', "", '  {"password":***, "n": 1}'),
        ("  {password: 'it''s', n: 1}", "", "  {password: ***, n: 1}"),
        ('  {password: "open, n: 1', "", "  {password: ***"),
        ("  tokens: [hunter2, hunter3]", "", "  tokens: ***"),
        ("  {tokens: [hunter2, hunter3], n: 1}", "", "  {tokens: ***"),
        ("secrets: [DATABASE_URL]", "", "secrets: [DATABASE_URL]"),
        ("auth: {user: ada, password: hunter2}", "", "auth: {user: ada, password: ***}"),
        ("  DB: postgres://shop:hunter2@db/shop", "", "  DB: postgres://shop:***@db/shop"),
        ("env: {A: x y, B: hunter2}", "env.A", "env: {A: ***, B: ***}"),
        ("  GREETING: a, hunter2", "environments.staging.env.GREETING", "  GREETING: ***"),
        ("  GREETING:", "env.GREETING", "  GREETING:"),
        ("token = hunter2", "", "token = ***"),
    ],
)
def test_only_what_may_be_secret_is_hidden(line: str, where: str, expected: str) -> None:
    """Values of suspicious keys, of env maps, and passwords in URLs; nothing else."""
    assert masked(line, where, 1)[0] == expected


@pytest.mark.parametrize(
    ("mark", "stands_at"), [("A", "A"), ("B", "B"), ("long", "***"), ("env", "env")]
)
def test_the_column_moves_with_its_text(mark: str, stands_at: str) -> None:
    """The caret stays below the key, or moves to the begin of what is hidden."""
    line = "env: {A: a long value, B: x}"
    text, column = masked(line, "env.B", line.index(mark) + 1)
    assert text[column - 1 :].startswith(stands_at)
