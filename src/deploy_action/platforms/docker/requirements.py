"""What a start needs of its host, beside the image: networks, users, limits, devices, engine.

`host_facts` asks, and `unmet` compares: the rows are doctor's, and a plan refuses what is missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy_action.config.host_access import canonical_path
from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.replicas import Placement
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.reports import Check, CheckState

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.engine import Engine
    from deploy_action.platforms.docker.engine.protocol import Container, EngineInfo

__all__ = ["HostFacts", "host_facts", "require_met", "unmet"]

_SECONDS = 10.0
_NAMESPACES = "user namespaces"
_OPEN_FILES = ("cat", "/proc/sys/fs/nr_open")
_DEVICES = ("sh", "-c", "grep -hs ^DEVNAME= /sys/class/*/*/uevent")
"""Devices of the host's kernel: https://docs.kernel.org/admin-guide/sysfs-rules.html"""
_LINKED = ("by-", "disk/", "mapper/", "serial/", "stdin", "stdout", "stderr", "fd", "shm")
"""Below /dev, but no name of the kernel's."""
_REMAPPED = re.compile(r"/(\d+)\.(\d+)$")
"""The end of an engine's data root with user namespaces: the user and group that root becomes.
https://docs.docker.com/engine/security/userns-remap/"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host said; None is unknown.

    Attributes:
        networks: their names.
        devices: names below /dev.
        open_files: the kernel's highest limit of a process.
        users: names in the image's /etc/passwd.
    """

    info: EngineInfo
    networks: frozenset[str] | None = None
    devices: frozenset[str] | None = None
    open_files: int | None = None
    users: frozenset[str] | None = None


def host_facts(engine: Engine, environment: Environment, image_id: str = "") -> HostFacts | None:
    """Ask a host for what an environment's containers need there; None if they need nothing.

    Args:
        image_id: the release's image; empty takes the one that runs.
    """
    options = environment.options
    named = _user(environment) != "" and not _user(environment).isdigit()
    asked = (
        *(environment.networks, environment.volumes, environment.resources.cpus),
        *(options.devices, options.gpus, options.logging, "nofile" in options.ulimits, named),
    )
    if not any(asked):
        return None
    edge = engine.container(environment.edge.name) if options.devices or options.ulimits else None
    limit = _ask(engine, edge, _OPEN_FILES) if "nofile" in options.ulimits else ""
    devices = _ask(engine, edge, _DEVICES) if options.devices else ""
    return HostFacts(
        info=engine.info(),
        networks=frozenset(engine.networks()) if environment.networks else None,
        devices=frozenset(re.findall(r"^DEVNAME=(\S+)$", devices, re.MULTILINE)) or None,
        open_files=int(limit) if limit.strip().isdigit() else None,
        users=_users(engine, environment, image_id) if named else None,
    )


def _ask(engine: Engine, edge: Container | None, argv: tuple[str, ...]) -> str:
    """Read something of the host's kernel in the edge; empty where no edge runs."""
    if edge is None or not edge.running or "deploy-action.edge" not in edge.labels:
        return ""
    with contextlib.suppress(DeploymentFailed):
        return engine.execute(edge.id, argv, timeout_seconds=_SECONDS).output
    return ""


def _users(engine: Engine, environment: Environment, image_id: str) -> frozenset[str] | None:
    """Read the users of an image from a container that has it: an image alone cannot be read."""
    with contextlib.suppress(DeploymentFailed):
        for container in engine.containers(Placement.of(environment).selector()):
            if image_id in ("", container.image_id):
                content = engine.read_file(container.id, "/etc/passwd")
                lines = (content or b"").decode(errors="replace").splitlines()
                return frozenset(line.partition(":")[0] for line in lines) or None
    return None


def unmet(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    """Yield what a host lacks for an environment's containers: certainly missing, or a warning."""
    for rule in (_networks, _image_user, _engine, _kernel, _engine_data, _user_namespaces):
        for check in rule(host, environment, facts):
            yield dataclasses.replace(check, host=host)


def _networks(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    for network in environment.networks:
        if facts.networks is not None and network not in facts.networks:
            remedy = f"{_docker(host)} network create {network}"
            yield _missing("networks", f"there is no network {network}", remedy)


def _image_user(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    user = _user(environment)
    if facts.users is not None and user not in facts.users and not user.isdigit():
        image = environment.image or environment.service
        yield _missing(
            "user",
            f"the image that runs has no user {user} in its /etc/passwd",
            f'user: "1000:1000" in deploy.yaml, or one of: {_docker(host)} run --rm --entrypoint '
            f"cat {image} /etc/passwd",
        )


def _engine(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    options, info, cpus = environment.options, facts.info, environment.resources.cpus
    if cpus is not None and info.cpus and cpus > info.cpus:
        yield _missing(
            "cpus",
            f"resources.cpus is {cpus:g}, and the host has {info.cpus}",
            f"resources: {{cpus: {info.cpus}}} in deploy.yaml",
        )
    driver = options.logging.driver if options.logging is not None else "engine"
    if driver != "engine" and info.log_drivers and driver not in info.log_drivers:
        yield _missing(
            "logging",
            f"the engine has no log driver {driver}; it has {', '.join(sorted(info.log_drivers))}",
            "logging: {driver: json-file} in deploy.yaml",
        )
    if options.gpus is not None and not info.gpus:
        shell = _shell(host)
        yield _doubtful(
            "gpus",
            "the engine has no runtime for GPUs",
            f"{shell}nvidia-ctk runtime configure --runtime=docker && "
            f"{shell}systemctl restart docker",
        )


def _kernel(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    limit, shell = environment.options.ulimits.get("nofile"), _shell(host)
    if limit is not None and facts.open_files is not None and limit.hard > facts.open_files:
        yield _missing(
            "nofile",
            f"ulimits.nofile is {limit.hard}, and the host allows {facts.open_files} at most",
            f"{shell}sysctl -w fs.nr_open={limit.hard}",
        )
    for device in environment.options.devices:
        path = canonical_path(device.partition(":")[0])
        if facts.devices is not None and not _has_device(facts.devices, path):
            yield _doubtful("devices", f"the host's kernel knows no {path}", f"{shell}ls -l {path}")


def _engine_data(_host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    """Lint knows where engines usually keep their data; this engine says where it does."""
    allowed = {canonical_path(path) for path in environment.allow_host_access}
    root = facts.info.data_root
    for source in (volume.source for volume in environment.volumes):
        path = canonical_path(source)
        if not root or not source.startswith("/") or path in allowed:
            continue
        mounted, data = f"{path}/", f"{canonical_path(root)}/"
        if mounted.startswith(data) or data.startswith(mounted):
            yield _missing(
                "volumes",
                f"{source} reaches the engine's own data in {root}",
                f"another path, or, where this is meant: allow_host_access: [{path}]",
            )


def require_met(checks: Iterable[Check]) -> Iterator[Note]:
    """Yield a note for each warning.

    Raises:
        BadInput: something is missing; nothing was changed yet.
    """
    checks = tuple(checks)
    missing = [check for check in checks if check.state is CheckState.MISSING]
    if missing:
        first, *others = missing
        more = [f"{check.host}: {check.detail}" for check in others]
        raise BadInput(
            f"{first.host}: {first.subject}: {first.detail}",
            cause="; ".join(["without it no container starts", *more]),
            remedy=first.remedy,
            code=ErrorCode.HOST_NOT_READY,
        )
    for check in checks:
        text = f"{check.host}: {check.subject}: {check.detail} ({check.remedy})"
        yield Note(NoteCode.HOST_DOUBTFUL, text)


def _user_namespaces(host: str, environment: Environment, facts: HostFacts) -> Iterator[Check]:
    """Say what user namespaces change: root in a container is another user on the host."""
    if not facts.info.user_namespaces:
        return
    if environment.edge.network == "host":
        yield _missing(
            _NAMESPACES,
            "the engine runs with userns-remap, where no container may use the host's network, and "
            "edge.network is host",
            "edge: {network: bridge} in deploy.yaml",
        )
    owner, shell = _owner(environment, facts.info.data_root), _shell(host)
    for volume in environment.volumes:
        if volume.source.startswith("/") and not volume.read_only:
            yield _doubtful(
                _NAMESPACES,
                f"{volume.source} has to belong to {owner}, whom the container's user is on this "
                "host",
                f"{shell}chown -R {owner} {volume.source}",
            )
    for device in environment.options.devices:
        path = device.partition(":")[0]
        detail = f"{path} is root's, and no container is root on this host"
        yield _doubtful(_NAMESPACES, detail, f"{shell}ls -l {path}")


def _owner(environment: Environment, data_root: str) -> str:
    """Return whom a container's user is on a host with user namespaces."""
    root = _REMAPPED.search(data_root)
    own = re.fullmatch(r"(\d+)(?::(\d+))?", environment.user or "0")
    if root is None or own is None:
        return "USER:GROUP"
    return f"{int(root[1]) + int(own[1])}:{int(root[2]) + int(own[2] or 0)}"


def _missing(subject: str, detail: str, remedy: str) -> Check:
    return Check(subject=subject, state=CheckState.MISSING, detail=detail, remedy=remedy)


def _doubtful(subject: str, detail: str, remedy: str) -> Check:
    return Check(subject=subject, state=CheckState.WARNING, detail=detail, remedy=remedy)


def _user(environment: Environment) -> str:
    return (environment.user or "").partition(":")[0]


def _has_device(devices: frozenset[str], path: str) -> bool:
    name = path.removeprefix("/dev/")
    if not path.startswith("/dev/") or name.startswith(_LINKED) or "/by-" in name:
        return True
    return name in devices or any(device.startswith(f"{name}/") for device in devices)


def _docker(host: str) -> str:
    """Return how an engine is called by hand."""
    if host == "local":
        return "docker"
    return f"docker --host {host}" + (" --tlsverify" if host.startswith("tcp://") else "")


def _shell(host: str) -> str:
    """Return what goes before a command that a host's root types; nothing where ssh is not known."""
    url = urlsplit(host)
    if url.scheme != "ssh":
        return "sudo "
    port = f"-p {url.port} " if url.port else ""
    return f"ssh {port}{url.netloc.rpartition('@')[0]}{'@' if url.username else ''}{url.hostname} sudo "
