"""The page of a run: read as GitHub renders it, whatever text from outside it holds."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from tests.unit.render.samples import DEPLOYED, RELEASE, failed

from deploy_action.checks.result import CheckResult
from deploy_action.errors import BadInput, ConfigError, DeploymentFailed, RollbackFailed
from deploy_action.gates.result import Broken, Finding, Findings, NotRun, Passed
from deploy_action.problem import Problem
from deploy_action.releases.model import Deployment
from deploy_action.render.markdown import prose
from deploy_action.render.summary import summary
from deploy_action.render.text import short_version
from deploy_action.results.outcome import Excerpt, Outcome, Result
from deploy_action.results.reports import History, HostStatus, Monitoring, Page, Status

NASTY = (
    "</details><script>alert(1)</script> | x | `code` **bold** [a](https://evil.example)\n"
    "# heading\n| a | b |\n![i](https://evil.example/i.png) <!-- "
)


class Rendered(HTMLParser):
    """The text of a page, and the tags that it is made of."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def check(name: str = "home", *, passed: bool = True, detail: str = "") -> CheckResult:
    return CheckResult(
        name=name, passed=passed, seconds=0.031, attempts=1, detail=detail, where="edge"
    )


def outcome(result: Result = Result.DEPLOYED, deployment: Deployment | None = DEPLOYED) -> Outcome:
    return Outcome(
        result=result,
        service="shop",
        environment="production",
        url="https://shop.example.com",
        deployment=deployment,
    )


@pytest.mark.parametrize("result", list(Result))
@pytest.mark.parametrize("deployment", [None, DEPLOYED, failed()])
def test_the_verdict_stands_first(result: Result, deployment: Deployment | None) -> None:
    """Every result has a sentence, and it is the page's first line."""
    first = summary(outcome(result, deployment)).splitlines()[0]
    assert first.startswith("## ")
    assert len(first.split()) > 2


def test_what_is_live_is_told_at_a_glance() -> None:
    """Version, address, image, commit, what was before, time, requests, who and why."""
    page = Rendered(summary(outcome()))
    for words in (
        *("shop 1.4.2 is live in production", "https://shop.example.com", "ghcr.io/acme/shop"),
        *("abababababab", "0123456789ab", "1.4.1", "12s", "1,000 sent, 0 lost"),
        *("Ada", "d-7", "ticket 12"),
    ):
        assert words in page.text


def test_the_way_back_can_be_copied() -> None:
    """After a deployment from this version; after a rollback to the one that it left."""
    assert "deploy-action rollback -e production --from 1.4.2" in summary(outcome())
    back = summary(outcome(Result.ROLLED_BACK))
    assert "deploy-action rollback -e production --to 1.4.1" in back


def test_the_first_deployment_has_no_way_back() -> None:
    """Nothing was there before, and no command is offered that could only fail."""
    first = dataclasses.replace(DEPLOYED, previous="", previous_version="")
    assert "rollback" not in summary(outcome(deployment=first))


def test_a_failure_says_why_before_anything_else() -> None:
    """What still serves, the error with cause and next step, the failed check, the log lines."""
    failure = dataclasses.replace(
        outcome(Result.FAILED, failed()),
        error=DeploymentFailed(
            "a: it crashed", cause="exit code 1", remedy="deploy-action history"
        ),
        checks=(check("home"), check("api", passed=False, detail="expected 200, got 503")),
        excerpts=(Excerpt(title="last log lines of shop-1", lines=("KeyError: 'X'",)),),
        restorable=("1.4.1", "1.4.0"),
    )
    page = Rendered(summary(failure))
    order = ("1.4.1 still serves", "a: it crashed", "exit code 1", "deploy-action history")
    later = ("Address", "api", "expected 200, got 503", "home", "KeyError: 'X'", "1.4.0")
    positions = [page.text.index(words) for words in (*order, *later)]
    assert positions == sorted(positions)
    assert [attrs for name, attrs in page.tags if name == "details"] == [{"open": None}] * 2


def test_a_failed_rollback_is_not_called_a_deployment() -> None:
    """The way back failed too: the sign and the box are the loudest ones."""
    page = summary(
        dataclasses.replace(
            outcome(Result.UNRESOLVED, failed()), error=RollbackFailed("b: no answer")
        )
    )
    assert page.startswith("## 🚨")
    assert "[!CAUTION]" in page


def test_what_went_well_is_folded_away() -> None:
    """Passed checks and the timeline are there for who looks for them."""
    page = Rendered(summary(dataclasses.replace(outcome(), checks=(check(), check("api")))))
    assert [attrs for name, attrs in page.tags if name == "details"] == [{}, {}]
    assert "2 of 2 checks passed" in page.text
    assert "31 ms" in page.text


@pytest.mark.parametrize("result", [Result.PLANNED, Result.UNCHANGED])
def test_an_earlier_deployment_is_not_shown_as_this_run(result: Result) -> None:
    """A plan and a no-op have no hosts, no duration and no requests of their own."""
    page = summary(outcome(result))
    for words in ("### Hosts", "12s", "1,000", "Where the time went", "ticket 12"):
        assert words not in page


def test_a_plan_is_a_numbered_list() -> None:
    """The steps in their order."""
    plan = dataclasses.replace(outcome(Result.PLANNED), plan=("start", "switch"))
    assert Rendered(summary(plan)).count("li") == 2


def test_problems_are_linked_to_their_lines() -> None:
    """One click leads to the line in the commit that ran; without a repository it is plain text."""
    problem = Problem(file="deploy.yaml", line=5, column=3, message="no", rule="unknown-key")
    invalid = Outcome(result=Result.INVALID, problems=(problem,))
    links = [
        attrs["href"]
        for name, attrs in Rendered(
            summary(invalid, repository="https://github.com/acme/shop", commit="c0ffee")
        ).tags
        if name == "a"
    ]
    assert links == ["https://github.com/acme/shop/blob/c0ffee/deploy.yaml#L5"]
    plain = Rendered(summary(invalid))
    assert plain.count("a") == 0
    assert "deploy.yaml:5:3" in plain.text


def test_a_long_list_says_how_long_it_is() -> None:
    """Fifty rows, and the number of the others: a page is no log."""
    problems = tuple(Problem(file="f", line=i + 1, message=f"m{i}") for i in range(80))
    page = Rendered(summary(Outcome(result=Result.INVALID, problems=problems)))
    assert page.count("tr") == 51
    assert "… and 30 more." in page.text


def test_gates_tell_what_they_found_and_why_they_could_not() -> None:
    """Passed, findings with their places, broken with its remedy; what is not configured is not
    worth a row."""
    found = Problem(file="src/a.py", line=7, message="shell=True", rule="B602")
    gates = (
        Passed(gate="config", duration_seconds=0.1, summary="2 files"),
        Findings(
            gate="bandit",
            duration_seconds=1,
            summary="1 finding",
            findings=(Finding(problem=found),),
        ),
        Broken(gate="other", duration_seconds=1, why="it crashed", remedy="install it"),
        NotRun(gate="absent"),
    )
    page = Rendered(summary(dataclasses.replace(outcome(Result.REFUSED, None), gates=gates)))
    for words in (
        "2 files",
        "1 finding",
        "src/a.py:7",
        "shell=True",
        "it crashed – remedy: install it",
    ):
        assert words in page.text
    assert "absent" not in page.text


def everywhere(said: str, log: str) -> Outcome:
    """Return an outcome that has everything, with the same text in every place."""
    problem = Problem(file=said, line=1, column=1, where=said, message=said, hint=said, rule=said)
    release = dataclasses.replace(RELEASE, version=said, image=said, commit=said)
    return Outcome(
        result=Result.DEPLOYED,
        service=said,
        environment=said,
        url=said,
        deployment=dataclasses.replace(
            DEPLOYED, release=release, actor=said, reason=said, previous_version=said, id=said
        ),
        gates=(Broken(gate=said, duration_seconds=1, why=said, remedy=said, unchecked=(problem,)),),
        checks=(check(said, passed=False, detail=said),),
        problems=(problem,),
        notes=(said,),
        error=BadInput(said, cause=said, remedy=said),
        restorable=(said,),
        plan=(said,),
        excerpts=(Excerpt(title=said, lines=(log,)),),
    )


def test_text_from_outside_is_nothing_but_text() -> None:
    """No tag, link, picture, heading, row or cell comes from a message, a name or a log: the page
    has the same skeleton as one of harmless words."""
    nasty = Rendered(summary(everywhere(NASTY, f"```\n````</code>{NASTY}")))
    harmless = Rendered(summary(everywhere("word", "line")))
    # A remedy shows what it quotes as code, which shows any text as it is.
    assert [tag for tag, _ in nasty.tags if tag != "code"] == [
        tag for tag, _ in harmless.tags if tag != "code"
    ]
    assert nasty.text.count("alert(1)") > 20


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a) [b](https://evil.example", "https://a b", "//a"]
)
def test_only_a_plain_web_address_becomes_a_link(url: str) -> None:
    """Anything else is shown as text."""
    assert Rendered(summary(dataclasses.replace(outcome(), url=url))).count("a") == 0


def test_other_answers_have_a_title_and_their_text() -> None:
    """They are tables as in the terminal; a page is Markdown already."""
    entries = (failed(), DEPLOYED)
    page = Rendered(summary(History(service="shop", environment="production", deployments=entries)))
    assert page.text.startswith("deployments of shop in production, the newest first")
    assert page.count("tr") == 3
    for words in ("1.4.2", "Ada", "reason: ticket 12", "cause: a: the container exited with 1"):
        assert words in page.text
    silent = HostStatus(host="b", problem="ssh: connection refused")
    status = Status(environment="p", hosts=(HostStatus(host="a", version="1.4.2"), silent))
    said = Rendered(summary(status)).text
    for words in ("p: 1.4.2 serves", "no answer", "cause: ssh: connection refused"):
        assert words in said
    assert summary(Page(text="# How we deploy\n")) == "# How we deploy\n\n"


def test_configuration_errors_are_told_once() -> None:
    """The table has them; the box has the sentence."""
    problem = Problem(file="deploy.yaml", line=1, message="a strange thing")
    error = ConfigError("deploy.yaml has 1 error", (problem,))
    page = Rendered(summary(Outcome.of_error(error)))
    assert page.text.count("a strange thing") == 1


def test_a_remedy_is_a_sentence_and_its_command_is_code() -> None:
    """The command at its start, and what it quotes; never the whole sentence."""
    assert prose("deploy-action promote -e p --version 1 takes what passed") == (
        "`deploy-action promote -e p --version 1` takes what passed"
    )
    assert prose("deploy-action doctor") == "`deploy-action doctor`"
    assert prose("write `after: x` there") == "write `after: x` there"
    assert prose("re-run this job (twice)") == r"re-run this job \(twice\)"


def test_a_commit_as_version_is_short_in_what_is_read() -> None:
    """Twelve digits in title and facts; whole in the command that is copied."""
    commit = "c0ffee" * 6 + "c0ff"
    release = dataclasses.replace(RELEASE, version=commit)
    page = summary(outcome(deployment=dataclasses.replace(DEPLOYED, release=release)))
    assert page.splitlines()[0].count("c0ffee") == 2
    assert f"--from {commit}" in page
    assert short_version("1.4.2-rc1") == "1.4.2-rc1"


def test_lost_requests_are_the_first_fact() -> None:
    """In view on a phone: right below the verdict."""
    rows = [line for line in summary(outcome()).splitlines() if line.startswith("| ")]
    assert rows[2].startswith("| Requests | 1,000 sent, 0 lost")


def test_the_way_back_leads_to_the_button() -> None:
    """Where the repository has one; without it the words stay."""
    at = dataclasses.replace(DEPLOYED, run_url="https://github.com/acme/shop/actions/runs/1")
    url = "https://github.com/acme/shop/actions/workflows/rollback.yml"
    assert f"[the rollback button for production]({url})" in summary(
        outcome(deployment=at), button=url
    )
    assert "the rollback button for production" in summary(outcome(deployment=at))


def test_an_unhealthy_service_says_what_is_wrong_what_changed_and_what_to_do() -> None:
    """In this order, before the table of all checks."""
    page = Rendered(
        summary(
            Monitoring(
                service="shop",
                environment="production",
                version="1.4.2",
                current=DEPLOYED,
                checks=(check(), check("api", passed=False, detail="expected 200, got 503")),
            )
        )
    )
    order = (
        *("is unhealthy", "api of edge: expected 200, got 503", "deploy-action logs -e production"),
        *("Live since", "Ada", "1.4.1", "rollback -e production --from 1.4.2", "1 of 2 checks"),
    )
    positions = [page.text.index(words) for words in order]
    assert positions == sorted(positions)
