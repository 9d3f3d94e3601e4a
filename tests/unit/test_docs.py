"""The papers are true: what they show validates, parses and is where they say it is."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action.cli.arguments import Call, Help, VersionAsked, parse
from deploy_action.cli.manual import EXITS
from deploy_action.commands import NAMES
from deploy_action.config import check, load
from deploy_action.problem import Severity
from deploy_action.render.plain_docker import roll_back_by_hand

ROOT = Path(__file__).parents[2]
GENERATED = {"docs/commands.md", "docs/configuration.md", "docs/reliability.md"}
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
)
OURS = "org/deploy-action"
# What a fragment of deploy.yaml is held against.
BASE: Mapping[str, Any] = {
    "version": 1,
    "service": "shop",
    "image": "ghcr.io/acme/shop",
    "port": 8080,
    "secrets": ["DATABASE_URL", "SMOKE_TOKEN"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        """Where it is, for a failed test."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        indent, language, inner = found.groups()
        lines = (line.removeprefix(indent) for line in inner.splitlines(keepends=True))
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=language,
            text="".join(lines),
        )


BLOCKS = [block for page in PAGES if page not in GENERATED for block in blocks(page)]
YAML = [block for block in BLOCKS if block.language == "yaml"]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def ids(blocks: list[Block]) -> list[str]:
    return [block.id for block in blocks]


def test_every_block_says_its_language() -> None:
    """What is not yaml, sh or text is looked at by nobody."""
    assert {block.language for block in BLOCKS} <= {"yaml", "sh", "text"}
    assert len(YAML) > 5
    assert len(SHELL) > 5


@pytest.mark.parametrize("block", YAML, ids=ids(YAML))
def test_yaml_is_what_it_seems(block: Block, tmp_path: Path) -> None:
    """A deploy.yaml validates, whole or as a fragment; a workflow gives only inputs that exist."""
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
    _, problems = check(file)
    errors = [str(problem) for problem in problems if problem.severity is Severity.ERROR]
    assert errors == []


def check_job(job: Mapping[str, Any]) -> None:
    """Hold what a job gives us against what we take."""
    called = str(job.get("uses", ""))
    if called.startswith(f"{OURS}/.github/workflows/"):
        path = ROOT / called.removeprefix(f"{OURS}/").partition("@")[0]
        taken = yaml.safe_load(path.read_text(encoding="utf-8"))[True]["workflow_call"]
        given = set(job.get("with", {}))
        assert given <= set(taken["inputs"])
        assert {k for k, v in taken["inputs"].items() if v.get("required")} <= given
        if isinstance(job.get("secrets"), dict):
            assert set(job["secrets"]) <= set(taken["secrets"])
    for step in job.get("steps", ()):
        if str(step.get("uses", "")).startswith(f"{OURS}@"):
            assert set(step.get("with", {})) <= set(action()["inputs"])
    if "steps" in job and "id" in yaml.safe_dump(job["steps"]):
        used = set(re.findall(r"steps\.\w+\.outputs\.([\w-]+)", yaml.safe_dump(job["steps"])))
        assert used <= set(action()["outputs"])


def check_outputs(jobs: Mapping[str, Any]) -> None:
    """Hold what a job reads of another one against what that one gives."""
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
def test_commands_can_be_typed(block: Block) -> None:
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
    """Let the command line's own parser judge."""
    # What is after a redirection or a pipe is the shell's.
    end = next((i for i, word in enumerate(argv) if word in {">", "|", "&&", ";"}), len(argv))
    assert isinstance(parse(argv[:end]), Call | Help | VersionAsked)


INLINE = [
    (page, found)
    for page in PAGES
    if page not in GENERATED
    for found in re.findall(r"`deploy-action ([^`\n]+)`", (ROOT / page).read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "typed"), INLINE, ids=[f"{p}: {t}" for p, t in INLINE])
def test_commands_in_the_text_can_be_typed(page: str, typed: str) -> None:
    """Also those that are mentioned in passing."""
    assert_understood(shlex.split(typed.removesuffix(" …")))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link names a file that exists, and a heading that is there."""
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
    """Return the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_paths_in_the_text_exist(page: str) -> None:
    """Whoever is sent to a file finds it: from the top, or from the package."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"`([\w./-]*(?:\.py|/))`", text))
    named |= set(re.findall(r"`((?:src|tests|docs|scripts|edge|schemas)/[\w./-]+)`", text))
    places = (ROOT, ROOT / "src/deploy_action", ROOT / "src/deploy_action/rollout")
    missing = sorted(name for name in named if not any((place / name).exists() for place in places))
    on_hosts = {"edge/haproxy.cfg", "run/", "ledger/SERVICE/ENVIRONMENT/"}
    assert [name for name in missing if name not in on_hosts and "NAME" not in name] == []


def rows(text: str, head: str) -> dict[str, list[str]]:
    """Return a table's rows by their first cell, without code marks."""
    table = text.split(f"| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [
        [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table
    ]
    return {row[0]: row[1:] for row in cells}


def test_the_readme_has_the_actions_inputs_and_outputs() -> None:
    """Names, descriptions and defaults are those of action.yml, in its order."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    inputs = {
        name: [" ".join(entry["description"].split()), str(entry.get("default", ""))]
        for name, entry in action()["inputs"].items()
    }
    outputs = {
        name: [" ".join(entry["description"].split())]
        for name, entry in action()["outputs"].items()
    }
    assert list(rows(readme, "input | meaning | default").items()) == list(inputs.items())
    assert list(rows(readme, "output | meaning").items()) == list(outputs.items())


def test_the_readme_has_the_exit_codes() -> None:
    """In the words of the help."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = rows(readme, "exit code | meaning")
    assert told == {str(int(code)): [meaning] for code, meaning in EXITS.items()}


def test_the_readme_shows_five_and_ten_lines() -> None:
    """A first deploy.yaml has five lines at most, the first workflow ten."""
    yamls = [block for block in YAML if block.page == "README.md"]
    workflow, first = yamls[0], yamls[1]
    assert "jobs:" in workflow.text
    assert len(workflow.text.splitlines()) <= 10
    assert len(first.text.splitlines()) <= 5


def test_the_plain_docker_commands_are_those_that_were_tried(tmp_path: Path) -> None:
    """docs/rollback.md shows what tests/integration/test_roll_back_by_hand.py runs for real."""
    page = (ROOT / "docs/rollback.md").read_text(encoding="utf-8")
    section = page.split("## With plain docker", 1)[1]
    (shown,) = re.findall(r"```sh\n.*?```", section, re.DOTALL)[:1]
    file = tmp_path / "deploy.yaml"
    file.write_text(yaml.safe_dump(dict(BASE)), encoding="utf-8")
    lines = "\n".join(roll_back_by_hand(load(file).environments["production"]))
    assert shown == lines[lines.index("```sh") : lines.rindex("```") + 3]


def said_in(path: Path) -> Iterator[str]:
    """Yield the texts of a module, what is filled in later as an ellipsis."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_troubleshooting_quotes_messages_that_exist() -> None:
    """Whoever searches the page for the words on the screen finds them."""
    said = [text for path in (ROOT / "src").rglob("*.py") for text in said_in(path)]
    said.append(
        (ROOT / "src/deploy_action/platforms/docker/edge/image/session").read_text(encoding="utf-8")
    )
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    assert len(headings) > 20
    unknown = [
        heading
        for heading in headings
        if not any(all(part.strip(" ,:;") in text for part in heading.split("…")) for text in said)
    ]
    assert unknown == []


def test_every_command_is_mentioned_in_a_page_for_people() -> None:
    """Whoever reads the pages meets each command where it is of use."""
    text = "\n".join(
        (ROOT / page).read_text(encoding="utf-8") for page in PAGES if page not in GENERATED
    )
    missing = [name for name in NAMES if f"deploy-action {name}" not in text]
    assert missing == []
