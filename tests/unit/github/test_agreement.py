"""action.yml, the workflows, the examples, what `init` writes and the code say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action.action.inputs import COMMANDS, INPUTS, arguments
from deploy_action.action.outputs import OUTPUTS
from deploy_action.commands import NAMES
from deploy_action.github.context import Context
from deploy_action.init import initialise

ROOT = Path(__file__).parents[3]
SINGLE = ("build", "plan", "rollback", "validate")
"""The actions with one command, each in its folder."""
SELF = (
    "$/",
    "$/build",
    "org/deploy-action@v1",
    *(f"org/deploy-action/{name}@v1" for name in SINGLE),
)
CALLED = re.compile(r"org/deploy-action/\.github/workflows/([a-z]+\.yml)@v1")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
LEVELS = ("none", "read", "write")
SWITCHES = ("dry-run", "offline")
PER_ENVIRONMENT = ("_STAGING", "_PRODUCTION")
"""Secrets of a call that deploys to two environments."""
CONTEXT = Context.read({"GITHUB_SHA": "0123456789abcdef"})


def load(path: Path) -> dict[str, Any]:
    """Read a workflow; YAML 1.1 takes the key `on` for true."""
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in document.items()}


ACTION = load(ROOT / "action.yml")
SHIPPED = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXAMPLES = sorted((ROOT / "examples/workflows").glob("*.yml"))
EVERY = [*SHIPPED, *EXAMPLES]


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", ())


def without_comments(path: Path) -> str:
    """Return a workflow without the example of a caller at its top."""
    return re.sub(r"^#.*$", "", path.read_text(), flags=re.MULTILINE)


def callee(job: Mapping[str, Any]) -> Path:
    """Return the workflow that a job calls: ours, or one of the examples' own."""
    found = CALLED.fullmatch(job["uses"])
    if found is not None:
        return ROOT / ".github/workflows" / found[1]
    name: str = job["uses"].rpartition("/")[2].partition("@")[0]
    return ROOT / "examples/workflows" / name


def named(job: Mapping[str, Any]) -> set[str]:
    """Return the secrets that a call names; `inherit` would pass nothing to another owner's."""
    secrets = job.get("secrets", {})
    assert secrets != "inherit"
    return set(secrets)


def callers(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the jobs that call a workflow."""
    yield from (job for job in load(path)["jobs"].values() if "uses" in job)


def test_inputs_are_those_that_the_code_reads() -> None:
    """An input that nothing reads would be ignored; one that is not described would be unknown."""
    assert set(ACTION["inputs"]) == set(INPUTS)


def test_outputs_are_those_that_the_code_sets() -> None:
    """Names and order."""
    assert tuple(ACTION["outputs"]) == OUTPUTS


def test_names_are_such_as_every_runner_passes_on() -> None:
    """Other characters than these are changed on the way, and not by all runners alike."""
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in (*INPUTS, *OUTPUTS))


def test_everything_is_described() -> None:
    """The description is all that an editor shows."""
    for entry in (*ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert len(entry["description"]) > 5


def test_nothing_is_required() -> None:
    """GitHub does not enforce it; what is missing is found in the code, with the remedy."""
    assert not any(entry.get("required") for entry in ACTION["inputs"].values())
    assert all("default" in e or n.startswith("ssh-") for n, e in ACTION["inputs"].items())


def test_commands_are_those_of_the_command_line() -> None:
    """All but those that need a person at a terminal, and action.yml names each of them."""
    known = set(NAMES)
    assert set(COMMANDS) <= known
    said = ACTION["inputs"]["command"]["description"].partition(":")[2]
    assert tuple(re.findall(r"[a-z]+", said.replace(" or ", " "))) == tuple(COMMANDS)
    assert ACTION["inputs"]["command"]["default"] == COMMANDS[0]


def test_the_image_is_built_from_what_is_checked_out() -> None:
    """Until a release names an image by its digest."""
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile"}


def test_the_image_that_builds_differs_by_its_packages_alone() -> None:
    """Both Dockerfiles have the same first stage, which is built once, and start the same program."""
    ours, builds = (
        (ROOT / name).read_text().partition("FROM ")[2].split("\n\nFROM ")
        for name in ("Dockerfile", "Dockerfile.build")
    )
    assert ours[0] == builds[0]
    packages = re.compile(r"--no-install-recommends [a-z0-9 -]+")
    assert packages.sub("", ours[1]) == packages.sub("", builds[1])


@pytest.mark.parametrize("name", SINGLE)
def test_an_action_with_one_command_is_the_same_action(name: str) -> None:
    """The same image with the command as its argument (for a build, with Docker besides); inputs and outputs are as in action.yml, so
    that what is written twice cannot become two things."""
    single = load(ROOT / name / "action.yml")
    dockerfile = "Dockerfile.build" if name == "build" else "Dockerfile"
    assert single["runs"] == {"using": "docker", "image": f"../{dockerfile}", "args": [name]}
    assert (ROOT / name / single["runs"]["image"]).resolve() == ROOT / dockerfile
    for section in ("inputs", "outputs"):
        for key, entry in single[section].items():
            whole = ACTION[section][key]
            words = str(whole["description"]).removeprefix(f"{name}: ")
            assert entry == {**whole, "description": words[0].upper() + words[1:]} or entry == {
                **whole,
                "description": words,
            }
    asked = {key: "1" for key in single["inputs"] if key not in SWITCHES}
    assert arguments({"command": name, **asked}, CONTEXT)[0] == name


def test_the_folder_on_top_is_the_one_that_github_reads() -> None:
    """One copy: the link leads to it, and not the other way round, which act reads as empty."""
    link = ROOT / "workflows"
    assert link.is_symlink()
    assert link.resolve() == ROOT / ".github/workflows"
    assert not any(path.is_symlink() for path in SHIPPED)


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_a_step_gives_only_inputs_that_exist(path: Path) -> None:
    """A misspelt one would be dropped with a warning that nobody reads."""
    ours = [step for step in steps(load(path)) if step.get("uses") in SELF]
    for step in ours:
        folder = step["uses"].removeprefix("org/deploy-action").removeprefix("/").partition("@")[0]
        takes = load(ROOT / folder.removeprefix("$/") / "action.yml")["inputs"]
        assert set(step.get("with", {})) <= set(takes)
        assert step.get("with", {}).get("command", "deploy") in COMMANDS


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_outputs_that_are_read_exist(path: Path) -> None:
    """An expression over an unknown output is empty, silently."""
    workflow = load(path)
    ours = {step["id"] for step in steps(workflow) if step.get("uses") in SELF and "id" in step}
    text = without_comments(path)
    read = re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text)
    assert all(name in OUTPUTS for step, name in read if step in ours)
    for name, output in re.findall(r"(?:needs|jobs)\.([\w-]+)\.outputs\.([\w-]+)", text):
        job = workflow["jobs"][name]
        called = load(callee(job)) if "uses" in job else None
        assert output in (called["on"]["workflow_call"] if called else job)["outputs"]


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_inputs_and_secrets_that_are_read_are_declared(path: Path) -> None:
    """An expression over an unknown input is empty, silently."""
    text, on = without_comments(path), load(path)["on"]
    triggers = [on.get(name) or {} for name in ("workflow_call", "workflow_dispatch")]
    declared = {name for trigger in triggers for name in trigger.get("inputs", {})}
    assert set(re.findall(r"\binputs\.([\w-]+)", text)) == declared
    if "workflow_call" in on:
        read = set(re.findall(r"\bsecrets\.([\w-]+)", text))
        assert read == set(on["workflow_call"].get("secrets", {}))


CALLABLE = [path for path in SHIPPED if "workflow_call" in load(path)["on"]]


@pytest.mark.parametrize("path", CALLABLE, ids=ids)
def test_a_workflow_to_call_has_no_other_trigger(path: Path) -> None:
    """`uses: $/` works only in this repository: a copy with a button of its own would not start."""
    assert set(load(path)["on"]) == {"workflow_call"}


@pytest.mark.parametrize("path", CALLABLE, ids=ids)
def test_no_workflow_to_call_holds_a_group(path: Path) -> None:
    """A job that waits for reviewers would hold it already, for up to 30 days; and two calls in one
    run that differ in one input would be one call. The lock on the hosts is the queue."""
    workflow = load(path)
    assert "concurrency" not in workflow
    assert all("concurrency" not in job for job in workflow["jobs"].values())


def groups(workflow: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the concurrency groups of a workflow and of its jobs."""
    held = [workflow, *workflow["jobs"].values()]
    yield from (each["concurrency"] for each in held if "concurrency" in each)


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_only_pull_requests_are_cancelled_by_newer_runs(path: Path) -> None:
    """A deployment comes to its end."""
    only = "${{ github.event_name == 'pull_request' }}"
    assert all(group["cancel-in-progress"] in (False, only) for group in groups(load(path)))


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_nobody_waits_for_reviewers_inside_a_shared_group(path: Path) -> None:
    """Wait first, then take the lock on the hosts."""
    workflow = load(path)
    waits = {n: j for n, j in workflow["jobs"].items() if "environment" in j}
    if path.name == "release.yml":
        return
    for group in groups({**workflow, "jobs": waits}) if waits else ():
        assert "github.run_id" in group["group"]


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_a_merge_queue_neither_builds_nor_deploys(name: str) -> None:
    """Its commit may never reach the branch; the checks run."""
    jobs = load(ROOT / ".github/workflows" / name)["jobs"]
    first = "build" if name == "ci.yml" else "staging"
    assert "merge_group" in jobs[first]["if"]
    if name == "ci.yml":
        assert "if" not in jobs["check"]
        assert jobs["test"]["if"] == "inputs.test != ''"


def test_required_checks_report_to_a_merge_queue() -> None:
    """The example for pull requests runs there too."""
    assert "merge_group" in load(ROOT / "examples/workflows/pull-request.yml")["on"]


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml", "monitor.yml", "rollback.yml"])
def test_a_call_chooses_runner_and_time(name: str) -> None:
    """A label, or as JSON a list of labels or a group."""
    workflow = load(ROOT / ".github/workflows" / name)
    assert {"runs-on", "timeout-minutes"} <= set(workflow["on"]["workflow_call"]["inputs"])
    for job in workflow["jobs"].values():
        assert "fromJSON(inputs.runs-on)" in job["runs-on"]
        assert job["timeout-minutes"] == "${{ inputs.timeout-minutes }}"


def test_calls_take_and_give_what_the_action_does() -> None:
    """deploy.yml and rollback.yml: what can be asked of a step, and every output of it."""
    single = {"deploy.yml": ACTION, "rollback.yml": load(ROOT / "rollback/action.yml")}
    both = {"reason", "github-record", "live-tag", "release-notes", "lock-wait"}
    for name, step in single.items():
        call = load(ROOT / ".github/workflows" / name)["on"]["workflow_call"]
        assert set(call["outputs"]) == set(step["outputs"])
        assert both <= set(call["inputs"])
        assert any(key.endswith("github-environment") for key in call["inputs"])
    for path in CALLABLE:
        for job in load(path)["jobs"].values():
            for output, value in job.get("outputs", {}).items():
                assert re.fullmatch(rf"\$\{{\{{ steps\.\w+\.outputs\.{output} \}}\}}", value)


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_others_actions_are_pinned(path: Path) -> None:
    """By the whole commit, with the version beside it."""
    for step in steps(load(path)):
        uses = step.get("uses")
        if uses is not None and uses not in SELF:
            assert PINNED.fullmatch(uses)
            assert re.search(
                rf"{re.escape(uses)} # v\d+\.\d+\.\d+$", path.read_text(), re.MULTILINE
            )


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_a_job_has_an_end_and_no_rights_that_it_does_not_name(path: Path) -> None:
    """No permission by default, a time limit on everything that runs."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"].values()) <= {"read", "write"}
        limit = job.get("timeout-minutes", 0)
        assert limit == "${{ inputs.timeout-minutes }}" or limit <= 60
        assert "uses" in job or limit


def test_production_gets_the_digest_of_staging() -> None:
    """The second job is a promotion of what the first one deployed."""
    jobs = load(ROOT / ".github/workflows/deploy.yml")["jobs"]
    (promotion,) = [s for s in jobs["production"]["steps"] if s.get("uses") == "$/"]
    assert jobs["production"]["needs"] == "staging"
    assert promotion["with"]["command"] == "promote"
    for name in ("version", "digest"):
        # Never the newest one instead, if GitHub dropped the output.
        assert promotion["with"][name] == f"${{{{ needs.staging.outputs.{name} || 'required' }}}}"
    assert promotion["with"]["proof"] == "${{ needs.staging.outputs.proof }}"
    (staging,) = [s for s in jobs["staging"]["steps"] if s.get("uses") == "$/"]
    assert staging["with"]["proof"] == "${{ inputs.proof }}"
    age = "${{ inputs.proof-age }}"
    assert staging["with"]["proof-age"] == promotion["with"]["proof-age"] == age
    key = {"DEPLOY_PROOF_KEY": "${{ secrets.DEPLOY_PROOF_KEY }}", "DEPLOY_WORKFLOW": "deploy"}
    assert staging["env"] == promotion["env"] == key


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The workflows that `init` writes."""
    directory = tmp_path_factory.mktemp("repository")
    (directory / "Dockerfile").write_text("FROM debian\nEXPOSE 8080\n")
    initialise(directory)
    found = sorted((directory / ".github/workflows").glob("*.yml"))
    assert found
    return found


def test_every_workflow_is_called_by_an_example(written: list[Path]) -> None:
    """Nobody has to find out by trying how it is called."""
    made = {callee(job) for path in (*EXAMPLES, *written) for job in callers(path)}
    assert {path for path in SHIPPED if "workflow_call" in load(path)["on"]} <= made


def test_callers_give_what_the_workflows_take(written: list[Path]) -> None:
    """Inputs exist, required ones are there, and the caller has the rights that the called jobs ask
    for: GitHub refuses to start otherwise, also for a job that would be skipped. Who names secrets
    names all of them: one that is not named stays empty, also if a GitHub environment has it."""
    for job in (job for path in (*EXAMPLES, *written) for job in callers(path)):
        workflow = callee(job)
        called = load(workflow)
        takes = called["on"]["workflow_call"]
        required = {key for key, entry in takes["inputs"].items() if entry.get("required")}
        assert required <= set(job.get("with", {})) <= set(takes["inputs"])
        if "secrets" in job or workflow.name != "ci.yml":
            one = job.get("with", {}).get("production") == ""
            spare = (*(PER_ENVIRONMENT if one else ()), "_TOKEN")
            assert named(job) == {n for n in takes.get("secrets", {}) if not n.endswith(spare)}
        for inner in called["jobs"].values():
            for scope, level in inner["permissions"].items():
                allowed = job["permissions"].get(scope, "none")
                assert LEVELS.index(allowed) >= LEVELS.index(level), (
                    f"{workflow.name} needs {scope}: {level}"
                )


@pytest.mark.parametrize(
    "path", [p for p in SHIPPED if "workflow_call" in load(p)["on"]], ids=lambda p: p.stem
)
def test_the_page_says_which_permissions_a_workflow_needs(path: Path) -> None:
    """docs/reference/action.md names those of every job."""
    page = (ROOT / "docs/reference/action.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
    said = section.partition("\nPermissions: ")[2].partition("\n\n")[0]
    for job in load(path)["jobs"].values():
        assert all(f"`{scope}: {level}`" in said for scope, level in job["permissions"].items())


PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")])


@pytest.mark.parametrize("path", [*EVERY, *PAGES], ids=ids)
def test_no_page_relies_on_inherited_secrets(path: Path) -> None:
    """They are empty for every owner but ours: https://docs.github.com/actions/how-tos/reuse-automations/reuse-workflows"""
    assert not re.search(
        r"^[# ]*secrets: inherit\b", path.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_each_environment_of_deploy_yml_can_have_secrets_of_its_own() -> None:
    """For callers whose GitHub environments it cannot see; never those of the other environment."""
    jobs = load(ROOT / ".github/workflows/deploy.yml")["jobs"]
    for name in ("staging", "production"):
        (step,) = [s for s in jobs[name]["steps"] if s.get("uses") == "$/"]
        own = f"secrets.DEPLOY_SECRETS_{name.upper()}"
        assert step["with"]["secrets"] == f"${{{{ {own} || secrets.DEPLOY_SECRETS }}}}"


def test_the_action_learns_that_it_runs_in_a_called_workflow() -> None:
    """Its remedy for a missing secret depends on that, and GitHub tells it nothing of the kind."""
    for path in SHIPPED:
        for step in steps(load(path)):
            if str(step.get("uses", "")).startswith("$/"):
                assert step["env"]["DEPLOY_WORKFLOW"] == path.stem


def test_the_page_says_which_secrets_arrive_where() -> None:
    """One table, for the owner of the called workflow and for everybody else."""
    page = (ROOT / "docs/how-to/secrets.md").read_text(encoding="utf-8")
    (head,) = re.findall(
        r"^\| the secret \| same owner or enterprise \| any other owner \|$", page, re.MULTILINE
    )
    rows = page.partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split(" | ")[2].rstrip(" |") for row in rows] == [
        *("arrives", "is empty", "is empty", "arrives")
    ]


def test_the_button_is_one_file_that_works_where_it_is_copied(written: list[Path]) -> None:
    """It calls by name, lists the repository's environments, and says who, where and what."""
    (made,) = [path for path in written if path.name == "rollback.yml"]
    for path in (ROOT / "examples/workflows/rollback-button.yml", made):
        button = load(path)
        assert set(button["on"]) == {"workflow_dispatch"}
        assert button["on"]["workflow_dispatch"]["inputs"]["environment"]["type"] == "environment"
        for part in ("inputs.environment", "inputs.version", "github.actor", "inputs.reason"):
            assert part in button["run-name"]
        (job,) = button["jobs"].values()
        assert CALLED.fullmatch(job["uses"])
        assert "concurrency" not in {*button, *job}
