"""What the linters of workflows say of ours, of the examples and of what `init` writes: nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.support.act import CALLED, CALLED_BUILD, ROOT, SELF, SELF_BUILD, named_apart
from tests.support.pages import BLOCKS

from deploy_action.init import initialise

pytestmark = [pytest.mark.act, pytest.mark.xdist_group("linters")]

# Callers name our release by its tag, as everybody does who does not pin, and their own likewise.
_CONFIG = """\
rules:
  unpinned-uses: {config: {policies: {"org/*": ref-pin, "acme/*": ref-pin, "*": hash-pin}}}
"""
# A page shows the lines that matter; comments, names and groups are in the examples that are copied.
_PAGES = """\
rules:
  anonymous-definition: {disable: true}
  concurrency-limits: {disable: true}
  undocumented-permissions: {disable: true}
  unpinned-uses: {config: {policies: {"*": ref-pin}}}
"""


def _lint(*argv: str, cwd: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:{Path.home()}/go/bin"
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def repository(action: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is to be linted in one folder, with the one rewritten line."""
    target = tmp_path_factory.mktemp("lint")
    caller = target / "caller"
    caller.mkdir()
    (caller / "Dockerfile").write_text("FROM debian\nEXPOSE 8080\n")
    initialise(caller)
    for source, name in (
        (action / ".github/workflows", "shipped"),
        (ROOT / "examples/workflows", "examples"),
        (caller / ".github/workflows", "init"),
    ):
        folder = target / name / ".github/workflows"
        folder.mkdir(parents=True)
        for file in source.glob("*.yml"):
            (folder / file.name).write_text(file.read_text())
    _write_snippets(target / "pages/.github/workflows")
    (target / "zizmor.yml").write_text(_CONFIG)
    (target / "pages.yml").write_text(_PAGES)
    return target


def _write_snippets(folder: Path) -> None:
    """Write each workflow that a page shows as a file of its own; a fragment gets what is around it."""
    folder.mkdir(parents=True)
    for block in (block for block in BLOCKS if block.language == "yaml"):
        content = yaml.safe_load(block.text)
        head, text = "", block.text
        if "steps" in content:
            indented = "".join(f"    {line}" for line in text.splitlines(keepends=True))
            text = f"jobs:\n  job:\n    runs-on: ubuntu-latest\n{indented}"
            content = {"jobs": {}}
        if "jobs" not in content:
            continue
        head += "" if True in content else "on: push\n"
        head += "" if "permissions" in content else "permissions: {}\n"
        name = re.sub(r"[^a-z0-9]+", "-", block.id.lower())
        (folder / f"{name}.yml").write_text(f"{head}{text}")


def test_only_lines_of_one_kind_differ_from_what_is_shipped(action: Path) -> None:
    """The copy that act and actionlint see says `uses: org/deploy-action@v1` for `uses: $/`, and has a
    name of its own."""
    rewritten = {(SELF, CALLED), (SELF_BUILD, CALLED_BUILD)}
    for shipped in (ROOT / ".github/workflows").glob("*.yml"):
        ours = named_apart(shipped.name, shipped.read_text()).splitlines()
        theirs = (action / ".github/workflows" / shipped.name).read_text().splitlines()
        differing = {pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]}
        assert {(a.strip(), b.strip()) for a, b in differing} <= rewritten
        assert SELF not in shipped.read_text() or differing


@pytest.mark.parametrize("name", ["shipped", "examples", "init", "pages"])
def test_actionlint_finds_nothing(repository: Path, name: str) -> None:
    """Syntax, expressions, contexts, and what is given to whom."""
    files = sorted(str(path) for path in (repository / name).rglob("*.yml"))
    assert files
    _lint("actionlint", "-shellcheck=", "-pyflakes=", *files, cwd=repository)


def test_bash_understands_every_script(repository: Path) -> None:
    """A slip in a release's step would be found on the day of the release."""
    jobs = [
        job
        for path in repository.rglob("*.yml")
        for job in (yaml.safe_load(path.read_text()).get("jobs") or {}).values()
    ]
    scripts = [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]
    assert scripts
    for script in scripts:
        done = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), script


@pytest.mark.parametrize("name", ["shipped", "examples", "init", "pages"])
def test_workflows_are_such_as_the_published_schema_describes(repository: Path, name: str) -> None:
    """json.schemastore.org/github-workflow.json, as check-jsonschema brings it."""
    files = sorted(str(path) for path in (repository / name).rglob("*.yml"))
    assert files
    _lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files, cwd=ROOT)


def test_actions_are_such_as_the_published_schema_describes() -> None:
    """json.schemastore.org/github-action.json: the whole action and those with one command."""
    files = sorted(str(path) for path in (*ROOT.glob("action.yml"), *ROOT.glob("*/action.yml")))
    assert len(files) == 5
    _lint("check-jsonschema", "--builtin-schema", "vendor.github-actions", *files, cwd=ROOT)


IGNORED = re.compile(r"^(?P<before>.*)\n.*# zizmor: ignore\[[a-z-]+\]", re.MULTILINE)


def test_a_finding_that_is_ignored_has_its_reason_above_it() -> None:
    """Whoever reads the line learns why it is right."""
    folders = (ROOT, ROOT / ".github/workflows", ROOT / "examples/workflows")
    files = [
        path for folder in folders for path in (*folder.glob("*.yml"), *folder.glob("*/*.yml"))
    ]
    texts = {path: path.read_text() for path in files}
    ignored = {path: IGNORED.findall(text) for path, text in texts.items() if "zizmor:" in text}
    assert sum(map(len, ignored.values())) == sum(t.count("zizmor:") for t in texts.values())
    assert all(line.lstrip().startswith("# ") for lines in ignored.values() for line in lines)


def test_zizmor_finds_nothing_in_what_is_shipped() -> None:
    """Pedantically: no injection, no stored credential, no right too many, nothing unpinned."""
    _lint("zizmor", "--offline", "--pedantic", "--no-config", "--quiet", ".", cwd=ROOT)


@pytest.mark.parametrize("name", ["examples", "init", "pages"])
def test_zizmor_finds_nothing_in_what_is_copied(repository: Path, name: str) -> None:
    """What `init` writes and what people copy is held to the same."""
    rules = "pages.yml" if name == "pages" else "zizmor.yml"
    config = ("--config", str(repository / rules))
    argv = ("zizmor", "--offline", "--pedantic", "--quiet", *config)
    _lint(*argv, str(repository / name), cwd=repository)
