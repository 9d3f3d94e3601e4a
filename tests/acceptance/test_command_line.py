"""The command line as a user starts it: a process of its own, in a repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
import referencing

from deploy_action import __version__
from deploy_action.commands import NAMES

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "output.schema.json").read_text(encoding="utf-8"))

VALID = """\
version: 1
service: shop
image: ghcr.io/acme/shop
port: 8080
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "deploy.yaml").write_text(VALID, encoding="utf-8")
    return tmp_path


def deploy_action(
    *argv: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as `python -m deploy_action`, whatever the terminal of the tests is."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "deploy_action", *argv],
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C.UTF-8"} | dict(environ or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def fits(document: object) -> bool:
    validator = jsonschema.Draft202012Validator(SCHEMA, registry=referencing.Registry())
    return validator.is_valid(document)


def test_the_version_of_the_package_is_the_version_of_the_program(tmp_path: Path) -> None:
    """One source for both."""
    assert deploy_action("--version", cwd=tmp_path).stdout == f"deploy-action {__version__}\n"


@pytest.mark.parametrize("command", NAMES)
def test_help_works_anywhere_and_shows_an_example(command: str, tmp_path: Path) -> None:
    """No configuration, no network, no Docker are needed to read the help."""
    ran = deploy_action(command, "--help", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"\n  deploy-action {command}" in ran.stdout
    assert "exit codes:" in ran.stdout


@pytest.mark.parametrize("command", [name for name in NAMES if name not in ("init", "completion")])
def test_without_a_configuration_every_command_says_so(command: str, tmp_path: Path) -> None:
    """Nothing crashes: exit 2 (doctor: 3), the missing file is named, JSON stays JSON."""
    arguments = {
        "unlock": ["--force", "--reason", "x"],
        "maintenance": ["on"],
        "canary": ["abort"],
        "run": ["--", "true"],
        "exec": ["--", "true"],
    }.get(command, [])
    ran = deploy_action(command, "--json", *arguments, cwd=tmp_path)
    document = json.loads(ran.stdout)
    assert fits(document)
    assert ran.returncode == document["exit_code"] == (3 if command == "doctor" else 2)
    assert "deploy.yaml" in ran.stdout


def test_validate_says_yes_or_shows_where_it_is_wrong(repository: Path) -> None:
    """Like a compiler: file, line, column, reason, the line itself, a suggestion."""
    good = deploy_action("validate", cwd=repository)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("✓ ")
    (repository / "deploy.yaml").write_text(VALID + "replicsa: 2\n", encoding="utf-8")
    bad = deploy_action("validate", cwd=repository)
    assert bad.returncode == 2
    assert "deploy.yaml:5:1: error" in bad.stdout
    assert "5 │ replicsa: 2\n    │ ^\n" in bad.stdout
    assert "did you mean 'replicas'?" in bad.stdout
    document = json.loads(deploy_action("validate", "--json", cwd=repository).stdout)
    assert fits(document)
    assert [problem["line"] for problem in document["problems"]] == [5]


def test_a_file_elsewhere_is_named_as_it_was_typed(repository: Path) -> None:
    """Editors jump to what is printed."""
    (repository / "shop").mkdir()
    (repository / "shop" / "d.yaml").write_text("version: 1\n", encoding="utf-8")
    ran = deploy_action("validate", "-c", "shop/d.yaml", cwd=repository)
    assert ran.stdout.startswith("shop/d.yaml:")


def test_check_refuses_with_the_place_of_the_finding(repository: Path) -> None:
    """Exit 3; the finding has a file and a line; a secret in the code is not printed."""
    (repository / "app.py").write_text("import os\nos.system(input())\n", encoding="utf-8")
    gate = "gates: {bandit: {paths: [app.py], severity: low, confidence: low}}\n"
    (repository / "deploy.yaml").write_text(VALID + gate, encoding="utf-8")
    ran = deploy_action("check", cwd=repository)
    assert ran.returncode == 3
    assert "app.py:2" in ran.stdout
    (repository / "app.py").write_text("print('hello')\n", encoding="utf-8")
    assert deploy_action("check", cwd=repository).returncode == 0


def test_init_writes_a_configuration_that_validates_and_never_overwrites(tmp_path: Path) -> None:
    """From nothing to a valid deploy.yaml in one command; a second one changes nothing."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8080\n", encoding="utf-8")
    first = deploy_action("init", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert fits(document)
    for file in document["files"]:
        assert (tmp_path / file["path"]).is_file()
    assert deploy_action("validate", cwd=tmp_path).returncode == 0
    before = (tmp_path / "deploy.yaml").read_bytes()
    assert deploy_action("init", cwd=tmp_path).returncode == 2
    assert (tmp_path / "deploy.yaml").read_bytes() == before
    assert deploy_action("init", "--force", cwd=tmp_path).returncode == 0


def test_docs_writes_a_page_about_this_repository(repository: Path) -> None:
    """On stdout, or into a file."""
    printed = deploy_action("docs", cwd=repository)
    assert printed.stdout.startswith("# How shop is deployed\n")
    written = deploy_action("docs", "--output", "D.md", cwd=repository)
    assert written.stdout == "✓ wrote D.md\n"
    assert (repository / "D.md").read_text(encoding="utf-8") == printed.stdout


def test_an_unknown_environment_is_met_with_the_known_ones(repository: Path) -> None:
    """Exit 2 and a suggestion, before any host is asked."""
    ran = deploy_action("plan", "-e", "prodution", cwd=repository)
    assert ran.returncode == 2
    assert "production" in ran.stderr


def test_the_terminal_may_speak_ascii_only(repository: Path) -> None:
    """A job without UTF-8 gets question marks, not a crash."""
    ran = deploy_action("validate", cwd=repository, environ={"PYTHONIOENCODING": "ascii"})
    assert (ran.returncode, ran.stdout) == (0, "? the configuration is valid\n")


def test_a_reader_that_goes_away_is_not_an_error(repository: Path) -> None:
    """`deploy-action docs | head -1`: no traceback, and the exit code of a broken pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "deploy_action", "docs"],
            cwd=repository,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")
