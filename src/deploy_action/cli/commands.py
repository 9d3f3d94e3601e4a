"""The commands and their options as data: what the parser, the help and the manual are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploy_action.errors import ExitCode

__all__ = ["COMMANDS", "COMMON", "Command", "Option", "Words", "command"]

Kind = Literal["text", "path", "switch", "duration", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One flag; `field` is the name in `Inputs`, or in `Show` for the common ones."""

    field: str
    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    kind: Kind = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a command takes besides options: one of `choices`, or, without them, all after `--`."""

    field: str
    usage: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: what it does, how it is called, and how it can end."""

    name: str
    summary: str
    story: str
    examples: tuple[tuple[str, str], ...]
    options: tuple[Option, ...] = ()
    words: Words | None = None
    exits: tuple[ExitCode, ...] = (ExitCode.DONE, ExitCode.BAD_INPUT)


def _option(field: str, flag: str, metavar: str, text: str, kind: Kind = "text") -> Option:
    return Option(field=field, flags=(flag,), metavar=metavar, help=text, kind=kind)


COMMON = (
    Option(
        field="config",
        flags=("-c", "--config"),
        metavar="FILE",
        kind="path",
        help="the configuration (default: deploy.yaml)",
    ),
    _option("json", "--json", "", "print one JSON document instead of text", "switch"),
    Option(
        field="verbose",
        flags=("-v", "--verbose"),
        kind="switch",
        help="show tracebacks and the time of day",
    ),
    _option("no_color", "--no-color", "", "no colours; NO_COLOR=1 does the same", "switch"),
    Option(field="help", flags=("-h", "--help"), kind="switch", help="show this help"),
)

_ENVIRONMENT = Option(
    field="environment",
    flags=("-e", "--environment"),
    metavar="NAME",
    help="the environment; may be left out where deploy.yaml has only one",
)
_VERSION = _option(
    "version", "--version", "V", "the version to deploy (default: the git tag or commit)"
)
_IMAGE = _option("image", "--image", "REPOSITORY", "the image, instead of the one in deploy.yaml")
_DIGEST = _option("digest", "--digest", "sha256:…", "deploy exactly this image; refuse any other")
_REASON = _option("reason", "--reason", "TEXT", "why; kept in the ledger")
_ACTOR = _option("actor", "--actor", "NAME", "who (default: git's user.name, else the login name)")
_COMMIT = _option("commit", "--commit", "SHA", "the git commit (default: the one checked out)")
_RUN_URL = _option("run_url", "--run-url", "URL", "a page about this run; kept in the ledger")
_LOCK_WAIT = _option(
    "lock_wait_seconds",
    "--lock-wait",
    "5m",
    "wait this long for somebody else's deployment (default: 0s)",
    "duration",
)
_DRY_RUN = _option("dry_run", "--dry-run", "", "print the plan and change nothing", "switch")
_PROOF = (
    _option(
        "proof",
        "--proof",
        "PROOF|FILE",
        "a signed proof that the digest passed before; the hosts there are not asked then",
    ),
    _option(
        "proof_age_seconds",
        "--proof-age",
        "24h",
        "refuse a proof that is older (default: 168h)",
        "duration",
    ),
)
_PROOF_FILE = _option(
    "proof_file", "--proof-file", "FILE", "write a signed proof here when it went well", "path"
)
_GITHUB_RECORD = _option(
    "github_record",
    "--github-record",
    "",
    "list it among GitHub's deployments (GITHUB_REPOSITORY, GITHUB_TOKEN)",
    "switch",
)
_RECORDED = (_REASON, _ACTOR, _RUN_URL, _LOCK_WAIT, _DRY_RUN, _GITHUB_RECORD)

_CHANGES = tuple(ExitCode)
_JUDGES = (ExitCode.DONE, ExitCode.BAD_INPUT, ExitCode.GATE_REFUSED)
_LOOKS = (ExitCode.DONE, ExitCode.BAD_INPUT, ExitCode.DEPLOYMENT_FAILED)

COMMANDS = (
    Command(
        name="init",
        summary="write a deploy.yaml and the workflows for this repository",
        story=(
            "Looks at the repository (Dockerfile, port, health route, GitHub remote) and writes"
            " a deploy.yaml and two workflows that call the deployment and the rollback. Says"
            " what it guessed and from where. Existing files are left alone."
        ),
        examples=(("deploy-action init", "start here"),),
        options=(_option("force", "--force", "", "overwrite existing files", "switch"),),
    ),
    Command(
        name="validate",
        summary="check deploy.yaml; touches nothing and needs no network",
        story=(
            "Reads deploy.yaml and reports everything that is wrong with it at once: file, line,"
            " column, the reason in plain words and how to mend it. Warnings do not fail."
        ),
        examples=(
            ("deploy-action validate", "check ./deploy.yaml"),
            ("deploy-action validate -c shop/deploy.yaml --json", "for programs"),
        ),
    ),
    Command(
        name="check",
        summary="validate, then run the gates; changes nothing",
        story=(
            "Validates deploy.yaml, then runs every gate that it configures. What `deploy` would"
            " refuse, `check` refuses."
        ),
        examples=(("deploy-action check -e staging", "what a pull request should run"),),
        options=(_ENVIRONMENT,),
        exits=_JUDGES,
    ),
    Command(
        name="build",
        summary="build the image of deploy.yaml, push it once, and say its digest",
        story=(
            "Builds what `build:` describes with the Docker command line (BuildKit where it is"
            " there), pushes it to the registry that `image:` names where `push: true` says so, and"
            " prints the digest. Deployments with `--digest` build nothing, and an environment with"
            " `after:` never builds: every environment gets the bytes that were tested."
        ),
        examples=(("deploy-action build --version 1.4.2", "then: deploy -e staging --digest …"),),
        options=(_ENVIRONMENT, _VERSION, _IMAGE, _COMMIT),
        exits=_LOOKS,
    ),
    Command(
        name="plan",
        summary="show what a deployment would do, step by step",
        story=(
            "Observes the hosts and prints the steps that `deploy` with the same options would"
            " take. Changes nothing. The plan that is printed is the plan that would be executed."
            " With `--offline` it is the plan for hosts on which nothing runs yet; that needs no"
            " secret, no host and no registry, so a pull request from a fork can have it."
        ),
        examples=(
            ("deploy-action plan -e production --version 1.4.2", "look before you leap"),
            ("deploy-action plan -e production --offline", "in a pull request from a fork"),
        ),
        options=(
            _ENVIRONMENT,
            _VERSION,
            _IMAGE,
            _DIGEST,
            _COMMIT,
            _option("offline", "--offline", "", "ask no host and no registry", "switch"),
            *_PROOF,
        ),
        exits=(*_JUDGES, ExitCode.DEPLOYMENT_FAILED),
    ),
    Command(
        name="deploy",
        summary="make a version live; undoes itself when anything fails",
        story=(
            "Runs the gates, starts the new release beside the old one, checks health and smoke"
            " tests before it gets traffic, shifts the traffic, watches it, and records what"
            " happened. On any failure, and on Ctrl-C, the old release goes on serving."
        ),
        examples=(
            ("deploy-action deploy -e staging --version 1.4.2", "deploy a tag"),
            ("deploy-action deploy -e production --dry-run", "only print the plan"),
            ("deploy-action deploy -e production --lock-wait 10m", "queue behind another run"),
        ),
        options=(
            _ENVIRONMENT,
            _VERSION,
            _IMAGE,
            _DIGEST,
            _COMMIT,
            *_RECORDED,
            *_PROOF,
            _PROOF_FILE,
        ),
        exits=_CHANGES,
    ),
    Command(
        name="promote",
        summary="take to an environment the digest that passed in the one before it",
        story=(
            "Deploys to an environment exactly the image digest that succeeded in the environment"
            " named by its `after:` key. Anything that did not pass there is refused."
        ),
        examples=(
            ("deploy-action promote -e production", "what serves in staging goes to production"),
        ),
        options=(_ENVIRONMENT, _VERSION, _DIGEST, *_RECORDED, *_PROOF, _PROOF_FILE),
        exits=_CHANGES,
    ),
    Command(
        name="rollback",
        summary="bring an earlier release back: image, configuration and environment",
        story=(
            "Without a version it restores the last release that was stable before the one that"
            " serves now. Needs no registry. `--from` makes a button that is pressed twice"
            " harmless: where that version no longer serves, nothing is done."
        ),
        examples=(
            ("deploy-action rollback -e production", "back to the last stable release"),
            ("deploy-action rollback -e production --to 1.3.0 --reason 'slow'", "to a version"),
            ("deploy-action rollback -e production --at 2026-05-01T12:00Z", "to a time"),
        ),
        options=(
            _ENVIRONMENT,
            _option("to", "--to", "V", "the version to restore, or previous"),
            _option("at", "--at", "TIME", "restore what was live at this time (ISO 8601)"),
            _option("from_", "--from", "V", "only if this version serves now"),
            *_RECORDED,
        ),
        exits=_CHANGES,
    ),
    Command(
        name="status",
        summary="show what serves now, on each host",
        story="Asks every host of the environment what runs there, healthy or not, and since when.",
        examples=(("deploy-action status -e production", "what is live"),),
        options=(_ENVIRONMENT,),
        exits=_LOOKS,
    ),
    Command(
        name="history",
        summary="list every deployment, failed ones too",
        story=(
            "Reads the ledger on the hosts: when, who, version, commit, digest, duration, how it"
            " ended and why. The newest first."
        ),
        examples=(("deploy-action history -e production --limit 5", "the last five"),),
        options=(
            _ENVIRONMENT,
            _option("limit", "--limit", "N", "at most this many (default: 20)", "count"),
        ),
        exits=_LOOKS,
    ),
    Command(
        name="monitor",
        summary="run health and smoke tests of what is live",
        story=(
            "Checks every replica and the way through the edge, once, and says by exit code, JSON"
            " and on demand a Prometheus textfile how the environment is. For cron or a schedule."
        ),
        examples=(
            ("deploy-action monitor -e production", "once, for a person"),
            (
                "deploy-action monitor -e production --textfile /var/lib/node_exporter/shop.prom",
                "for Prometheus",
            ),
        ),
        options=(
            _ENVIRONMENT,
            _option("textfile", "--textfile", "PATH", "write Prometheus metrics here", "path"),
        ),
        exits=_JUDGES,
    ),
    Command(
        name="drift",
        summary="show how the hosts differ from what was recorded",
        story=(
            "Compares the containers, the edge and the ledger of every host with the release that"
            " was recorded, and names every difference with both sides and the way to mend it."
        ),
        examples=(("deploy-action drift -e production", "did anybody change something by hand?"),),
        options=(_ENVIRONMENT,),
        exits=(*_JUDGES, ExitCode.DEPLOYMENT_FAILED),
    ),
    Command(
        name="maintenance",
        summary="show visitors a page instead of the service, or the service again",
        story=(
            "The edge answers every request of the environment with 503, the page and"
            " `Retry-After: 60`; the containers go on running. Deployments and rollbacks leave it"
            " as it is. The ledger records who switched it."
        ),
        examples=(
            ("deploy-action maintenance on -e production --reason 'new disks'", "close"),
            ("deploy-action maintenance on -e production --page sorry.html", "your own page"),
            ("deploy-action maintenance off -e production", "open"),
        ),
        words=Words(
            field="switch",
            usage="on|off",
            help="close the environment, or open it",
            choices=("on", "off"),
        ),
        options=(
            _ENVIRONMENT,
            _option("page", "--page", "FILE", "an HTML page of at most 12 KiB", "path"),
            _REASON,
            _ACTOR,
            _LOCK_WAIT,
        ),
        exits=_CHANGES,
    ),
    Command(
        name="canary",
        summary="tell a deployment that is being watched to go on at once, or to go back",
        story=(
            "For a canary's pauses and for the bake: `promote` ends the watching now and goes on to"
            " all of the traffic, `abort` undoes the deployment as a failed check would. It is told"
            " from another terminal or workflow, and the deployment finds it within a second; its"
            " own command ends with 0 or 4. The ledger records who said so."
        ),
        examples=(
            ("deploy-action canary promote -e production", "it looks good: do not wait longer"),
            ("deploy-action canary abort -e production --reason 'checkout fails'", "take it back"),
        ),
        words=Words(
            field="switch",
            usage="promote|abort",
            help="go on to all of the traffic, or go back",
            choices=("promote", "abort"),
        ),
        options=(_ENVIRONMENT, _REASON, _ACTOR),
        exits=_LOOKS,
    ),
    Command(
        name="run",
        summary="run a command in a one-off container of the live release",
        story=(
            "Starts a container with the image, environment, secrets, volumes and networks of what"
            " is live on the first host, shows what it says, removes it, and ends with 0 or, where"
            " the command failed, 4. Secrets that are not given are those of the running replica."
            " Takes no lock. For something regular call it from a workflow with a `schedule`."
        ),
        examples=(
            ("deploy-action run -e production -- ./manage.py clearsessions", "a task"),
            (
                "deploy-action run -e production --no-entrypoint -- sh -c 'env | sort'",
                "where the image's ENTRYPOINT would take it as arguments",
            ),
        ),
        words=Words(
            field="argv",
            usage="-- COMMAND [ARGUMENT…]",
            help="what is run; as a list, no shell comes between",
        ),
        options=(
            _ENVIRONMENT,
            _option("timeout_seconds", "--timeout", "1h", "stop it after this long", "duration"),
            _option(
                "no_entrypoint", "--no-entrypoint", "", "pass by the image's ENTRYPOINT", "switch"
            ),
        ),
        exits=_LOOKS,
    ),
    Command(
        name="unlock",
        summary="free the lock of a deployment that is gone",
        story=(
            "A lock whose holder died is recognised and taken over without help. This is for a"
            " holder that still exists and hangs: `--force` frees its lock and fences it off, so"
            " that it cannot change anything any more. The ledger records it."
        ),
        examples=(
            (
                "deploy-action unlock -e production --force --reason 'runner lost its network'",
                "after looking at status",
            ),
        ),
        options=(
            _ENVIRONMENT,
            _option("force", "--force", "", "also when the holder is alive", "switch"),
            _REASON,
            _ACTOR,
        ),
        exits=(*_LOOKS, ExitCode.LOCK_HELD),
    ),
    Command(
        name="doctor",
        summary="say what is missing on this machine and on each host",
        story=(
            "Looks for the tools that are needed here, then asks every host of deploy.yaml for its"
            " engine, architecture, disk, clock, edge and volume. Every row that is not well"
            " comes with the command that mends it. Changes nothing."
        ),
        examples=(("deploy-action doctor", "all hosts of ./deploy.yaml"),),
        options=(_ENVIRONMENT,),
        exits=_JUDGES,
    ),
    Command(
        name="docs",
        summary="write a page for the team from deploy.yaml",
        story=(
            "Writes Markdown: the process, the environments, gates and smoke tests, how to deploy,"
            " and how to roll back, by button, by command and with plain docker commands."
        ),
        examples=(("deploy-action docs --output DEPLOYMENT.md", "write the page"),),
        options=(
            _option("output", "--output", "PATH", "write to this file instead of stdout", "path"),
        ),
    ),
)


def command(name: str) -> Command | None:
    """Return the command of that name, or None."""
    return next((entry for entry in COMMANDS if entry.name == name), None)
