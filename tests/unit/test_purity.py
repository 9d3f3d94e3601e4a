"""The pure core: what decides and what is shown never touches the outside by itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "deploy_action"

PURE = (
    "commands/command.py",
    "config/lint/*.py",
    "config/model.py",
    "config/serialize.py",
    "units.py",
    "platforms/docker/edge/render.py",
    "platforms/docker/edge/state.py",
    "platforms/docker/edge/transition.py",
    "errors.py",
    "gates/result.py",
    "github/deployments.py",
    "github/errors.py",
    "rollout/*.py",
    "rollout/steps/*.py",
    "platforms/protocol.py",
    "platforms/docker/drift.py",
    "platforms/docker/observation.py",
    "platforms/docker/plan.py",
    "platforms/docker/replicas.py",
    "platforms/docker/traffic.py",
    "problem.py",
    "releases/*.py",
    "render/*.py",
    "results/*.py",
)
OUTSIDE = {
    "asyncio",
    "docker",
    "http",
    "os",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "time",
    "urllib3",
    "deploy_action.cli.main",
    "deploy_action.platforms.docker.engine.docker",
    "deploy_action.platforms.docker.engine.transport",
    "deploy_action.github",
    "deploy_action.commands",
    "deploy_action.process",
    "deploy_action.session.client",
}
CALLS = {"input", "open", "print"}


def pure_files() -> list[Path]:
    return sorted(path for pattern in PURE for path in SOURCE.glob(pattern))


def imported(tree: ast.AST) -> set[str]:
    """Return the modules that the code imports when it runs, annotations apart."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_outside(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in OUTSIDE)


@pytest.mark.parametrize("pattern", PURE)
def test_every_pattern_still_names_something(pattern: str) -> None:
    """A file that was moved must not leave the check without its subject."""
    assert list(SOURCE.glob(pattern))


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_pure_module_does_not_reach_outside(path: Path) -> None:
    """No process, socket, file, clock, environment or printing in the core."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert {module for module in imported(tree) if is_outside(module)} == set()
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & CALLS == set()


ABOVE_THE_SEAM = ("config", "gates", "releases", "results", "rollout", "platforms/protocol")
BELOW_THE_SEAM = ("deploy_action.platforms.docker", "deploy_action.session", "docker")


def loaded_by(package: str) -> dict[str, str]:
    """Return the modules that importing a package loads, each with the one that imports it."""
    files = SOURCE.glob(f"{package}.py") if "/" in package else (SOURCE / package).rglob("*.py")
    left = [(module_of(path), "") for path in files]
    assert left
    found: dict[str, str] = {}
    while left:
        module, by = left.pop()
        if module in found:
            continue
        found[module] = by
        path = path_of(module)
        if path is not None:
            # To import a module is to import the packages that it is in.
            parents = (module.rsplit(".", count)[0] for count in range(1, module.count(".") + 1))
            names = imported(ast.parse(path.read_text(encoding="utf-8")))
            left += [(name, module) for name in (*names, *parents)]
    return found


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def path_of(module: str) -> Path | None:
    path = SOURCE.parent.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@pytest.mark.parametrize("package", ABOVE_THE_SEAM)
def test_nothing_above_the_seam_loads_a_platform(package: str) -> None:
    """No engine, container, edge or session: neither by itself nor by what it imports."""
    loaded = loaded_by(package)
    below = {
        f"{by} imports {module}"
        for module, by in loaded.items()
        if module.startswith(BELOW_THE_SEAM)
    }
    assert below == set()


# Beside the one runner: children that live as long as something else does.
LONG_LIVED = {"platforms/docker/engine/transport.py", "gates/bandit_scan.py"}


def test_programs_are_started_in_one_place() -> None:
    """Deadlines, process groups and capped output are in process.py; two long-lived kinds are not."""
    starters = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "subprocess" in imported(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert starters <= {"process.py"} | LONG_LIVED


EXITS = ("raise SystemExit", "sys.exit(", "os._exit(", "exit(", "quit(")


@pytest.mark.parametrize(
    "path",
    sorted(SOURCE.rglob("*.py")),
    ids=lambda path: path.relative_to(SOURCE).as_posix(),
)
def test_only_an_entry_point_exits(path: Path) -> None:
    """A function returns or raises; ending the process is left to `if __name__ == "__main__"`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = {
        id(inner)
        for node in tree.body
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    exits = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.Call)
        and id(node) not in allowed
        and ast.unparse(node).startswith(EXITS)
    ]
    assert exits == []
