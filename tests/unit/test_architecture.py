"""The house's rules that can be read off the source: sizes, docstrings, who may touch what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "deploy_action"
MODULES = sorted(SOURCE.rglob("*.py"))

MOST_LINES = 300
# The vocabularies of deploy.yaml and of the command line: values only, best read in one piece.
LONG = {"config/model.py", "command_line/commands.py"}
MOST_FUNCTION_LINES = 60


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, late ones too."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def called(path: Path) -> set[str]:
    """Return the names of all functions that are called, with their modules."""
    return {ast.unparse(n.func) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}


every_module = pytest.mark.parametrize("path", MODULES, ids=named)


@every_module
def test_a_module_says_in_its_first_line_what_it_owns(path: Path) -> None:
    """One sentence, without which nobody knows what belongs there."""
    said = ast.get_docstring(tree(path))
    assert said, f"{named(path)} has no docstring"


@every_module
def test_a_module_is_one_idea_and_fits_on_a_few_screens(path: Path) -> None:
    """What is longer holds two ideas."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES or named(path) in LONG


@every_module
def test_a_function_can_be_read_without_scrolling(path: Path) -> None:
    """Orchestration reads from top to bottom like the story it tells."""
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_FUNCTION_LINES
    }
    assert long == {}


@every_module
def test_nothing_relies_on_assert(path: Path) -> None:
    """`python -O` takes asserts away: what must hold is checked in another way."""
    assert not [node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.Assert)]


@every_module
def test_no_shell_reads_a_command(path: Path) -> None:
    """Argument lists only."""
    shells = [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert shells == []
    assert called(path) & {"os.system", "os.popen", "subprocess.getoutput"} == set()


@every_module
def test_an_error_that_is_translated_keeps_its_origin(path: Path) -> None:
    """Inside `except` another error is raised with `from`, if only `from None`."""
    lost = [
        inner.lineno
        for handler in ast.walk(tree(path))
        if isinstance(handler, ast.ExceptHandler)
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call) and inner.cause is None
    ]
    assert lost == []


def users(*packages: str) -> set[str]:
    return {named(path) for path in MODULES if imports(path) & set(packages)}


def test_only_the_engines_know_docker() -> None:
    """Another engine is another module there."""
    assert {user.split("/")[0] for user in users("docker")} <= {"engines"}


def test_only_checks_and_engines_speak_http() -> None:
    """One client for smoke tests; the engine's library has its own."""
    assert {user.split("/")[0] for user in users("requests", "urllib3", "http")} <= {
        "checks",
        "engines",
    }


def test_workflow_commands_are_written_in_one_place() -> None:
    """Where `::` is escaped, and nowhere else."""
    writers = {
        named(path)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("::")
        and not node.value.startswith("::1")
    }
    assert {writer.split("/")[0] for writer in writers} <= {"github"}


# Entry points, workers that answer their parent, and the generators of documents.
PRINTERS = {
    "checks/probe/__main__.py",
    "command_line/manual.py",
    "command_line/screen.py",
    "config/reference.py",
    "gates/bandit_worker.py",
    "gates/appconfig_worker.py",
    "github/commands.py",
    "report/console.py",
}


def test_the_core_never_prints() -> None:
    """What a person or a program reads goes through report, screen and workflow commands."""
    printing = {"print", "sys.stdout.write", "sys.stderr.write"}
    printers = {named(path) for path in MODULES if called(path) & printing}
    assert printers <= PRINTERS


# Entry points, what starts programs, and what follows the conventions of Docker and git.
ENVIRONMENT = {
    "action.py",
    "cli.py",
    "engines/transport.py",
    "gates/bandit_pool.py",
    "init/sources.py",
    "process.py",
    "targets/registry_login.py",
}


def test_only_the_edges_of_the_program_read_the_process_environment() -> None:
    """What a caller says comes in as Inputs; secrets are taken from there alone."""
    readers = {
        named(path)
        for path in MODULES
        if "os.environ" in path.read_text(encoding="utf-8")
        or "os.getenv" in path.read_text(encoding="utf-8")
    }
    assert readers <= ENVIRONMENT
