"""The pages are correct: examples validate, commands parse, links and paths exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.pages import BLOCKS, GENERATED, PAGES, Block

from deploy_action.cli.arguments import Call, Help, VersionAsked, parse
from deploy_action.commands import all_commands
from deploy_action.config import check, load
from deploy_action.problem import Severity
from deploy_action.render.plain_docker import roll_back_by_hand

ROOT = Path(__file__).parents[2]
MOST_LINES = {"README.md": 120, "ARCHITECTURE.md": 230}
OURS = "org/deploy-action"
LEVELS = ("none", "read", "write")
REUSABLE = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / ".github/workflows").glob("*.yml")
    if "  workflow_call:" in path.read_text(encoding="utf-8")
)
# A fragment of deploy.yaml is completed with this.
BASE: Mapping[str, Any] = {
    "version": 1,
    "service": "shop",
    "image": "ghcr.io/acme/shop",
    "port": 8080,
    "secrets": ["DATABASE_URL", "SMOKE_TOKEN"],
}


YAML = [block for block in BLOCKS if block.language == "yaml"]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def ids(blocks: list[Block]) -> list[str]:
    return [block.id for block in blocks]


def test_every_block_says_its_language() -> None:
    """No test looks at a block that is not yaml, sh or text."""
    assert {block.language for block in BLOCKS} <= {"yaml", "sh", "text"}
    assert len(YAML) > 5
    assert len(SHELL) > 5


COLLECTION = ROOT / "tests/corpus/valid/files/shop.postman_collection.json"
"""Stands in for every file that a page names."""


@pytest.mark.parametrize("block", YAML, ids=ids(YAML))
def test_yaml_is_valid(block: Block, tmp_path: Path) -> None:
    """A deploy.yaml validates, whole or as a fragment; a workflow passes only inputs that exist."""
    content = yaml.safe_load(block.text)
    if "jobs" in content or "steps" in content:
        jobs = content.get("jobs", {"job": content})
        for job in jobs.values():
            check_job(job)
        check_outputs(jobs)
        return
    if "version" not in content:
        content = {**BASE, **content}
        block = Block(page="", line=0, language="yaml", text=yaml.safe_dump(content))
    file = tmp_path / "deploy.yaml"
    file.write_text(block.text, encoding="utf-8")
    named = [*content.get("files", {}).values()]
    for each in content.get("environments", {}).values():
        if isinstance(hosts := (each or {}).get("hosts"), dict):
            file_of_hosts = tmp_path / hosts["from"]
            file_of_hosts.parent.mkdir(parents=True, exist_ok=True)
            file_of_hosts.write_text(json.dumps({hosts["key"]: ["10.0.0.1"]}))
    for test in content.get("smoke", ()):
        named += [test["postman"]] if "postman" in test else [*test.get("files", {}).values()]
    for name in named:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(COLLECTION.read_bytes())
    _, problems = check(file)
    errors = [str(problem) for problem in problems if problem.severity is Severity.ERROR]
    assert errors == []


def check_job(job: Mapping[str, Any]) -> None:
    """Compare the inputs and outputs that a job names with those that exist."""
    # A job that waits for its reviewers would hold the group.
    assert not {"environment", "concurrency"} <= set(job)
    called = str(job.get("uses", ""))
    if called.startswith(f"{OURS}/.github/workflows/"):
        path = ROOT / called.removeprefix(f"{OURS}/").partition("@")[0]
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        taken = workflow[True]["workflow_call"]
        for inner in workflow["jobs"].values():
            # GitHub does not start a call that grants less than each job of the workflow asks for.
            rights = {s: LEVELS.index(level) for s, level in inner["permissions"].items()}
            granted = {s: LEVELS.index(level) for s, level in job["permissions"].items()}
            assert all(granted.get(s, 0) >= level for s, level in rights.items())
        given = set(job.get("with", {}))
        assert given <= set(taken["inputs"])
        assert {k for k, v in taken["inputs"].items() if v.get("required")} <= given
        if isinstance(job.get("secrets"), dict):
            assert set(job["secrets"]) <= set(taken["secrets"])
    for step in job.get("steps", ()):
        if str(step.get("uses", "")).startswith(f"{OURS}@"):
            assert set(step.get("with", {})) <= set(action()["inputs"])
    ours = {step.get("id") for step in job.get("steps", ()) if f"{OURS}@" in step.get("uses", "")}
    for step, output in re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", yaml.safe_dump(job)):
        assert output in action()["outputs"] or step not in ours


def check_outputs(jobs: Mapping[str, Any]) -> None:
    """Compare the outputs that a job reads from another one with those that exist."""
    for name, output in re.findall(r"needs\.(\w+)\.outputs\.([\w-]+)", yaml.safe_dump(jobs)):
        called = str(jobs[name].get("uses", "")).removeprefix(f"{OURS}/").partition("@")[0]
        gives = jobs[name].get("outputs", {})
        if called:
            workflow = yaml.safe_load((ROOT / called).read_text(encoding="utf-8"))
            gives = workflow[True]["workflow_call"]["outputs"]
        assert output in gives


def action() -> Mapping[str, Any]:
    described: Mapping[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return described


@pytest.mark.parametrize("block", SHELL, ids=ids(SHELL))
def test_shell_blocks_parse(block: Block) -> None:
    """A shell accepts the block, deploy-action its commands, and make knows its targets."""
    done = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["deploy-action"]:
            assert_understood(words[1:])
        for target in words[1:] if words[:1] == ["make"] else ():
            assert f"\n{target}:" in makefile


def assert_understood(argv: list[str]) -> None:
    """Parse with the command line's own parser."""
    # The rest of the line, after a redirection or a pipe, is for the shell.
    end = next((i for i, word in enumerate(argv) if word in {">", "|", "&&", ";"}), len(argv))
    assert isinstance(parse(argv[:end]), Call | Help | VersionAsked)


INLINE = [
    (page, command)
    for page in PAGES
    if page not in GENERATED
    for command in re.findall(
        r"`deploy-action ([^`\n]+)`", (ROOT / page).read_text(encoding="utf-8")
    )
]


@pytest.mark.parametrize(("page", "typed"), INLINE, ids=[f"{p}: {t}" for p, t in INLINE])
def test_commands_in_the_text_parse(page: str, typed: str) -> None:
    """Commands in running text are as correct as those in blocks."""
    assert_understood(shlex.split(typed.removesuffix(" …")))


@pytest.mark.parametrize("page", PAGES)
def test_links_have_targets(page: str) -> None:
    """Every relative link names an existing file, and an existing heading in it."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {anchor_of(heading) for heading in headings}, link


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub derives from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_paths_in_the_text_exist(page: str) -> None:
    """A path is relative to the repository or to the package."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"`([\w./-]*(?:\.py|/))`", text))
    named |= set(re.findall(r"`((?:src|tests|docs|scripts|edge|schemas)/[\w./-]+)`", text))
    places = (ROOT, ROOT / "src/deploy_action", ROOT / "src/deploy_action/rollout")
    missing = sorted(name for name in named if not any((place / name).exists() for place in places))
    assert [name for name in missing if "NAME" not in name] == []


@pytest.mark.parametrize("page", MOST_LINES)
def test_a_page_stays_short(page: str) -> None:
    """The README shows, installs and links; ARCHITECTURE.md is read on the first day."""
    assert (ROOT / page).read_text(encoding="utf-8").count("\n") <= MOST_LINES[page]


def test_every_page_is_linked_from_the_index() -> None:
    """docs/README.md leads to each page of docs/, and docs/decisions/README.md to each decision."""
    for index in (ROOT / "docs/README.md", ROOT / "docs/decisions/README.md"):
        text = index.read_text(encoding="utf-8")
        pages = {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.md")}
        missing = {page for page in pages if f"({page})" not in text and page != "README.md"}
        assert {page for page in missing if not re.match(r"decisions/\d", page)} == set()


def test_the_reference_of_the_action_is_generated() -> None:
    """Its tables are those of action.yml and the workflows: run scripts/document-action."""
    loader = SourceFileLoader("document_action", str(ROOT / "scripts/document-action"))
    spec = spec_from_loader("document_action", loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.fill(page) == page
    for file in ("action.yml", *REUSABLE):
        kinds = ("inputs", "outputs") if file == "action.yml" else described(file)
        assert [kind for kind in kinds if f"<!-- {kind} of {file} -->" not in page] == []


def described(file: str) -> list[str]:
    """Return the tables that a reusable workflow needs."""
    call = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))[True]["workflow_call"]
    return [kind for kind in ("inputs", "secrets", "outputs") if call.get(kind)]


def test_the_plain_docker_commands_are_those_that_were_tried(tmp_path: Path) -> None:
    """The page shows what tests/integration/test_roll_back_by_hand.py runs on an engine."""
    page = (ROOT / "docs/how-to/rollback.md").read_text(encoding="utf-8")
    section = page.split("## With plain docker", 1)[1]
    (shown,) = re.findall(r"```sh\n.*?```", section, re.DOTALL)[:1]
    file = tmp_path / "deploy.yaml"
    file.write_text(yaml.safe_dump(dict(BASE)), encoding="utf-8")
    lines = "\n".join(roll_back_by_hand(load(file).environments["production"]))
    assert shown == lines[lines.index("```sh") : lines.rindex("```") + 3]


def said_in(path: Path) -> Iterator[str]:
    """Yield the texts of a module, with an ellipsis for each replacement field."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_troubleshooting_quotes_messages_that_exist() -> None:
    """A search for the words on the screen finds the page."""
    said = [text for path in (ROOT / "src").rglob("*.py") for text in said_in(path)]
    said.append(
        (ROOT / "src/deploy_action/platforms/docker/edge/image/session").read_text(encoding="utf-8")
    )
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    assert len(headings) > 20
    unknown = [
        heading
        for heading in headings
        if not any(all(part.strip(" ,:;") in text for part in heading.split("…")) for text in said)
    ]
    assert unknown == []


def test_every_command_is_mentioned_in_a_page_for_people() -> None:
    """No command is documented only in the generated reference."""
    text = "\n".join(
        (ROOT / page).read_text(encoding="utf-8") for page in PAGES if page not in GENERATED
    )
    missing = [c.name for c in all_commands() if f"deploy-action {c.name}" not in text]
    assert missing == []
