"""The pip-audit gate: known vulnerabilities in the packages that requirements and lock files pin.

pip-audit is optional: ``pip install 'deploy-action[pip-audit]'``, or any other installation on PATH.
It exits with 1 for findings, for a service that it cannot reach and for a crash alike, and with 0
where it skipped packages or found none. Its JSON report decides here, and each of these is told
apart. Nothing is resolved, built or installed, so that no code of a dependency runs: a file has to
pin every package. Markers are evaluated for the Python that runs pip-audit.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deploy_action.gates.gate import Gate, OptionProblem, count, option_values, zero_timeout
from deploy_action.gates.result import (
    Broken,
    Finding,
    Findings,
    GateResult,
    NotRun,
    NotRunReason,
    Passed,
)
from deploy_action.problem import Problem
from deploy_action.process import Completed, ProcessTimeout, inherited
from deploy_action.process import run as run_program
from deploy_action.repository import leads_out

__all__ = ["GATE", "PipAuditOptions", "run"]

OSV_URL = "https://api.osv.dev/v1/query"
SERVICES = {"pypi": "pypi.org", "osv": "api.osv.dev"}
SOCKET_TIMEOUT_SECONDS = 15
MOST_DESCRIBED = 200
"""Characters of a vulnerability's description that are shown."""

# Its other variables, and those of pip, would change what is audited.
ENVIRONMENT = (
    *("PATH", "HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)

# pip-audit 2.10 catches a timeout while connecting only; every other failure is a traceback.
UNREACHABLE = re.compile(
    r"^requests\.exceptions\."
    r"(ConnectionError|ConnectTimeout|ReadTimeout|SSLError|ProxyError|ChunkedEncodingError)\b"
    r"|^ERROR:pip_audit\._cli:Tip: your network may be blocking this service"
)
INCLUDE = re.compile(
    r"\s*(?:-[rc]|--[rc](?!equire-hashes\b)[a-z-]*)(?:\s*=\s*|\s*)(.*?)(?:\s#.*)?$"
)
"""An option that includes another file; pip accepts its name shortened, and no blank behind -r."""
FILE_NAME = re.compile(r"[^:$]+")
MOST_INCLUDED = 100
SERVICE_ERROR = "pip_audit._service.interface.ServiceError"
SERVICE_DOWN = re.compile(r"^requests\.exceptions\.HTTPError: (5\d\d|429) ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipAuditOptions:
    """Which files are audited and what happens when the service does not answer.

    Attributes:
        files: requirements files, and lock files (``*.toml``, PEP 751).
        service: whose database is asked.
        ignore: identifiers of accepted vulnerabilities (PYSEC, CVE or GHSA).
        strict: whether a package that could not be audited breaks the gate.
        unreachable: whether a deployment goes on without this gate when the service is away.
    """

    files: tuple[str, ...] = ("requirements.txt",)
    service: Literal["pypi", "osv"] = "pypi"
    ignore: tuple[str, ...] = ()
    strict: bool = True
    unreachable: Literal["fail", "pass"] = "fail"
    timeout_seconds: float = 300.0


def read(value: bool | Mapping[str, Any]) -> PipAuditOptions | None:
    """Return the options of ``gates.pip_audit``; None where it is false."""
    values = option_values(value)
    return None if values is None else PipAuditOptions(**values)


def lint(options: PipAuditOptions) -> Iterator[OptionProblem]:
    """Yield a timeout of zero."""
    yield from zero_timeout(options.timeout_seconds)


def describe(options: PipAuditOptions) -> Sequence[str]:
    """Say which files are audited."""
    accepted = f", except {', '.join(options.ignore)}" if options.ignore else ""
    return [f"{', '.join(options.files)}: no package with a known vulnerability{accepted}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    """What pip-audit reports of one file."""

    packages: int = 0
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unreachable:
    """The service did not answer, so nothing is known of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failed:
    """pip-audit could not audit the file."""

    problem: Problem


def run(options: PipAuditOptions, root: Path) -> GateResult:
    """Audit every file, each by a process of its own, and judge the reports."""
    started = time.monotonic()
    program = find_program()
    if program is None:
        return Broken(
            gate=GATE.name,
            duration_seconds=time.monotonic() - started,
            why="pip-audit is not installed",
            remedy="pip install 'deploy-action[pip-audit]', or pipx install pip-audit",
        )
    deadline = started + options.timeout_seconds
    audits = {file: _audit(program, options, root, file, deadline) for file in options.files}
    return _judge(options, audits, time.monotonic() - started)


def find_program() -> str | None:
    """Return the path of pip-audit: beside this interpreter, else from PATH."""
    beside = Path(sys.executable).with_name("pip-audit")
    return str(beside) if beside.is_file() else shutil.which("pip-audit")


def _judge(
    options: PipAuditOptions,
    audits: Mapping[str, _Audit | _Unreachable | _Failed],
    duration: float,
) -> GateResult:
    reports = [audit for audit in audits.values() if isinstance(audit, _Audit)]
    findings = tuple(finding for report in reports for finding in report.findings)
    skipped = tuple(problem for report in reports for problem in report.skipped)
    unreachable = [file for file, audit in audits.items() if isinstance(audit, _Unreachable)]
    failed = tuple(audit.problem for audit in audits.values() if isinstance(audit, _Failed))
    unchecked = (*failed, *(skipped if options.strict else ()))
    notes = tuple(_notes(options, reports, unreachable))
    if unchecked:
        more = f" (and {len(unchecked) - 1} more)" if len(unchecked) > 1 else ""
        return Broken(
            gate=GATE.name,
            duration_seconds=duration,
            why=f"{unchecked[0].file}: {unchecked[0].message}{more}",
            remedy=unchecked[0].hint,
            unchecked=unchecked,
            findings=findings,
            notes=notes,
        )
    packages = sum(report.packages for report in reports)
    summary = f"{count(packages, 'package')} in {count(len(reports), 'file')}"
    if findings:
        return Findings(
            gate=GATE.name,
            duration_seconds=duration,
            summary=f"{count(len(findings), 'vulnerability', 'vulnerabilities')} in {summary}",
            findings=findings,
            notes=notes,
        )
    if unreachable:
        return NotRun(
            gate=GATE.name,
            duration_seconds=duration,
            reason=NotRunReason.SERVICE_UNREACHABLE,
            why=f"{SERVICES[options.service]} did not answer, so the known vulnerabilities of"
            f" {', '.join(unreachable)} were not looked up",
            remedy="run it again when the service answers, or deploy unchecked with"
            " gates.pip_audit.unreachable: pass",
            refuses=options.unreachable == "fail",
        )
    return Passed(gate=GATE.name, duration_seconds=duration, summary=summary, notes=notes)


def _notes(
    options: PipAuditOptions, reports: Iterable[_Audit], unreachable: Sequence[str]
) -> Iterator[str]:
    ignored = {identifier for report in reports for identifier in report.ignored}
    if ignored:
        yield f"ignored: {', '.join(sorted(ignored))}"
    if absent := set(options.ignore) - ignored:
        yield f"ignored, but not found: {', '.join(sorted(absent))}"
    if unreachable:
        yield f"not checked, as the service did not answer: {', '.join(unreachable)}"
    if not options.strict:
        for report in reports:
            yield from (f"{problem.file}: {problem.message}" for problem in report.skipped)


def _audit(
    program: str, options: PipAuditOptions, root: Path, file: str, deadline: float
) -> _Audit | _Unreachable | _Failed:
    path = root / file
    if Path(file).is_absolute() or ".." in Path(file).parts or leads_out(root, file):
        return _failed(file, "lies outside the repository", "correct gates.pip_audit.files")
    if not path.is_file():
        return _failed(file, "there is no such file", "correct gates.pip_audit.files")
    try:
        text = path.read_text("utf-8", "replace")
        if included := _foreign_include(root, file, text):
            return _failed(
                file,
                f"it includes {included}, which is not a file of the repository",
                "include files of the repository, by their paths",
            )
        done = _execute(program, options, path.resolve(), deadline - time.monotonic())
    except ProcessTimeout:
        seconds = f"{options.timeout_seconds:g} s"
        return _failed(file, f"timed out after {seconds}", "raise gates.pip_audit.timeout")
    except OSError as error:
        return _failed(file, f"pip-audit could not be started: {error}", "reinstall pip-audit")
    try:
        if done.exit_code in (0, 1) and done.stdout.strip():
            return _read_report(options, file, text, json.loads(done.stdout))
    except (ValueError, LookupError, TypeError, AttributeError):
        return _failed(file, "pip-audit wrote no report that can be read", _by_hand(file))
    lines = done.stderr.strip().splitlines()
    last = lines[-1] if lines else f"exit code {done.exit_code}"
    if UNREACHABLE.match(last) or (last == SERVICE_ERROR and SERVICE_DOWN.search(done.stderr)):
        return _Unreachable()
    last = last.removeprefix("ERROR:pip_audit._cli:")
    if "is not pinned" in last:
        return _failed(file, f"not every package is pinned: {last}", "pin it: uv pip compile")
    return _failed(file, f"pip-audit failed: {last}", _by_hand(file))


def _foreign_include(root: Path, file: str, text: str) -> str:
    """Return what a requirements file includes, by itself or by another file, that is not of the
    repository: pip-audit would read it, or fetch it; empty if nothing.

    https://pip.pypa.io/en/stable/reference/requirements-file-format/
    """
    waiting, known = [(file, text)], {file}
    while waiting:
        name, text = waiting.pop()
        if name.endswith(".toml"):
            continue
        for line in text.replace("\\\n", " ").splitlines():
            option = INCLUDE.match(line)
            if option is None:
                continue
            included = option[1].strip().strip("\"'")
            path = str(Path(name).parent / included)
            # pip puts variables of the environment in, and opens what has a scheme by its URL.
            foreign = not FILE_NAME.fullmatch(included) or leads_out(root, path)
            if foreign or len(known) > MOST_INCLUDED:
                return included or "something"
            if path not in known and (root / path).is_file():
                known.add(path)
                waiting.append((path, (root / path).read_text("utf-8", "replace")))
    return ""


def _execute(
    program: str, options: PipAuditOptions, file: Path, timeout_seconds: float
) -> Completed:
    # The working directory is empty: pip-audit starts `python -m pip`, which would import a
    # `pip.py` of the repository.
    with tempfile.TemporaryDirectory(prefix="deploy-action-pip-audit-") as folder:
        argv = [program, "--format=json", "--progress-spinner=off", "--desc=on", "--aliases=on"]
        argv += [f"--cache-dir={folder}/cache", f"--timeout={SOCKET_TIMEOUT_SECONDS}"]
        argv += [f"--vulnerability-service={options.service}", f"--osv-url={OSV_URL}"]
        if file.suffix == ".toml":
            # Lock files are found by their name in a directory.
            project = Path(folder, "project")
            project.mkdir()
            (project / "pylock.toml").symlink_to(file)
            argv += ["--locked", str(project)]
        else:
            argv += ["--no-deps", "--disable-pip", f"--requirement={file}"]
        return run_program(
            argv, timeout_seconds=max(0.1, timeout_seconds), env=inherited(*ENVIRONMENT), cwd=folder
        )


def _read_report(
    options: PipAuditOptions, file: str, text: str, report: Mapping[str, Any]
) -> _Audit | _Failed:
    findings: list[Finding] = []
    skipped: list[Problem] = []
    ignored: list[str] = []
    packages = 0
    for package in report["dependencies"]:
        line = _line_of(package["name"], text)
        if "skip_reason" in package:
            skipped.append(_skipped(file, line, package))
            continue
        packages += 1
        for vulnerability in package["vulns"]:
            identifiers = {vulnerability["id"], *vulnerability.get("aliases", ())}
            if accepted := identifiers.intersection(options.ignore):
                ignored += accepted
            else:
                findings.append(_finding(file, line, package, vulnerability))
    if not packages and not skipped:
        return _failed(file, "it names no package", "correct gates.pip_audit.files")
    if not packages and not options.strict:
        return _failed(file, "no package of it could be audited", skipped[0].hint)
    return _Audit(
        packages=packages,
        findings=tuple(findings),
        skipped=tuple(skipped),
        ignored=tuple(ignored),
    )


def _finding(
    file: str, line: int, package: Mapping[str, Any], vulnerability: Mapping[str, Any]
) -> Finding:
    name, identifier = package["name"], vulnerability["id"]
    fixes = vulnerability["fix_versions"]
    about = " ".join(str(vulnerability.get("description", "")).split())
    about = f"{about[:MOST_DESCRIBED]}…" if len(about) > MOST_DESCRIBED else about
    return Finding(
        problem=Problem(
            file=file,
            line=line,
            message=f"{name} {package['version']} is vulnerable: {about or identifier}",
            hint=f"upgrade to {' or '.join(fixes)}"
            if fixes
            else "no version fixes it; to accept it, add it to gates.pip_audit.ignore",
            rule=identifier,
        ),
        title=identifier,
        help_uri=f"https://osv.dev/vulnerability/{identifier}",
        fingerprint=f"{name}:{identifier}",
    )


def _skipped(file: str, line: int, package: Mapping[str, Any]) -> Problem:
    return Problem(
        file=file,
        line=line,
        message=f"{package['name']} was not checked: {package['skip_reason']}",
        hint="pin a version that the service knows, or set gates.pip_audit.strict: false",
        rule="not-checked",
    )


def _failed(file: str, message: str, hint: str) -> _Failed:
    return _Failed(problem=Problem(file=file, message=message, hint=hint, rule="not-checked"))


def _by_hand(file: str) -> str:
    kind = "--locked DIRECTORY" if file.endswith(".toml") else f"--no-deps --disable-pip -r {file}"
    return f"run it by hand: pip-audit {kind}"


def _line_of(package: str, text: str) -> int:
    """Return the line that pins a package; 0 where an included file does."""
    name = re.sub(r"[-_.]+", "[-_.]+", re.escape(package).replace("\\", ""))
    pin = re.compile(rf'(?:{name}\s*(?:\[|===?)|name\s*=\s*"{name}"\s*$)', re.IGNORECASE)
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if pin.match(line.strip())), 0)


GATE = Gate(
    key="pip_audit",
    options=PipAuditOptions,
    read=read,
    run=run,
    describe=describe,
    lint=lint,
)
