"""Imports obey the table of packages in ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "deploy_action"
SOURCE = ROOT / "src" / PACKAGE
BASE = "base"
"""The modules beside the folders, `__init__` and `__main__` apart."""

# Violations that are left, as (importing package, imported package). The list may only shrink.
KNOWN: frozenset[tuple[str, str]] = frozenset()
KNOWN_TYPES: frozenset[tuple[str, str]] = frozenset({("platforms/protocol", "rollout")})
"""The same for imports under `if TYPE_CHECKING`, which may name any package of a lower layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import of a module of this project by a module of another package."""

    module: str
    line: int
    importer: str
    imported: str
    for_types: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def table() -> dict[str, frozenset[str]]:
    """Return the packages of ARCHITECTURE.md, lowest first, with what each may import."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = (
        text.partition("| package | owns | may import |")[2].partition("\n\n")[0].splitlines()[2:]
    )
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        name.strip("`"): frozenset(re.findall(r"`([\w/]+)`", allowed))
        for name, _, allowed, *_ in cells
    }


TABLE = table()


def package_of(parts: tuple[str, ...]) -> str:
    """Return the package of a module, or of a name in one: the longest that has a row."""
    if not (SOURCE / parts[0]).is_dir():
        return BASE
    names = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    # A folder without a row is a package of its own, which no row allows.
    return next((name for name in names if name in TABLE), parts[0])


def imported_modules(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield the modules of this project that a statement imports, without the project's name."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        first, *rest = name.split(".")
        if first == PACKAGE and rest:
            yield tuple(rest)


def imports() -> Iterator[Import]:
    """Yield every import, also those inside functions, that crosses a border between packages."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts in {("__init__",), ("__main__",)}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        importer = package_of(parts)
        for node in ast.walk(tree):
            for name in imported_modules(node):
                if name != ("__version__",) and (imported := package_of(name)) != importer:
                    yield Import(
                        module="/".join(parts) + ".py",
                        line=getattr(node, "lineno", 0),
                        importer=importer,
                        imported=imported,
                        for_types=id(node) in for_types,
                    )


IMPORTS = tuple(imports())


def forbidden(found: Import) -> bool:
    """Tell whether the table does not allow this import."""
    allowed = TABLE.get(found.importer, frozenset())
    if found.imported in allowed:
        return False
    if found.for_types and {found.importer, found.imported} <= TABLE.keys():
        layers = list(TABLE)
        return layers.index(found.imported) > layers.index(found.importer)
    return True


def violations(*, for_types: bool) -> dict[tuple[str, str], list[str]]:
    """Return the forbidden imports by pair of packages."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in IMPORTS:
        if each.for_types is for_types and forbidden(each):
            found.setdefault((each.importer, each.imported), []).append(str(each))
    return found


def unexpected(
    found: dict[tuple[str, str], list[str]], known: frozenset[tuple[str, str]]
) -> list[str]:
    return [line for pair, lines in sorted(found.items()) if pair not in known for line in lines]


def test_the_table_has_every_package_and_goes_downwards() -> None:
    """Each folder has a row, each row is a folder or module, and none allows one below its own."""
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert folders <= TABLE.keys()
    rows = [SOURCE / name for name in TABLE if name != BASE]
    assert [row for row in rows if not row.is_dir() and not row.with_suffix(".py").is_file()] == []
    layers = list(TABLE)
    upwards = [
        f"{name} → {other}"
        for name, allowed in TABLE.items()
        for other in allowed
        if other not in layers or layers.index(other) >= layers.index(name)
    ]
    assert upwards == []


def test_imports_obey_the_table() -> None:
    """What runs imports only what the table allows, early or late."""
    assert unexpected(violations(for_types=False), KNOWN) == []


def test_imports_for_type_checking_go_downwards() -> None:
    """An annotation may name any lower package, and none above."""
    assert unexpected(violations(for_types=True), KNOWN_TYPES) == []


def test_a_violation_that_is_gone_is_not_known_any_more() -> None:
    """The lists shrink with the code: delete the pair that this names."""
    assert KNOWN - violations(for_types=False).keys() == set()
    assert KNOWN_TYPES - violations(for_types=True).keys() == set()
