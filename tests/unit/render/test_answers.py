"""Reports: what history, status, drift, monitor and doctor say, and their exit codes."""

from __future__ import annotations

import pytest
from tests.unit.render.samples import DEPLOYED, failed

from deploy_action.checks.result import CheckResult
from deploy_action.errors import DeploymentFailed
from deploy_action.render.terminal import RenderContext, show_report
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import (
    Check,
    CheckState,
    Difference,
    DifferenceKind,
    DoctorReport,
    Drift,
    History,
    HostStatus,
    Monitoring,
    Page,
    ReplicaStatus,
    Report,
    Status,
    Written,
    WrittenPath,
)

GOOD_CHECK = CheckResult(name="home", where="edge", passed=True, seconds=0.1, attempts=1)
BAD_CHECK = CheckResult(
    name="home", where="edge", passed=False, seconds=0.1, attempts=1, detail="got 503"
)
REPLICA = ReplicaStatus(
    name="shop-1",
    version="1.4.2",
    state="running",
    health="healthy",
    restarts=2,
    up_since="2026-05-01T12:00:03.123456789Z",
)


def text(answer: Report) -> str:
    return "\n".join(show_report(answer, RenderContext()))


@pytest.mark.parametrize(
    ("answer", "result", "code"),
    [
        (History(environment="production"), "listed", 0),
        (Status(environment="production"), "empty", 0),
        (Status(environment="p", hosts=(HostStatus(host="a", version="1"),)), "live", 0),
        (Status(environment="p", hosts=(HostStatus(host="a", problem="down"),)), "unknown", 4),
        (Drift(environment="p"), "in-sync", 0),
        (
            Drift(
                environment="p",
                differences=(
                    Difference(
                        kind=DifferenceKind.REPLICA_CHANGED,
                        host="a",
                        subject="s",
                        recorded="r",
                        found="f",
                    ),
                ),
            ),
            "drifted",
            3,
        ),
        (Monitoring(environment="p", checks=(GOOD_CHECK,)), "healthy", 0),
        (Monitoring(environment="p", checks=(GOOD_CHECK, BAD_CHECK)), "unhealthy", 3),
        (Monitoring(environment="p", checks=(GOOD_CHECK,), unreachable=("a",)), "unhealthy", 3),
        (Monitoring(environment="p"), "unhealthy", 3),
        (DoctorReport(checks=(Check(subject="git", state=CheckState.WARNING),)), "ready", 0),
        (DoctorReport(checks=(Check(subject="git", state=CheckState.MISSING),)), "not-ready", 3),
        (Page(text="x"), "printed", 0),
        (Page(text="x", path="p"), "written", 0),
        (Written(), "written", 0),
    ],
)
def test_each_answer_has_its_word_and_exit_code(answer: Report, result: str, code: int) -> None:
    """What is not well is never exit code 0, and nothing checked is not well."""
    assert (answer.result, int(answer.exit_code)) == (result, code)


def test_history_lists_failed_deployments_with_their_cause() -> None:
    """When, version, outcome, duration, who, commit, digest, why."""
    said = text(History(environment="production", deployments=(failed(), DEPLOYED)))
    for part in ("2026-05-01 12:00:03Z", "1.4.2", "failed", "succeeded", "4.1s", "Ada"):
        assert part in said
    for part in ("01234567", "abababababab", "ticket 12", "the container exited with 1"):
        assert part in said


def test_an_empty_history_says_so() -> None:
    """An empty table would look like a mistake."""
    assert "nothing was ever deployed to production" in text(History(environment="production"))


def test_status_shows_each_host_and_names_the_one_that_is_silent() -> None:
    """What serves, where, how healthy, who is deploying and what can come back."""
    said = text(
        Status(
            service="shop",
            environment="production",
            current=DEPLOYED,
            hosts=(
                HostStatus(host="a", version="1.4.2", replicas=(REPLICA,)),
                HostStatus(host="b", problem="ssh: connection refused"),
            ),
            restorable=("1.4.1",),
            lock="Bob, since 12:01",
        )
    )
    assert (
        said
        == """\
✗ shop in production: 1.4.2 serves
  since       2026-05-01 12:00:15Z by Ada
  id          d-7
  deploying   Bob, since 12:01
  restorable  1.4.1

  a
      replica shop-1, version 1.4.2, stage serving, state running, health
      healthy, up since 2026-05-01 12:00:03Z, restarts 2
  b
      replica no answer
      cause  ssh: connection refused"""
    )


def test_drift_shows_both_sides_and_the_way_back() -> None:
    """The exact difference, and what to type."""
    said = text(
        Drift(
            service="shop",
            environment="production",
            differences=(
                Difference(
                    kind=DifferenceKind.REPLICA_CHANGED,
                    host="a",
                    subject="container shop-1",
                    recorded="running",
                    found="exited (137)",
                    remedy="docker start shop-1",
                ),
            ),
        )
    )
    assert "1 difference" in said
    assert "✗ a  container shop-1" in said
    assert "recorded  running" in said
    assert "found     exited (137)" in said
    assert "remedy    docker start shop-1" in said


def test_monitoring_shows_what_failed_and_that_nothing_was_checked() -> None:
    """An environment where nothing is live is not healthy."""
    failing = Monitoring(service="shop", version="1.4.2", environment="p", checks=(BAD_CHECK,))
    assert "✗ shop 1.4.2 in p is unhealthy" in text(failing)
    assert "got 503" in text(failing)
    assert "there was nothing to check" in text(Monitoring(environment="p"))
    silent = Monitoring(environment="p", checks=(GOOD_CHECK,), unreachable=("a",))
    assert "✗ a  no answer\n\n  ✓ 1 of 1 checks passed" in text(silent)


def test_doctor_groups_by_host_and_gives_the_remedy() -> None:
    """This machine first, then each host."""
    checks = (
        Check(subject="git", state=CheckState.OK, detail="git 2.47"),
        Check(subject="engine", state=CheckState.MISSING, host="a", detail="no", remedy="start it"),
    )
    said = text(DoctorReport(checks=checks))
    assert (
        said
        == """\
✗ 1 of 2 checks failed

  ✓ this machine  git     git 2.47
  ✗ a             engine  no
      remedy  start it"""
    )


def test_files_and_pages_are_named_or_printed() -> None:
    """A page without a path is the output itself."""
    assert text(Page(text="# Title\n\nbody\n")) == "# Title\n\nbody"
    assert text(Page(text="# Title", path="D.md")) == "✓ wrote D.md"
    written = Written(files=(WrittenPath(path="deploy.yaml", guesses=("port 80: Dockerfile",)),))
    assert text(written) == "✓ wrote 1 file\n\n  ✓ deploy.yaml\n      port 80: Dockerfile"


@pytest.mark.parametrize(
    "answer",
    [
        Status(environment="\x1b[2J", hosts=(HostStatus(host="\x1b[2J", problem="\x1b[2J"),)),
        Drift(
            environment="p",
            differences=(
                Difference(
                    kind=DifferenceKind.REPLICA_CHANGED,
                    host="a",
                    subject="\x1b",
                    recorded="\x1b",
                    found="\x1b",
                ),
            ),
        ),
        History(environment="p", deployments=(failed("\x1b[2J"),)),
        DoctorReport(
            checks=(Check(subject="\x1b", state=CheckState.OK, detail="\x1b", host="\x1b"),)
        ),
        Written(files=(WrittenPath(path="\x1b", guesses=("\x1b",)),)),
    ],
)
def test_no_answer_lets_an_escape_through(answer: Report) -> None:
    """Names and messages come from hosts and files: none reaches the terminal as it is."""
    assert "\x1b" not in text(answer)


def test_a_long_row_and_a_long_title_are_broken_between_words() -> None:
    """A terminal of 80 columns would break them anywhere."""
    detail = "production: the image that runs has no user nobodyelse in its /etc/passwd, and so on"
    check = Check(host="local", subject="user", state=CheckState.MISSING, detail=detail, remedy="r")
    said = text(DoctorReport(checks=(check,)))
    assert all(len(line) <= 80 for line in said.splitlines())
    assert detail in " ".join(said.split())
    why = "local: the image deploy-action-edge:abf237e2069c could not be built: no such host at all"
    refused = text(Outcome.of_error(DeploymentFailed(why)))
    assert all(len(line) <= 80 for line in refused.splitlines())
    assert why in " ".join(refused.split())
