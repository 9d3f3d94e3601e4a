"""The inputs of a run, from options or INPUT_* variables, as frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy_action.missing_secret import arrives_empty
from deploy_action.redaction import redact

__all__ = ["CREDENTIALS", "GITHUB_TOKEN", "Inputs", "Secret", "is_reserved", "may_be_password"]

GITHUB_TOKEN = "GITHUB_TOKEN"
CREDENTIALS = (
    GITHUB_TOKEN,
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "DEPLOY_PROOF_KEY",
)
"""Variables that hold secrets of the machinery."""

_RESERVED = re.compile(
    r"(?:ACTIONS|DEPLOY|DOCKER|GITHUB|INPUT|RUNNER|SSH)_.+|HOME|PATH", re.IGNORECASE
)


def is_reserved(name: str) -> bool:
    """Tell whether a variable belongs to GitHub, its runner, Docker, ssh or deploy-action itself:
    what it holds is never handed to an application."""
    return _RESERVED.fullmatch(name) is not None


def may_be_password(name: str) -> bool:
    """Tell whether a variable may hold the password of a registry: the job's own token, that of
    GitHub's registry, and Docker's usual names may; nothing else of the machinery."""
    return not is_reserved(name) or name == GITHUB_TOKEN or name.startswith("DOCKER_")


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is never shown; only `reveal` returns its text. It is masked, from now on, in
    all text from outside."""

    _value: str

    def __post_init__(self) -> None:
        redact.protect(self._value)

    def reveal(self) -> str:
        """Return the value, for the one place that sends it to Docker or in a request."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs of one run."""

    config: Path = Path("deploy.yaml")
    environment: str | None = None
    version: str | None = None
    image: str | None = None
    digest: str | None = None
    to: str | None = None
    """rollback: the version to restore, or `previous`."""
    at: str | None = None
    """rollback: restore what was live at this time (ISO 8601)."""
    from_: str | None = None
    """rollback: only if this version is the current one."""
    reason: str = ""
    actor: str = ""
    commit: str = ""
    repository: str = ""
    """OWNER/NAME of the repository that this runs in; proofs name it."""
    run_url: str = ""
    lock_wait_seconds: float = 0.0
    dry_run: bool = False
    offline: bool = False
    """plan: ask no host and no registry."""
    force: bool = False
    service: str = ""
    """remove: another service than deploy.yaml's; init: which of several."""
    shell: str = ""
    """completion: bash, zsh or fish."""
    host: str = ""
    """exec, console: on which host; the first if empty."""
    replica: int = 1
    """exec, console: which replica, from 1."""
    follow: bool = False
    tail: int | None = None
    since_seconds: float | None = None
    everything: bool = False
    """logs: kept replicas and candidates, too."""
    delete_volumes: bool = False
    """remove: delete named volumes too."""
    limit: int = 20
    """history: at most this many deployments."""
    textfile: Path | None = None
    """monitor: where to write the Prometheus metrics."""
    output: Path | None = None
    """docs: where to write the page; None prints it."""
    switch: str = ""
    """maintenance: on or off; canary: promote or abort."""
    page: Path | None = None
    """maintenance: the page; None is the built-in one."""
    argv: tuple[str, ...] = ()
    """run: the command and its arguments."""
    no_entrypoint: bool = False
    """run: bypass the image's entry point."""
    timeout_seconds: float = 3600.0
    """run: stop the command after this long."""
    github_record: bool = False
    """deploy, promote, rollback: keep the deployment in GitHub's own list of them."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The process environment, from which declared secrets are taken; never shown."""
    proof: str | None = None
    """A signed proof that a digest passed in the environment named by `after`."""
    proof_age_seconds: float = 168 * 3600.0
    """How old such a proof may be."""
    proof_file: Path | None = None
    """deploy, promote: where to write the proof of success."""

    def secret(self, name: str) -> Secret | None:
        """Return the value of a declared secret, or None when the environment lacks it.

        A reserved name never has a value here, wherever the name was taken from. On GitHub an
        empty text is a secret that is missing.
        """
        value = None if is_reserved(name) else self.environ.get(name)
        if value is None or (not value and arrives_empty(self.environ)):
            return None
        return Secret(value)
