"""The house's rules that can be read off the source: sizes, docstrings, who may touch what."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "deploy_action"
MODULES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}

MOST_LINES = 600
# The vocabularies of deploy.yaml and of the command line: values only, best read in one piece.
LONG = {"config/model.py"}
MOST_FUNCTION_LINES = 60


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def where(holds: Callable[[ast.AST], bool]) -> set[str]:
    """Return `module:line` of every node of which this is true."""
    return {
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name in MODULES
        for node in ast.walk(tree(name))
        if holds(node)
    }


def users(*packages: str) -> set[str]:
    """Return the modules that import one of these packages, if only late."""

    def imports(node: ast.AST) -> bool:
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [node.module or ""]
            case _:
                names = []
        return any(name.split(".")[0] in packages for name in names)

    return {found.split(":")[0] for found in where(imports)}


def callers(*names: str) -> set[str]:
    """Return the modules that call one of these functions."""
    calls = where(lambda node: isinstance(node, ast.Call) and ast.unparse(node.func) in names)
    return {found.split(":")[0] for found in calls}


def test_a_module_says_in_its_first_line_what_it_owns() -> None:
    """One sentence, without which nobody knows what belongs there."""
    assert [name for name in MODULES if not ast.get_docstring(tree(name))] == []


def test_a_module_is_one_idea_and_fits_on_a_few_screens() -> None:
    """What is longer holds two ideas."""
    lines = {name: path.read_text("utf-8").count("\n") for name, path in MODULES.items()}
    assert {name for name, count in lines.items() if count > MOST_LINES} - LONG == set()


def test_what_may_be_long_is_long() -> None:
    """An exception that is not needed any more is taken back."""
    assert {name for name in LONG if MODULES[name].read_text("utf-8").count("\n") <= 250} == set()


def test_a_function_can_be_read_without_scrolling() -> None:
    """Orchestration reads from top to bottom like the story it tells."""

    def long(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno >= MOST_FUNCTION_LINES
        )

    assert where(long) == set()


def test_nothing_relies_on_assert() -> None:
    """`python -O` takes asserts away: what must hold is checked in another way."""
    assert where(lambda node: isinstance(node, ast.Assert)) == set()


def test_no_shell_reads_a_command() -> None:
    """Argument lists only."""

    def shell(node: ast.AST) -> bool:
        return isinstance(node, ast.keyword) and node.arg == "shell"

    assert where(shell) == set()
    assert callers("os.system", "os.popen", "subprocess.getoutput") == set()


def test_an_error_that_is_translated_keeps_its_origin() -> None:
    """Inside `except` another error is raised with `from`, if only `from None`."""

    def loses(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and any(
            isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call) and not inner.cause
            for inner in ast.walk(node)
        )

    assert where(loses) == set()


def test_only_the_engines_know_docker() -> None:
    """Another engine is another module there."""
    assert {user.rpartition("/")[0] for user in users("docker")} == {"platforms/docker/engine"}


def test_only_some_packages_speak_http() -> None:
    """A client for smoke tests, one for GitHub's API, the engine's, and what posts notifications."""
    assert {user.rpartition("/")[0] for user in users("requests", "urllib3", "http")} <= {
        "checks",
        "events",
        "github",
        "notifications",
        "platforms/docker/engine",
    }


def test_workflow_commands_are_written_in_one_place() -> None:
    """Where `::` is escaped, and nowhere else."""

    def command(node: ast.AST) -> bool:
        text = node.value if isinstance(node, ast.Constant) else ""
        return isinstance(text, str) and text.startswith("::") and not text.startswith("::1")

    assert {found.split(":")[0].split("/")[0] for found in where(command)} == {"action"}


# Entry points, workers that answer their parent, and the generators of documents.
PRINTERS = {
    "cli/manual.py",
    "config/file_check.py",
    "config/reference.py",
    "action/__main__.py",
    "action/workflow_commands.py",
    "events/console.py",
}


def test_the_core_never_prints() -> None:
    """What a person or a program reads goes through report, screen and workflow commands."""
    assert callers("print", "sys.stdout.write", "sys.stderr.write") <= PRINTERS


# Entry points, what starts programs, and what follows the conventions of Docker and git.
ENVIRONMENT = {
    "action/__main__.py",
    "action/main.py",
    "cli/main.py",
    "platforms/docker/engine/transport.py",
    "process.py",
    "images/login.py",
}


def test_only_the_edges_of_the_program_read_the_process_environment() -> None:
    """What a caller says comes in as Inputs; secrets are taken from there alone."""

    def reads(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")

    assert {found.split(":")[0] for found in where(reads)} <= ENVIRONMENT
