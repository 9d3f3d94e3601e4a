"""Problems: shown as a compiler shows them, without giving a secret away."""

from __future__ import annotations

import pytest

from deploy_action.problem import Problem, Severity
from deploy_action.render.problems import counted, show_problems
from deploy_action.render.text import Style


def shown(problem: Problem, *source: str) -> list[str]:
    sources = {problem.file: source} if source else {}
    return show_problems([problem], sources, Style(), 80)


def test_a_problem_shows_place_reason_line_caret_and_hint() -> None:
    """Everything that is needed to mend it, in the order in which it is read."""
    problem = Problem(
        file="deploy.yaml",
        line=2,
        column=3,
        where="environments.production.replicsa",
        message="unknown key 'replicsa'",
        hint="did you mean 'replicas'?",
        rule="unknown-key",
    )
    assert shown(problem, "service: shop", "  replicsa: 2") == [
        "deploy.yaml:2:3: error [unknown-key]",
        "  environments.production.replicsa: unknown key 'replicsa'",
        "  2 │   replicsa: 2",
        "    │   ^",
        "  help: did you mean 'replicas'?",
    ]


def test_the_caret_stands_below_its_column_after_a_character_that_was_escaped() -> None:
    """Neutralising a character makes it wider; the caret moves with it."""
    lines = shown(Problem(file="f", line=1, column=4, message="m"), "\x07: bad")
    assert lines[3].index("^") == lines[2].index("bad")


def test_a_long_line_is_cut_around_the_column() -> None:
    """A minified line shows the part that matters."""
    source = "x" * 500 + "HERE" + "y" * 500
    lines = shown(Problem(file="f", line=1, column=501, message="m"), source)
    assert len(lines[2]) < 120
    assert lines[3].index("^") == lines[2].index("HERE")


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("  API_TOKEN: hunter2", ""),
        ("  password: hunter2 # x", ""),
        ("  DATABASE_URL: postgres://shop:hunter2@db/shop", ""),
        ("  GREETING: hunter2", "env.GREETING"),
        ("  {GREETING: hunter2}", "environments.production.env"),
        ('  "secret-key" : "hunter2"', ""),
    ],
)
def test_a_line_with_a_secret_is_shown_without_it(line: str, where: str) -> None:
    """The source line beside a mistake may hold a password: it is masked."""
    text = "\n".join(shown(Problem(file="f", line=1, column=3, where=where, message="m"), line))
    assert "hunter2" not in text
    assert "***" in text


def test_a_line_that_is_not_there_is_left_out() -> None:
    """A position behind the end, or a file that must not be quoted, shows no excerpt."""
    assert shown(Problem(file="f", line=9, column=1, message="m"), "one") == [
        "f:9:1: error",
        "  m",
    ]


def test_an_endless_line_is_not_quoted_at_all() -> None:
    """Looking for secrets in a megabyte on one line would take for ever."""
    assert shown(Problem(file="f", line=1, column=1, message="m"), "x" * 1_000_000) == [
        "f:1:1: error",
        "  m",
    ]


def test_problems_are_counted_by_severity() -> None:
    """Singular and plural, errors first, nothing for nothing."""
    error = Problem(file="f", message="m")
    warning = Problem(file="f", message="m", severity=Severity.WARNING)
    assert counted([warning, error, error]) == "2 errors, 1 warning"
    assert counted([]) == ""
