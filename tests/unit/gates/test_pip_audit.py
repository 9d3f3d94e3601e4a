"""The pip-audit gate with the real pip-audit and a service of our own: four kinds of results."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy_action.gates import pip_audit, require_passed
from deploy_action.gates.pip_audit import PipAuditOptions
from deploy_action.gates.result import Broken, Findings, NotRun, NotRunReason, Passed, refuses

Fill = Callable[..., Path]

# An entry of https://osv.dev/vulnerability/PYSEC-2019-217, shortened.
VULNERABILITY = {
    "id": "PYSEC-2019-217",
    "aliases": ["CVE-2019-10906", "GHSA-462w-v97r-4m45"],
    "details": "In Pallets Jinja before 2.10.1, str.format_map allows\na sandbox escape.",
    "schema_version": "1.6.0",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.10.1"}]}],
        }
    ],
}
UNFIXED = {**VULNERABILITY, "id": "PYSEC-2024-1", "aliases": [], "affected": []}
LOCK = 'lock-version = "1.0"\ncreated-by = "uv"\n'


class _Osv(BaseHTTPRequestHandler):
    """Answers as https://google.github.io/osv.dev/post-v1-query/ says."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        status = {"unavailable": 503, "refused": 403}.get(name, 200)
        known = {"jinja2": {"vulns": [VULNERABILITY]}, "old": {"vulns": [UNFIXED]}}
        body = b"<html>" if name == "portal" else json.dumps(known.get(name, {})).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve vulnerabilities on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Osv)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(pip_audit, "OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    monkeypatch.setattr(pip_audit, "SOCKET_TIMEOUT_SECONDS", 120)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def run(root: Path, *files: str, **options: Any) -> Any:
    """Run the gate against the service of the test."""
    return pip_audit.run(
        PipAuditOptions(files=files or ("requirements.txt",), service="osv", **options), root
    )


def test_packages_without_a_known_vulnerability_pass(fill: Fill) -> None:
    """A requirements file and a lock file are audited, and the result says how many packages."""
    lock = LOCK + '[[packages]]\nname = "flask"\nversion = "3.0.0"\n'
    root = fill({"requirements.txt": "requests==2.32.0\nurllib3==2.2.0\n", "uv.toml": lock})
    result = run(root, "requirements.txt", "uv.toml")
    assert isinstance(result, Passed)
    assert result.summary == "3 packages in 2 files"
    assert not refuses(result)


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("requirements.txt", "# comment\nJinja2[i18n]==2.4.1  # old\nrequests==2.32.0\n", 2),
        ("pylock.toml", LOCK + '[[packages]]\nname = "jinja2"\nversion = "2.4.1"\n', 4),
    ],
)
def test_a_vulnerable_package_is_a_finding(fill: Fill, file: str, text: str, line: int) -> None:
    """It is shown at its line, with what fixes it and where to read more."""
    result = run(fill({file: text}), file)
    assert isinstance(result, Findings)
    [finding] = result.findings
    problem = finding.problem
    assert (problem.file, problem.line, problem.rule) == (file, line, "PYSEC-2019-217")
    assert problem.message == (
        "jinja2 2.4.1 is vulnerable: In Pallets Jinja before 2.10.1, str.format_map allows"
        " a sandbox escape."
    )
    assert problem.hint == "upgrade to 2.10.1"
    assert finding.help_uri == "https://osv.dev/vulnerability/PYSEC-2019-217"
    assert refuses(result)


def test_a_vulnerability_without_a_fix_can_be_accepted(fill: Fill) -> None:
    """The hint names the option, which takes any of the identifiers; the result still tells."""
    root = fill({"requirements.txt": "old==1.0\njinja2==2.4.1\n"})
    result = run(root, ignore=("CVE-2019-10906",))
    assert isinstance(result, Findings)
    assert "gates.pip_audit.ignore" in result.problems[0].hint
    result = run(root, ignore=("CVE-2019-10906", "PYSEC-2024-1", "CVE-1"))
    assert isinstance(result, Passed)
    assert result.notes == (
        "ignored: CVE-2019-10906, PYSEC-2024-1",
        "ignored, but not found: CVE-1",
    )


@pytest.mark.parametrize("policy", ["fail", "pass"])
@pytest.mark.parametrize("away", ["nobody listens", "unavailable"])
def test_a_service_that_does_not_answer_is_no_pass(
    fill: Fill, monkeypatch: pytest.MonkeyPatch, policy: Any, away: str
) -> None:
    """The gate did not run; whether that refuses a deployment is what deploy.yaml says."""
    if away == "nobody listens":
        monkeypatch.setattr(pip_audit, "OSV_URL", "http://127.0.0.1:9/v1/query")
    root = fill({"requirements.txt": "unavailable==1.0\n"})
    result = run(root, unreachable=policy)
    assert isinstance(result, NotRun)
    assert result.reason is NotRunReason.SERVICE_UNREACHABLE
    assert result.configured
    assert "requirements.txt" in result.why
    assert refuses(result) is (policy == "fail")


def test_unless_it_is_told_otherwise_the_gate_fails_closed() -> None:
    """The default refuses a deployment of which nothing is known."""
    assert PipAuditOptions().unreachable == "fail"


def test_findings_count_also_when_another_file_was_not_checked(fill: Fill) -> None:
    """What is known refuses, whatever the policy says of the rest."""
    root = fill({"a.txt": "unavailable==1.0\n", "b.txt": "jinja2==2.4.1\n"})
    result = run(root, "a.txt", "b.txt", unreachable="pass")
    assert isinstance(result, Findings)
    assert result.notes == ("not checked, as the service did not answer: a.txt",)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("requirements.txt", None, "no such file"),
        ("../requirements.txt", None, "outside"),
        ("requirements.txt", "", "names no package"),
        ("requirements.txt", "# nothing\n", "names no package"),
        ("requirements.txt", "flask>=2\n", "not every package is pinned"),
        ("requirements.txt", "a b c\n", "pip-audit failed"),
        ("requirements.txt", "flask==3.0.0\n./local\n", "was not checked"),
        ("requirements.txt", "refused==1.0\n", "pip-audit failed"),
        ("requirements.txt", "portal==1.0\n", "pip-audit failed"),
        ("pylock.toml", "[", "pip-audit failed"),
        ("pylock.toml", LOCK, "pip-audit failed"),
        ("pylock.toml", LOCK + '[[packages]]\nname = "local"\n', "no version specified"),
    ],
)
def test_what_cannot_be_audited_breaks_the_gate(
    fill: Fill, file: str, text: str | None, says: str
) -> None:
    """pip-audit exits with 0 on some of these, and with 1, as for findings, on the others."""
    root = fill({"other.txt": ""} if text is None else {file: text})
    result = run(root, file, unreachable="pass")
    assert isinstance(result, Broken)
    assert says in result.why
    assert result.remedy
    assert [problem.file for problem in result.unchecked] == [file]


def test_packages_that_were_skipped_may_be_tolerated(fill: Fill) -> None:
    """Without `strict` they are notes, as long as something was audited."""
    root = fill({"requirements.txt": "flask==3.0.0\n./local\n"})
    result = run(root, strict=False)
    assert isinstance(result, Passed)
    assert "local was not checked" in result.notes[0]
    assert isinstance(run(fill({"requirements.txt": "./local\n"}), strict=False), Broken)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('broken installation')", "broken installation"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("print('{\"dependencies\": ')", "no report"),
        ("print('{}')", "no report"),
        ("print('[]')", "no report"),
        ("import time; time.sleep(60)", "timed out after 2 s"),
    ],
)
def test_a_tool_that_crashes_breaks_the_gate(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    """Whatever a crash looks like, nobody takes it for a pass."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!{sys.executable}\n{source}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(pip_audit, "find_program", lambda: str(tool))
    result = run(fill({"requirements.txt": "flask==3.0.0\n"}), timeout_seconds=2.0)
    assert isinstance(result, Broken)
    assert says in result.why


def test_a_tool_that_is_not_installed_breaks_the_gate(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional to install, but not to run where deploy.yaml asks for it."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(fill({"requirements.txt": "flask==3.0.0\n"}))
    assert isinstance(result, Broken)
    assert "not installed" in result.why
    assert "deploy-action[pip-audit]" in result.remedy


def test_nothing_of_the_repository_is_run(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip-audit starts `python -m pip`; a `pip.py` of the repository is not that pip."""
    evil = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    root = fill({"requirements.txt": "flask==3.0.0\n", "pip.py": evil, "pip_audit.py": evil})
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("PIP_AUDIT_FORMAT", "markdown")
    assert isinstance(run(root), Passed)
    assert not (root / "ran").exists()


def test_a_refusal_tells_what_to_do(fill: Fill) -> None:
    """The message names the gate, the service and the option that accepts the risk."""
    result = run(fill({"requirements.txt": "unavailable==1.0\n"}))
    with pytest.raises(Exception, match=r"pip-audit did not run: api\.osv\.dev did not") as raised:
        require_passed([result])
    assert "unreachable: pass" in str(raised.value)


@pytest.mark.parametrize(
    ("line", "foreign"),
    [
        ("-r ../secret", True),
        ("-r../secret", True),
        ("--requirement=/etc/passwd", True),
        ("--req /etc/passwd", True),
        ("-c https://evil.test/constraints.txt", True),
        ("-r file:///etc/passwd", True),
        ("-r ${HOME}/secret", True),
        ("-r \\\n  ../secret", True),
        ("-r link", True),
        ("-r more/nested.txt", True),
        ("-r more/good.txt", False),
        ("-c 'more/good.txt'  # ours", False),
        ("-r none.txt", False),
        ("--require-hashes", False),
        ("requests==2.32.0 --hash=sha256:00", False),
    ],
)
def test_what_is_included_is_of_the_repository(
    fill: Fill, monkeypatch: pytest.MonkeyPatch, line: str, foreign: bool
) -> None:
    """pip-audit would read it, or fetch it from whom a pull request names."""
    root = fill(
        {
            "requirements.txt": f"urllib3==2.2.0\n{line}\n",
            "more/nested.txt": "-r ../../secret\n",
            "more/good.txt": "flask==3.0.0\n-r again.txt\n",
            "more/again.txt": "-r good.txt\n",
        }
    )
    (root.parent / "secret").write_text("token==1.0\n")
    (root / "link").symlink_to(root.parent / "secret")
    started: list[object] = []

    def noting(*arguments: object) -> Any:
        started.append(arguments)
        raise OSError

    monkeypatch.setattr(pip_audit, "_execute", noting)
    result = run(root)
    assert isinstance(result, Broken)
    assert ("not a file of the repository" in result.why) == foreign
    assert bool(started) != foreign
