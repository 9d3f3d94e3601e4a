"""What a deployment needs of the machine that runs containers: the Engine protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from deploy_action.errors import DeploymentFailed, ErrorCode

if TYPE_CHECKING:
    from deploy_action.inputs import Secret

__all__ = [
    "Container",
    "ContainerSpec",
    "Containers",
    "Engine",
    "EngineInfo",
    "Execution",
    "Image",
    "ImageMissing",
    "Images",
    "Interaction",
    "NameTaken",
    "NetworkSpec",
    "Networks",
    "Streams",
]


class NameTaken(DeploymentFailed):
    """A container of that name exists already: creation by name is atomic."""

    default_code = ErrorCode.NAME_TAKEN

    def __init__(self, host: str, name: str) -> None:
        super().__init__(
            f"{host}: the container name {name} is taken",
            remedy=f"rename that container: docker rename {name} NEW-NAME",
        )


class ImageMissing(DeploymentFailed):
    """A container cannot be created because the engine lacks its image."""

    default_code = ErrorCode.IMAGE_NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """Facts of one engine. `architecture` in Docker's words ("amd64")."""

    host: str
    version: str
    architecture: str
    identity: str
    """The engine's own identifier: two names of one engine are found out by it."""
    cpus: int = 0
    """0 is unknown."""
    data_root: str = ""
    log_drivers: frozenset[str] = frozenset()
    gpus: bool = False
    """It has a runtime that brings GPUs into containers."""
    user_namespaces: bool = False
    """userns-remap: root in a container is another user on the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that the engine has: `id` of its configuration, `digests` as repo@sha256:…, `tags`
    as repo:tag."""

    id: str
    digests: tuple[str, ...]
    tags: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    """Paths of the VOLUMEs that it declares."""
    ports: tuple[int, ...] = ()
    """TCP ports that it exposes."""
    user: str = ""
    """USER, as its Dockerfile has it; empty is root."""
    architecture: str
    healthcheck: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What the engine says of one container; addresses by network name."""

    id: str
    name: str
    image_id: str
    labels: Mapping[str, str]
    status: Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
    exit_code: int = 0
    out_of_memory: bool = False
    error: str = ""
    health: Literal["none", "starting", "healthy", "unhealthy"] = "none"
    health_log: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    restart: str = "no"
    restarts: int = 0
    """How often the engine restarted it by itself since somebody last started it."""
    started_at: str = ""
    memory_bytes: int = 0
    cpus: float = 0
    pids: int = 0
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    anonymous_volumes: Mapping[str, str] = field(default_factory=dict)
    """Path → name, of the volumes that nobody named."""
    host_config: Mapping[str, object] = field(default_factory=dict, repr=False)
    """All of the engine's HostConfig, as it came."""

    @property
    def running(self) -> bool:
        """True while its main process lives."""
        return self.status in ("running", "paused")

    @classmethod
    def of(cls, spec: ContainerSpec, container_id: str) -> Container:
        """Return what is known of a container that was just created, without asking."""
        return cls(
            id=container_id,
            name=spec.name,
            image_id="",
            labels=spec.labels,
            status="created",
            addresses={network.name: network.address or "" for network in spec.networks},
            restart=spec.restart,
            env=spec.env,
            host_config=spec.host_config,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Where a container is attached: a network's name and, on ours, its fixed address.

    `aliases` are more names that it answers to there, on the first of its networks.
    """

    name: str
    address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """All that is needed to create a container. `env` may hold secrets: never shown.

    An entry of `binds` without a source is an anonymous volume.
    """

    name: str
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    networks: tuple[NetworkSpec, ...] = ()
    network_mode: str | None = None
    """``host``, ``none`` or ``container:ID``; None is that of `networks`."""
    publish: Mapping[int, int] = field(default_factory=dict)
    publish_at: tuple[str, ...] = ()
    """Addresses of the host; all of them if empty."""
    binds: tuple[str, ...] = ()
    restart: Literal["no", "unless-stopped"] = "no"
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    user: str | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    """``/path`` or ``/path:options``, as `docker run --tmpfs` takes them."""
    files: Mapping[str, Secret] = field(default_factory=dict)
    """Path → content, of files that only the container's user can read. In a read-only root, or
    below a tmpfs, their directory has to be an anonymous volume of `binds`."""
    readable_files: Mapping[str, str] = field(default_factory=dict)
    """Path → text, of files that every user may read."""
    host_config: Mapping[str, object] = field(default_factory=dict)
    """More of the engine's HostConfig."""
    stop_signal: str | None = None
    stdin: bool = False
    remove_at_end: bool = False
    """The engine removes the container by itself when it ends."""
    log_limit: bool = False
    """Bound the log of containers that are ours (edge, lock)."""
    open_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a command in a container, or a one-off container, ended."""

    exit_code: int
    output: str


class Images(Protocol):
    """An engine's images, and the registries that it reaches."""

    def image(self, reference: str) -> Image | None:
        """Look an image up by reference, digest reference or id."""

    def image_names(self) -> frozenset[str]:
        """Return the tags of all images, as repo:tag."""

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry for a reference's digest and the architectures that it has."""

    def pull(
        self,
        reference: str,
        credentials: tuple[str, str] | None,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _progress: None,
    ) -> None:
        """Pull an image; `credentials` are (user name, password); `check` is called during the pull
        and may raise to end it, `tell` with how far it is."""

    def build_image(self, tag: str, directory: str) -> None:
        """Provide an image that a local directory describes, unless the engine has it."""

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Name an image, by its id or reference, so that pruning by other users leaves it."""

    def remove_image(self, reference: str) -> None:
        """Remove a name of an image, and the image with its last name; one that is absent, or the
        last one of an image that a container uses, is left alone."""


class Containers(Protocol):
    """An engine's containers."""

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List containers, stopped ones too, that have all labels (empty value: any value)."""

    def container(self, id_or_name: str) -> Container | None:
        """Look one container up."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container, its files and the volumes that it names, and return its id; raises
        NameTaken and ImageMissing. After another error nothing is left of it."""

    def start(self, container_id: str) -> None:
        """Start it; a running one is left alone."""

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Stop it: the signal, then SIGKILL after the timeout; a stopped one is left alone."""

    def stop_async(self, container_id: str, *, timeout_seconds: float) -> None:
        """Stop it as `stop` does, by its own signal, without waiting for the end where the engine
        completes the stop by itself."""

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Send a signal; an ended container is fine."""

    def remove(self, container_id: str, *, volumes: bool = False) -> None:
        """Remove it, running or not; an absent one is fine. With `volumes` its anonymous volumes
        go, and the data in them."""

    def rename(self, container_id: str, name: str) -> None:
        """Rename it; one that has the name already is fine. Raises NameTaken."""

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        """Change what happens when it ends or the engine starts."""

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        """Wait for its end and return the exit code; None when the time is up."""

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        """Return the last lines of both streams."""

    def read_file(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, running or not; None where there is none, or no container,
        or it has more than a megabyte."""

    def log_ends(self, container_id: str) -> str:
        """Return the beginning and the end of both streams, some 100 KiB in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A command in a container that somebody talks to.

    Attributes:
        stream: its input, and its output: plain with a terminal, else in frames.
    """

    id: str
    stream: socket.socket


class Streams(Protocol):
    """Commands in an engine's containers, and what they read and write."""

    def interact(self, container_id: str, argv: Sequence[str], *, terminal: bool) -> Interaction:
        """Run a command in a running container, with a terminal or without one."""

    def resize(self, interaction: Interaction, rows: int, columns: int) -> None:
        """Tell the command's terminal its size."""

    def exit_code(self, interaction: Interaction) -> int:
        """Return the exit code of a command that has ended."""

    def follow_log(
        self, container_id: str, *, tail: int | None, since: float | None, follow: bool
    ) -> socket.socket:
        """Return a socket that reads the log of both streams.

        Args:
            tail: this many of the last lines; None is all.
            since: Unix time from which on.
            follow: wait for more until the container ends.
        """

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        """Run a command in a running container."""

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        """Run a command in a running container and return a socket that is its standard input
        and output."""

    def attach(self, container_id: str) -> socket.socket:
        """Return a socket that is the standard input and output of a created container."""

    def output(
        self, container_id: str, *, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        """Return a socket that reads the output of a created container: both streams, or one."""


class Networks(Protocol):
    """An engine's networks and volumes."""

    def networks(self, labels: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return the subnet of every network by name, or of those that have all labels."""

    def addresses(self, network: str) -> frozenset[str]:
        """Return the addresses of all containers on a network, stopped ones too."""

    def network_names(self, network: str) -> Mapping[str, frozenset[str]]:
        """Return the names of each container on a network, stopped ones too, by its own name."""

    def create_network(
        self, name: str, *, subnet: str, dynamic_range: str, labels: Mapping[str, str]
    ) -> bool:
        """Create a bridge network; False when the subnet or the name is taken."""

    def connect_network(self, name: str, container_id: str) -> None:
        """Connect a container, running or not, to a network; one that is on it is fine."""

    def disconnect_network(self, name: str, container_id: str) -> None:
        """Take a container off a network; one that is not on it is fine."""

    def remove_network(self, name: str) -> None:
        """Remove a network; one that is absent or in use is fine."""

    def has_volume(self, name: str) -> bool:
        """Tell whether there is a volume of this name."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume; an absent one is fine."""


class Engine(Images, Containers, Streams, Networks, Protocol):
    """One host's engine. Every call raises HostUnreachable when the host does not answer, and
    DeploymentFailed, with an ErrorCode and the engine's own message, when the engine refuses."""

    host: str

    def info(self) -> EngineInfo:
        """Return what the engine says of itself."""

    def close(self) -> None:
        """Close all connections."""
