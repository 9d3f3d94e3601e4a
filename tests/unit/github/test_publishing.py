"""What a step writes on GitHub: granted where it can be, told where it cannot, never an obstacle."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.github_server import BOT, TOKEN, FakeGitHub, Fault, serving
from tests.unit.render.samples import DEPLOYED, RELEASE, failed

from deploy_action.action import main as action
from deploy_action.checks.result import CheckResult
from deploy_action.errors import BadInput, DeploymentFailed, HostUnreachable, Interrupted
from deploy_action.events.stream import EventStream
from deploy_action.github.comments import MOST_CHARACTERS
from deploy_action.inputs import Inputs
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import DoctorReport, Monitoring, Report

SHOP = "version: 1\nservice: shop\nimage: ghcr.io/acme/shop\nport: 8080\n"
BEFORE = "a" * 40
LOST = HostUnreachable("ssh://deploy@a.example.com: no answer within 10 s, and a long reason")
STRANGER = {"login": "mallory", "type": "User"}
LIVE = Outcome(
    result=Result.DEPLOYED,
    service="shop",
    environment="production",
    url="https://shop.example.com",
    deployment=DEPLOYED,
    previous_commit=BEFORE,
)
PLANNED = Outcome(
    result=Result.PLANNED,
    service="shop",
    environment="production",
    plan=("start 2 replicas", "greet @octocat about #1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step left behind."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]


class Runner:
    """Runs steps whose command comes to what a test says."""

    def __init__(self, directory: Path, github: FakeGitHub, patch: pytest.MonkeyPatch) -> None:
        self._directory, self._github, self._patch = directory, github, patch
        self._event: dict[str, Any] = {}
        self.on_github = "true"

    def on_pull_request(self, *, source: str = "acme/shop") -> None:
        """Let the run be about pull request 7."""
        head = {"repo": {"full_name": source}}
        self._event = {"number": 7, "pull_request": {"number": 7, "head": head}}

    def step(
        self,
        command: str,
        report: Report | Exception,
        *,
        environ: Any = None,
        **given: Any,
    ) -> Step:
        """Run a step."""

        def run(inputs: Inputs, progress: EventStream) -> Report:
            if isinstance(report, Outcome) and report.deployment is not None:
                progress.begin(dataclasses.replace(report.deployment, run_url=inputs.run_url))
            if isinstance(report, Exception):
                progress.begin(DEPLOYED)
                raise report
            return report

        self._patch.setattr(f"deploy_action.commands.{command}.run", run)
        for name in ("out", "page"):
            (self._directory / name).write_text("")
        (self._directory / "event").write_text(json.dumps(self._event))
        names = {name.replace("_", "-").upper(): value for name, value in given.items()}
        variables = {
            **(environ or {}),
            "GITHUB_ACTIONS": self.on_github,
            "GITHUB_API_URL": self._github.url,
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "42",
            "GITHUB_SHA": RELEASE.commit,
            "GITHUB_EVENT_PATH": str(self._directory / "event"),
            "GITHUB_OUTPUT": str(self._directory / "out"),
            "GITHUB_STEP_SUMMARY": str(self._directory / "page"),
            "INPUT_COMMAND": command,
            "INPUT_GITHUB-TOKEN": TOKEN,
            **{f"INPUT_{name}": value for name, value in names.items()},
        }
        log = io.StringIO()
        code = action.main(variables, log, log)
        assert TOKEN not in log.getvalue().replace(f"::add-mask::{TOKEN}", "")
        blocks = (self._directory / "out").read_text().split("<<end-")
        outputs = {
            name.rsplit("\n", 1)[-1]: block.split("\n", 1)[1].rsplit("\nend-", 1)[0]
            for name, block in pairwise(blocks)
        }
        page = (self._directory / "page").read_text().replace("\\", "")
        return Step(code=code, log=log.getvalue(), summary=page, outputs=outputs)


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A repository with the commits before and of the release, and two in between."""
    commits = [BEFORE, "1" * 40, "2" * 40, RELEASE.commit]
    messages = {"1" * 40: "Sell *hats* (#12)\n\nMore.", "2" * 40: "Thank @mallory <b>"}
    with serving(FakeGitHub(commits=commits, messages=messages)) as served:
        yield served


@pytest.fixture
def runner(tmp_path: Path, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """A directory with deploy.yaml; the process stays as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.yaml").write_text(SHOP)
    variables, handlers = dict(os.environ), {n: signal.getsignal(n) for n in (2, 15)}
    yield Runner(tmp_path, github, monkeypatch)
    os.environ.clear()
    os.environ.update(variables)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def monitoring(*wrong: str, version: str = "1.4.2", detail: str = "HTTP 500") -> Monitoring:
    """Return what monitor found: these checks failed, another one passed."""
    checks = [("health", True, ""), *((name, False, detail) for name in wrong)]
    return Monitoring(
        service="shop",
        environment="production",
        version=version,
        checks=tuple(
            CheckResult(name=n, where="edge of a", passed=p, seconds=0.1, attempts=1, detail=d)
            for n, p, d in checks
        ),
    )


# The record


def test_a_step_records_its_deployment(runner: Runner, github: FakeGitHub) -> None:
    """Without being asked to, where the token may."""
    done = runner.step("deploy", LIVE)
    assert done.code == 0, done.log
    assert github.states(100) == ["in_progress", "success"]
    assert github.statuses[100][0]["log_url"] == "https://github.com/acme/shop/actions/runs/42"
    assert "not among GitHub's" not in done.summary


@pytest.mark.parametrize("command", ["deploy", "promote", "rollback"])
def test_a_bug_of_ours_is_not_in_progress_for_ever(
    runner: Runner, github: FakeGitHub, command: str
) -> None:
    """The record says error."""
    assert runner.step(command, RuntimeError("x")).code == 1
    assert github.states(100) == ["in_progress", "error"]


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ({"permissions": {}}, "give the job permissions: {deployments: write}"),
        ({"permissions": {}, "token": ""}, "GITHUB_TOKEN or GITHUB_REPOSITORY is not set"),
        ({"faults": [Fault(status=500)] * 30}, "not finished within"),
    ],
)
def test_what_cannot_be_recorded_is_told_in_log_and_page(
    runner: Runner,
    github: FakeGitHub,
    lacks: dict[str, Any],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And changes neither exit code nor outputs."""
    monkeypatch.setattr("deploy_action.commands.END_SECONDS", 0.6)
    token = lacks.pop("token", TOKEN)
    for name, value in lacks.items():
        setattr(github, name, value)
    done = runner.step("deploy", LIVE, github_token=token)
    assert (done.code, done.outputs["outcome"]) == (0, "deployed")
    for place in (done.summary, " ".join(done.log.split())):
        assert words in place


def test_who_wants_no_record_gets_none(runner: Runner, github: FakeGitHub) -> None:
    """Neither a request nor a note."""
    done = runner.step("deploy", LIVE, github_record="off")
    assert github.requests == []
    assert "not among GitHub's" not in done.summary


def test_outside_of_github_nothing_is_recorded(runner: Runner, github: FakeGitHub) -> None:
    """Other runners of actions have no such API, or not at that address."""
    runner.on_github = ""
    done = runner.step("deploy", LIVE)
    assert done.code == 0
    assert github.requests == []
    assert "not among GitHub's" not in done.summary


@pytest.mark.parametrize(
    ("command", "given", "words"),
    [
        ("deploy", {"github_record": "on"}, "github-record"),
        ("deploy", {"comment": "true"}, "does not take it"),
        ("plan", {"issue": "true"}, "does not take it"),
        ("monitor", {"live_tag": "true"}, "does not take it"),
        ("deploy", {"release_notes": "yes"}, "neither true nor false"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_bad_input(
    runner: Runner, command: str, given: dict[str, Any], words: str
) -> None:
    """An input that would be ignored is an error: somebody expects it to do something."""
    done = runner.step(command, LIVE, **given)
    assert done.code == 2
    assert words in done.log


# The tag and the release notes


def test_what_went_live_is_tagged(runner: Runner, github: FakeGitHub) -> None:
    """Annotated, on the commit, with a name of its own for each deployment."""
    done = runner.step("deploy", LIVE, live_tag="true")
    ((name, target),) = github.refs.items()
    tag = github.tags[target]
    assert name == "refs/tags/deploy/production/shop/1.4.2-7"
    assert (tag["object"], tag["type"], tag["tag"]) == (
        *(RELEASE.commit, "commit", name.removeprefix("refs/tags/")),
    )
    for words in ("shop 1.4.2 went live in production", RELEASE.digest, "d-7", "Ada", "ticket 12"):
        assert words in tag["message"]
    assert "tagged as deploy/production/shop/1.4.2-7" in done.summary


@pytest.mark.parametrize(
    "outcome",
    [
        dataclasses.replace(LIVE, result=Result.UNCHANGED),
        Outcome(result=Result.FAILED, deployment=failed()),
    ],
)
def test_what_did_not_go_live_is_not_tagged(
    runner: Runner, github: FakeGitHub, outcome: Outcome
) -> None:
    """Neither is a no-op tagged again."""
    done = runner.step("deploy", outcome, live_tag="true", release_notes="true")
    assert github.refs == {}
    assert done.outputs["release-notes"] == ""


@pytest.mark.parametrize("permission", ["contents"])
def test_a_tag_that_could_not_be_made_is_told(
    runner: Runner, github: FakeGitHub, permission: str
) -> None:
    """With the permission."""
    github.permissions[permission] = "read"
    done = runner.step("deploy", LIVE, live_tag="true")
    assert done.code == 0
    assert "no tag was made" in done.summary
    assert "{contents: write}" in done.summary


def test_release_notes_name_commits_authors_and_pull_requests(
    runner: Runner, github: FakeGitHub
) -> None:
    """Between what served before and this release; a commit's words are text and nothing else."""
    done = runner.step("deploy", LIVE, release_notes="true")
    notes = done.outputs["release-notes"]
    assert notes.startswith("### New since 1.4.1\n")
    here = "https://github.com/acme/shop"
    assert (
        rf"- Sell \*hats\* ([#12]({here}/pull/12)) · [`1111111`]({here}/commit/{'1' * 40}) · ada"
        in notes
    )
    assert "- Thank @<!-- -->mallory &lt;b&gt; · " in notes
    assert f"[All 3 commits]({here}/compare/{BEFORE}...{RELEASE.commit})" in notes
    assert notes.replace("\\", "") in done.summary


def test_a_rollback_lists_what_it_takes_back(runner: Runner, github: FakeGitHub) -> None:
    """The commits are those that are not live any more."""
    back = dataclasses.replace(RELEASE, commit=BEFORE, version="1.4.1")
    deployment = dataclasses.replace(DEPLOYED, release=back, previous_version="1.4.2")
    outcome = dataclasses.replace(
        LIVE, result=Result.ROLLED_BACK, deployment=deployment, previous_commit=RELEASE.commit
    )
    notes = runner.step("rollback", outcome, release_notes="true").outputs["release-notes"]
    assert notes.startswith("### Taken back from 1.4.2\n")
    assert notes.count("\n- ") == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"previous_commit": ""}, "not both known"),
        ({"deployment": dataclasses.replace(DEPLOYED, previous="")}, "nothing served before"),
        ({"previous_commit": "e" * 40}, "{contents: read}"),
    ],
)
def test_release_notes_that_cannot_be_written_are_told(
    runner: Runner, changes: dict[str, Any], words: str
) -> None:
    """Which of the two releases is not known, or what the token lacks."""
    done = runner.step("deploy", dataclasses.replace(LIVE, **changes), release_notes="true")
    assert (done.code, done.outputs["release-notes"]) == (0, "")
    assert words in done.summary


# The comment


def test_a_plan_is_a_comment_that_is_kept_up_to_date(runner: Runner, github: FakeGitHub) -> None:
    """One for each service and environment; nothing is written where nothing changed."""
    runner.on_pull_request()
    runner.step("plan", PLANNED, comment="true")
    (first,) = github.comments
    assert "start 2 replicas" in first["body"]
    assert (first["issue"], first["user"]) == (7, BOT)
    changed = dataclasses.replace(PLANNED, plan=("start 3 replicas",))
    runner.step("plan", changed, comment="true")
    assert [c["id"] for c in github.comments] == [first["id"]]
    assert "start 3 replicas" in github.comments[0]["body"]
    github.requests.clear()
    runner.step("plan", changed, comment="true")
    assert github.requests == ["GET issues/7/comments"]
    runner.step("plan", dataclasses.replace(PLANNED, environment="staging"), comment="true")
    assert len(github.comments) == 2


def test_a_comment_calls_nobody_and_links_nothing(runner: Runner, github: FakeGitHub) -> None:
    """A name in a plan must not notify its bearer at each push."""
    runner.on_pull_request()
    runner.step("plan", PLANNED, comment="true")
    body = github.comments[0]["body"]
    assert "@<!-- -->octocat" in body
    assert "#<!-- -->1" in body


def test_a_strangers_comment_is_not_taken_for_ours(runner: Runner, github: FakeGitHub) -> None:
    """Anybody can copy the hidden line."""
    runner.on_pull_request()
    runner.step("plan", PLANNED, comment="true")
    github.comments[0] |= {"user": STRANGER, "author_association": "NONE"}
    runner.step("plan", PLANNED, comment="true")
    assert [c["user"] for c in github.comments] == [STRANGER, BOT]


def test_a_long_plan_is_cut_and_says_so(runner: Runner, github: FakeGitHub) -> None:
    """GitHub refuses what is longer."""
    runner.on_pull_request()
    long = dataclasses.replace(PLANNED, plan=("an umlaut: ü" * 10,) * 1000)
    done = runner.step("plan", long, comment="true")
    assert len(github.comments[0]["body"]) <= MOST_CHARACTERS
    assert "This was cut" in github.comments[0]["body"]
    assert "not written" not in done.summary


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_fork_gets_the_page_alone_and_is_told_so(
    runner: Runner, github: FakeGitHub, token: str
) -> None:
    """Its token can only read; the plan itself is there."""
    runner.on_pull_request(source="mallory/shop")
    github.permissions = {"contents": "read", "issues": "read", "pull_requests": "read"}
    done = runner.step("plan", PLANNED, comment="true", github_token=token, offline="true")
    assert done.code == 0
    assert "start 2 replicas" in done.summary
    assert "on this page alone: a fork's pull request gets a read-only token" in done.summary
    assert github.comments == []


def test_a_comment_that_could_not_be_written_is_told(runner: Runner, github: FakeGitHub) -> None:
    """With the permission, or with the reason that there is nothing to comment on."""
    assert "about no pull request" in runner.step("plan", PLANNED, comment="true").summary
    runner.on_pull_request()
    github.permissions = {"pull_requests": "read"}
    done = runner.step("plan", PLANNED, comment="true")
    assert "{pull-requests: write}" in done.summary


# The issue


def test_one_issue_is_kept_while_something_is_wrong(runner: Runner, github: FakeGitHub) -> None:
    """Opened once, silent while the same is wrong, commented when it is something else, closed."""
    runner.step("monitor", monitoring("home"), issue="true")
    (issue,) = github.issues
    assert issue["title"] == "shop in production is not well"
    assert "home" in issue["body"]
    github.requests.clear()
    for detail in ("HTTP 502", "no answer in 2.01 s"):
        runner.step("monitor", monitoring("home", detail=detail), issue="true")
    assert set(github.requests) == {"GET issues"}
    runner.step("monitor", monitoring("home", "api"), issue="true")
    (said,) = github.comments
    assert "`api` of `edge of a`" in said["body"]
    assert "api" in github.issues[0]["body"]
    done = runner.step("monitor", monitoring(), issue="true")
    assert done.code == 0
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert github.comments[-1]["body"].startswith("All is well.")
    assert len(github.issues) == 1


def test_all_well_from_the_beginning_writes_nothing(runner: Runner, github: FakeGitHub) -> None:
    """One question, no issue."""
    runner.step("monitor", monitoring(), issue="true")
    assert github.requests == ["GET issues"]


def test_a_new_trouble_is_a_new_issue(runner: Runner, github: FakeGitHub) -> None:
    """What was closed stays closed, as the story of that time."""
    for report in (monitoring("home"), monitoring(), monitoring("home")):
        runner.step("monitor", report, issue="true")
    assert [issue["state"] for issue in github.issues] == ["closed", "open"]


def test_each_environment_has_its_own_issue(runner: Runner, github: FakeGitHub) -> None:
    """Staging getting well does not close production's."""
    runner.step("monitor", monitoring("home"), issue="true")
    staging = dataclasses.replace(monitoring(), environment="staging")
    runner.step("monitor", staging, issue="true")
    assert [issue["state"] for issue in github.issues] == ["open"]


def test_a_strangers_issue_is_left_alone(runner: Runner, github: FakeGitHub) -> None:
    """Anybody may open an issue with our hidden line in it."""
    runner.step("monitor", monitoring("home"), issue="true")
    github.issues[0] |= {"user": STRANGER, "author_association": "NONE"}
    runner.step("monitor", monitoring(), issue="true")
    assert github.issues[0]["state"] == "open"
    assert github.comments == []


def test_a_host_that_does_not_answer_opens_the_issue(runner: Runner, github: FakeGitHub) -> None:
    """The look failed, which is no good sign; the same look later changes nothing."""
    for port in (22, 2222):
        gone = Outcome.of_error(HostUnreachable(f"ssh://a:{port}: no answer"))
        assert runner.step("monitor", gone, issue="true").code == 4
    (issue,) = github.issues
    assert issue["title"] == "shop in production is not well"
    assert github.comments == []
    runner.step("monitor", monitoring(), issue="true")
    assert issue["state"] == "closed"


@pytest.mark.parametrize(
    "error", [BadInput("deploy.yaml is wrong"), Interrupted("SIGTERM"), Interrupted("SIGINT")]
)
def test_a_look_that_did_not_happen_says_nothing(
    runner: Runner, github: FakeGitHub, error: Exception
) -> None:
    """A misspelt flag or a cancelled run neither opens an issue nor closes one."""
    runner.step("monitor", monitoring("home"), issue="true")
    if isinstance(error, BadInput | DeploymentFailed):
        runner.step("monitor", Outcome.of_error(error), issue="true")
    assert [issue["state"] for issue in github.issues] == ["open"]
    assert github.comments == []


def test_an_issue_that_could_not_be_kept_is_told(runner: Runner, github: FakeGitHub) -> None:
    """With the permission; the exit code is the look's."""
    github.permissions["issues"] = "none"
    done = runner.step("monitor", monitoring("home"), issue="true")
    assert done.code == 3
    assert "permissions: {issues: write}" in done.summary


def test_an_answer_that_nobody_foresaw_is_a_note(runner: Runner, github: FakeGitHub) -> None:
    """Whatever GitHub says, the step ends as its command did."""
    github.faults.append(Fault(status=200, body='[{"body": 1, "user": "x"}, null]'))
    done = runner.step("monitor", monitoring("home"), issue="true")
    assert done.code == 3
    assert "the issue could not be written: AttributeError" in done.summary


def test_doctor_shows_what_the_token_sees_of_the_environments(
    runner: Runner, github: FakeGitHub
) -> None:
    """Protection where it is; what is missing or hidden is a warning and never stops anything."""
    Path("deploy.yaml").write_text(
        f"{SHOP}environments:\n  staging: {{}}\n  production: {{route: {{port: 81}}}}\n"
    )
    github.permissions["actions"] = "read"
    reviewers = {"type": "required_reviewers", "reviewers": [{}, {}]}
    github.environments["production"] = {"protection_rules": [reviewers, {"type": "branch_policy"}]}
    step = runner.step("doctor", DoctorReport())
    assert step.code == 0
    assert "it has 2 reviewers, a rule for branches" in step.summary
    assert "the first job that names it creates it" in step.summary
    github.permissions["actions"] = "none"
    step = runner.step("doctor", DoctorReport())
    assert step.code == 0
    assert step.summary.count("actions: read") == 2


def test_a_tag_in_a_called_workflow_needs_a_token_of_its_own(
    runner: Runner, github: FakeGitHub
) -> None:
    """The caller cannot give the called job a permission that it does not ask for."""
    github.permissions["contents"] = "read"
    assert "DEPLOY_GITHUB_TOKEN" not in runner.step("deploy", LIVE, live_tag="true").summary
    step = runner.step("deploy", LIVE, live_tag="true", environ={"DEPLOY_WORKFLOW": "deploy"})
    assert "DEPLOY_GITHUB_TOKEN" in step.summary


def test_the_issue_says_since_when(runner: Runner, github: FakeGitHub) -> None:
    """The time of the first run that found it, also after it has changed."""
    runner.step("monitor", monitoring("home"), issue="true")
    (found,) = re.findall(r"since:(\S+) -->", github.issues[0]["body"])
    github.issues[0]["body"] = github.issues[0]["body"].replace(found, "2026-01-01T00:00:00Z")
    runner.step("monitor", monitoring("home", "api"), issue="true")
    assert "**Unhealthy since** 2026-01-01 00:00:00Z" in github.issues[0]["body"]


def test_titles_of_annotations_are_short(runner: Runner) -> None:
    """A word or two: the message itself is below."""
    log = runner.step("deploy", LOST).log
    assert "::error title=host unreachable::" in log
