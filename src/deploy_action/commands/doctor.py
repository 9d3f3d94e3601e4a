"""doctor: check this machine and every host for what a deployment needs; changes nothing."""

from __future__ import annotations

import functools
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import check, select_environments
from deploy_action.config.model import EdgeOptions
from deploy_action.missing_secret import advise
from deploy_action.platforms.docker.doctor import host_checks
from deploy_action.process import run as run_program
from deploy_action.results.reports import Check, CheckState, DoctorReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deploy_action.config.model import DeployConfig, Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="doctor",
    summary="report what is missing on this machine and on each host",
    description=(
        "Looks for the tools that are needed here, then asks every host of deploy.yaml for its"
        " engine, architecture, disk, clock, edge and volume, and for the networks, users, devices"
        " and limits that deploy.yaml needs. Every problem comes with the command that fixes it."
        " Changes nothing."
    ),
    examples=(("deploy-action doctor", "all hosts of ./deploy.yaml"),),
    options=(ENVIRONMENT,),
    exits=GATE_EXITS,
)

_TOOL_SECONDS = 10.0
_HOSTS_AT_ONCE = 16
_GITHUB = "https://github.com"


def run(inputs: Inputs, events: EventStream) -> DoctorReport:
    """Check this machine, then all hosts in parallel.

    Without a valid deploy.yaml only the local engine is checked.

    Raises:
        BadInput: there is no such environment.
    """
    config, problems = check(inputs.config)
    chosen = select_environments(config, inputs.environment) if config is not None else []
    checks = [_python(), *_tools(chosen), _configuration(inputs, config, len(problems))]
    checks += [*_secrets(chosen, inputs), *_runner(config, chosen, inputs.environ)]
    edges = {(host, each.edge) for each in chosen for host in each.hosts}
    targets = sorted(edges, key=lambda pair: (pair[0], pair[1].name))
    targets = targets or [("local", EdgeOptions())]
    events.say(f"asking {len(targets)} host{'' if len(targets) == 1 else 's'}")
    with ThreadPoolExecutor(max_workers=_HOSTS_AT_ONCE) as pool:
        for of_host in pool.map(functools.partial(_ask, chosen), targets):
            checks += of_host
    return DoctorReport(checks=tuple(checks))


def _ask(chosen: Sequence[Environment], target: tuple[str, EdgeOptions]) -> tuple[Check, ...]:
    host, edge = target
    there = [each for each in chosen if host in each.hosts and each.edge == edge]
    return host_checks(host, edge, environments=there)


def _python() -> Check:
    return Check(
        subject="python", state=CheckState.OK, detail=".".join(map(str, sys.version_info[:3]))
    )


def _tools(chosen: Sequence[Environment]) -> Iterable[Check]:
    """Check the programs that these environments need; a missing optional one is a warning."""
    builds = any(each.build is not None for each in chosen)
    over_ssh = any(host.startswith("ssh://") for each in chosen for host in each.hosts)
    yield _tool(
        ("git", "--version"), needed=False, why="finds the version and commit to deploy by itself"
    )
    yield _tool(("docker", "--version"), needed=builds, why="builds images")
    yield _tool(("ssh", "-V"), needed=over_ssh, why="reaches ssh:// hosts")


_PACKAGES = {"git": "git", "docker": "docker.io", "ssh": "openssh-client"}


def _tool(argv: Sequence[str], *, needed: bool, why: str) -> Check:
    name = argv[0]
    if shutil.which(name) is None:
        return Check(
            subject=name,
            state=CheckState.MISSING if needed else CheckState.WARNING,
            detail=f"not found; it {why}",
            remedy=f"apt-get install {_PACKAGES[name]}",
        )
    try:
        done = run_program(argv, timeout_seconds=_TOOL_SECONDS)
    except OSError as error:
        return Check(subject=name, state=CheckState.WARNING, detail=f"does not run: {error}")
    version = (done.stdout or done.stderr).strip().partition("\n")[0]
    return Check(subject=name, state=CheckState.OK, detail=version)


def _configuration(inputs: Inputs, config: DeployConfig | None, problems: int) -> Check:
    name = str(inputs.config)
    if config is not None:
        detail = f"valid: {config.service} in {', '.join(config.environments)}"
        return Check(subject=name, state=CheckState.OK, detail=detail)
    exists = inputs.config.is_file()
    return Check(
        subject=name,
        state=CheckState.MISSING,
        detail=f"{problems} problems" if exists else "there is no such file",
        remedy=f"deploy-action validate -c {name}" if exists else "deploy-action init",
    )


def _secrets(chosen: Sequence[Environment], inputs: Inputs) -> Iterable[Check]:
    """Report missing secrets as warnings: the workflow that deploys may have them."""
    for name in dict.fromkeys(secret for each in chosen for secret in each.secrets):
        if inputs.secret(name) is None:
            advice = advise(name, inputs.environ)
            because = f"; {advice.cause}" if advice.cause else ""
            yield Check(
                subject=name,
                state=CheckState.WARNING,
                detail=f"this secret is not set; a deployment from here needs it{because}",
                remedy=advice.remedy
                if because
                else f"export {name}=…, or deploy from the workflow",
            )


def _runner(
    config: DeployConfig | None, chosen: Sequence[Environment], environ: Mapping[str, str]
) -> Iterable[Check]:
    """Check what a job of GitHub Actions shows of its runner and its inputs."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    hosted = environ.get("RUNNER_ENVIRONMENT") == "github-hosted"
    here = [
        each.name for each in chosen if config is not None and each.name in config.without_hosts
    ]
    detail = f"{'GitHub-hosted' if hosted else 'self-hosted'}, {environ.get('RUNNER_ARCH', '')}"
    if hosted and here:
        yield Check(
            subject="runner",
            state=CheckState.MISSING,
            detail=f"{', '.join(here)} has no hosts, and the engine of this machine goes with the job",
            remedy="name hosts in deploy.yaml, or run the job on a runner of your own",
        )
    else:
        yield Check(subject="runner", state=CheckState.OK, detail=detail.rstrip(", "))
    server = environ.get("GITHUB_SERVER_URL", _GITHUB)
    if server != _GITHUB and not server.endswith(".ghe.com"):
        yield Check(
            subject=server,
            state=CheckState.WARNING,
            detail="GitHub Enterprise Server does not know `uses: $/` of the reusable workflows",
            remedy="use the action as a step, or a copy with a commit (docs/how-to/github.md)",
        )
    over_ssh = any(host.startswith("ssh://") for each in chosen for host in each.hosts)
    for name, secret in (("ssh-key", "DEPLOY_SSH_KEY"), ("ssh-known-hosts", "DEPLOY_KNOWN_HOSTS")):
        if over_ssh and not environ.get(f"INPUT_{name.upper()}", "").strip():
            advice = advise(name, environ, own=secret)
            yield Check(
                subject=name,
                state=CheckState.MISSING,
                detail=f"the input is empty; {advice.cause}",
                remedy=advice.remedy,
            )
