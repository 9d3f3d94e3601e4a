"""validate, check, docs and doctor on real files: what they find and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.errors import fails_with

from deploy_action.commands import build, check, docs, doctor, perform, plan, validate
from deploy_action.errors import ConfigError, ErrorCode
from deploy_action.events.stream import EventStream
from deploy_action.gates.result import Broken, Findings, NotRun, Passed
from deploy_action.inputs import Inputs
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Check, CheckState, DoctorReport, Page

VALID = """\
version: 1
service: shop
image: ghcr.io/acme/shop
port: 8080
secrets: [DATABASE_URL]
environments:
  staging: {hosts: [ssh://deploy@staging.example.com]}
  production: {hosts: [local]}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, text: str = VALID) -> None:
    (root / "deploy.yaml").write_text(text, encoding="utf-8")


def test_a_valid_file_is_valid_and_names_its_service(root: Path) -> None:
    """The service is known to the report."""
    write(root)
    outcome = validate.run(Inputs(), EventStream())
    assert (outcome.result, outcome.service) == (Result.VALID, "shop")


def test_an_invalid_file_has_every_problem(root: Path) -> None:
    """All at once, each with its line."""
    write(root, VALID.replace("port: 8080", "port: many\nprot: 1"))
    outcome = validate.run(Inputs(), EventStream())
    assert outcome.result is Result.INVALID
    assert {problem.line for problem in outcome.problems} >= {4, 5}


def test_a_file_that_is_not_there_is_bad_input(root: Path) -> None:
    """However the configuration reports it, the exit code is 2."""
    assert int(perform("validate", Inputs()).exit_code) == 2


def test_check_runs_the_gates_of_all_environments_once(root: Path) -> None:
    """Equal gates are not run for each environment again."""
    write(root, VALID + "gates: {bandit: {paths: [src]}}\n")
    (root / "src").mkdir()
    (root / "src" / "app.py").write_text("print('hello')\n", encoding="utf-8")
    outcome = check.run(Inputs(), EventStream())
    assert outcome.result is Result.PASSED
    assert [type(gate) for gate in outcome.gates if not isinstance(gate, NotRun)] == [Passed]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import subprocess\nsubprocess.call(input(), shell=True)\n", Findings),
        ("def broken(:\n", Broken),
    ],
)
def test_check_refuses_what_a_gate_refuses(root: Path, source: str, kind: type) -> None:
    """Findings, and a gate that could not do its job, are both exit code 3."""
    write(root, VALID + "gates: {bandit: {paths: [src]}}\n")
    (root / "src").mkdir()
    (root / "src" / "app.py").write_text(source, encoding="utf-8")
    outcome = check.run(Inputs(), EventStream())
    assert (outcome.result, int(outcome.exit_code)) == (Result.REFUSED, 3)
    assert [type(gate) for gate in outcome.gates if not isinstance(gate, NotRun)] == [kind]


def test_check_knows_the_environments(root: Path) -> None:
    """An unknown one is refused before any gate runs."""
    write(root)
    with fails_with(ErrorCode.UNKNOWN_ENVIRONMENT):
        check.run(Inputs(environment="prodution"), EventStream())


def test_check_stops_at_an_invalid_file(root: Path) -> None:
    """Gates of a wrong configuration mean nothing."""
    write(root, "version: 1\n")
    assert check.run(Inputs(), EventStream()).result is Result.INVALID


def test_docs_prints_or_writes_the_page(root: Path) -> None:
    """Written only where it was asked to."""
    write(root)
    printed = docs.run(Inputs(), EventStream())
    assert printed.path == ""
    assert list(root.iterdir()) == [root / "deploy.yaml"]
    written = docs.run(Inputs(output=Path("PAGE.md")), EventStream())
    assert (root / "PAGE.md").read_text(encoding="utf-8") == printed.text == written.text
    assert isinstance(perform("docs", Inputs()), Page)


def test_docs_of_a_wrong_file_or_to_a_wrong_place_is_bad_input(root: Path) -> None:
    """No page about a configuration that cannot be deployed; no traceback for a bad path."""
    with pytest.raises(ConfigError):
        docs.run(Inputs(), EventStream())
    write(root)
    with fails_with(ErrorCode.FILE_NOT_WRITABLE):
        docs.run(Inputs(output=root / "no" / "PAGE.md"), EventStream())


@pytest.fixture
def silent_hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep doctor from any real host, and record whom it asked."""
    asked: list[str] = []

    def ask(host: str, edge: object, *, environments: object) -> tuple[Check, ...]:
        asked.append(host)
        return (Check(host=host, subject="engine", state=CheckState.OK),)

    monkeypatch.setattr(doctor, "host_checks", ask)
    return asked


def rows(diagnosis: DoctorReport) -> dict[str, Check]:
    return {need.subject: need for need in diagnosis.checks if not need.host}


def test_doctor_asks_every_host_and_names_missing_secrets(
    root: Path, silent_hosts: list[str]
) -> None:
    """A secret that this environment lacks is a warning: the workflow may have it."""
    write(root)
    diagnosis = doctor.run(Inputs(), EventStream())
    assert sorted(silent_hosts) == ["local", "ssh://deploy@staging.example.com"]
    assert rows(diagnosis)["deploy.yaml"].state is CheckState.OK
    assert rows(diagnosis)["DATABASE_URL"].state is CheckState.WARNING
    there = doctor.run(Inputs(environ={"DATABASE_URL": "hunter2"}), EventStream())
    assert "DATABASE_URL" not in rows(there)
    assert "hunter2" not in repr(there)


def test_doctor_looks_at_one_environment_when_asked(root: Path, silent_hosts: list[str]) -> None:
    """Only the hosts of that environment are asked."""
    write(root)
    doctor.run(Inputs(environment="production"), EventStream())
    assert silent_hosts == ["local"]


def test_doctor_without_a_configuration_says_how_to_begin(
    root: Path, silent_hosts: list[str]
) -> None:
    """`init` for no file, `validate` for a wrong one; the local engine is looked at anyway."""
    assert rows(doctor.run(Inputs(), EventStream()))["deploy.yaml"].remedy == "deploy-action init"
    write(root, "version: 1\n")
    assert "validate" in rows(doctor.run(Inputs(), EventStream()))["deploy.yaml"].remedy
    assert silent_hosts == ["local", "local"]


def test_doctor_tells_a_tool_that_is_needed_from_one_that_is_handy(
    root: Path, silent_hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh is missing only where a host is reached by ssh; the package is named."""
    monkeypatch.setenv("PATH", str(root))
    write(root)
    found = rows(doctor.run(Inputs(), EventStream()))
    assert (found["ssh"].state, found["git"].state) == (CheckState.MISSING, CheckState.WARNING)
    assert found["ssh"].remedy == "apt-get install openssh-client"
    assert rows(doctor.run(Inputs(environment="production"), EventStream()))["ssh"].state is (
        CheckState.WARNING
    )


def test_an_outcome_of_an_error_keeps_the_environment(root: Path) -> None:
    """What was asked for is in the report of why it was refused."""
    write(root)
    report = perform("check", Inputs(environment="nowhere"))
    assert isinstance(report, Outcome)
    assert (report.result, report.environment) == (Result.INVALID, "nowhere")


def test_a_plan_without_a_host_says_what_a_first_deployment_would_do(root: Path) -> None:
    """Nobody is asked for it: the hosts do not exist, and the declared secret is not there."""
    write(root)
    outcome = plan.run(Inputs(environment="staging", version="1.0.0", offline=True), EventStream())
    assert outcome.result is Result.PLANNED
    assert outcome.plan[0] == "pull ghcr.io/acme/shop:1.0.0"
    assert any("start" in line for line in outcome.plan)
    assert "no host and no registry was asked" in str(outcome.notes[-1])


def test_a_plan_without_a_host_is_refused_by_what_would_refuse_the_deployment(root: Path) -> None:
    """A gate that finds something, and a version that is missing."""
    write(root, f"{VALID}gates: {{bandit: {{paths: [src]}}}}\n")
    asked = Inputs(environment="staging", version="1.0.0", offline=True)
    assert plan.run(asked, EventStream()).result is Result.REFUSED
    write(root)
    with fails_with(ErrorCode.INVALID_VERSION):
        plan.run(Inputs(environment="staging", offline=True), EventStream())


def test_doctor_on_a_runner_checks_what_a_job_can_see(root: Path, silent_hosts: list[str]) -> None:
    """An engine that goes with the job, a server without `$/`, an ssh key that did not arrive."""
    write(root)
    environ = {
        "GITHUB_ACTIONS": "true",
        "RUNNER_ENVIRONMENT": "self-hosted",
        "GITHUB_SERVER_URL": "https://github.example.com",
    }
    found = rows(doctor.run(Inputs(environ=environ), EventStream()))
    assert found["runner"].state is CheckState.OK
    assert found["https://github.example.com"].state is CheckState.WARNING
    assert found["ssh-key"].state is found["ssh-known-hosts"].state is CheckState.MISSING
    assert "secrets: DATABASE_URL=" in found["DATABASE_URL"].remedy
    hosted = {
        **environ,
        "RUNNER_ENVIRONMENT": "github-hosted",
        "GITHUB_SERVER_URL": "https://github.com",
        "INPUT_SSH-KEY": "k",
        "INPUT_SSH-KNOWN-HOSTS": "h",
    }
    (root / "deploy.yaml").write_text("version: 1\nservice: shop\nimage: shop\nport: 8080\n")
    found = rows(doctor.run(Inputs(environ=hosted), EventStream()))
    assert found["runner"].state is CheckState.MISSING
    assert not {"ssh-key", "ssh-known-hosts", "https://github.com"} & set(found)
    assert not {"runner", "ssh-key"} & set(rows(doctor.run(Inputs(), EventStream())))


def test_a_build_on_github_is_pushed_or_refused(root: Path) -> None:
    """The job that deploys it is another one, on another machine: an empty digest would be no error
    there, but another image."""
    (root / "deploy.yaml").write_text(
        "version: 1\nservice: shop\nimage: ghcr.io/acme/shop\nbuild: .\nport: 8080\n"
    )
    with fails_with(ErrorCode.NOT_PUSHED):
        build.run(Inputs(version="1.0.0", environ={"GITHUB_ACTIONS": "true"}), EventStream())
