"""logs: what the replicas of an environment print."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, READ_EXITS, Command, option
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, DeployActionError, ErrorCode, Interrupted
from deploy_action.parallel import Cancel, run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.redaction import redact
from deploy_action.releases.ledger import current_deployment
from deploy_action.results.reports import Logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.platforms.docker.platform import DockerPlatform
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="logs",
    summary="show what the replicas print",
    description=(
        "Shows the logs of every replica of the live release, on all hosts. With several replicas"
        " each line begins with the one that it comes from. `--all` also shows the replicas that are"
        " kept and those of a deployment that is running. `--follow` ends with the replicas that serve"
        " now: after a deployment, start it again."
    ),
    examples=(
        ("deploy-action logs -e production --tail 100", "the last hundred lines of each"),
        ("deploy-action logs -e production --follow", "and whatever comes"),
        ("deploy-action logs -e production --since 10m", "only of the last ten minutes"),
    ),
    options=(
        ENVIRONMENT,
        option("-f --follow", "", "wait for more until Ctrl-C"),
        option("--tail", "N", "only the last lines of each replica", kind="count"),
        option("--since", "10m", "only of this last time", kind="duration", field="since_seconds"),
        option("--all", "", "also kept replicas, and candidates", field="everything"),
    ),
    exits=READ_EXITS,
)

_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    host: str
    replica: Replica


def run(inputs: Inputs, events: EventStream) -> Logs:
    """Print the logs; a line is never divided between two replicas.

    Raises:
        BadInput: nothing was deployed there.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events, partial=True) as connection:
        platform = connection.platform
        sources = _sources(platform.observe(), everything=inputs.everything)
        if not sources:
            raise BadInput(
                f"{target.name}: there is no replica of {target.service}",
                remedy=f"deploy-action status -e {target.name}",
                code=ErrorCode.NOTHING_DEPLOYED,
            )
        since = None
        if inputs.since_seconds is not None:
            since = connection.clock.now().timestamp() - inputs.since_seconds
        printer = _Printer(events, prefixed=len(sources) > 1, several=len(platform.hosts) > 1)
        cancel, notes = Cancel(), list[str]()
        threading.Thread(target=printer.stop_with, args=(cancel,), daemon=True).start()
        try:
            notes = run_parallel(
                lambda source: _read(platform, source, inputs, since, printer),
                sources,
                cancel=cancel,
            )
        except Interrupted:
            # Ctrl-C is how following ends.
            if not inputs.follow:
                raise
    return Logs(
        service=target.service,
        environment=target.name,
        replicas=tuple(source.replica.name for source in sources),
        notes=(*(note for note in notes if note), *platform.unreachable.values()),
    )


def _sources(seen: DockerObservation, *, everything: bool) -> Sequence[_Source]:
    """Return the live release's replicas; where nothing is live, all there are."""
    found = []
    for host in seen.hosts:
        current = current_deployment(seen.ledger.of(host.host))
        for replica in host.replicas:
            live = current is None or replica.release == current.release.id
            if live or everything:
                found.append(_Source(host=host.host, replica=replica))
    return found


class _Printer:
    """Publishes whole lines, each after the name of its replica where there are several."""

    def __init__(self, events: EventStream, *, prefixed: bool, several: bool) -> None:
        self._events, self._prefixed, self._several = events, prefixed, several
        self._guard = threading.Lock()
        self._streams: list[socket.socket] = []

    def watch(self, stream: socket.socket) -> None:
        """Have a stream end when the command is interrupted."""
        with self._guard:
            self._streams.append(stream)

    def stop_with(self, cancel: Cancel) -> None:
        """Wait for an interruption, and end every stream."""
        cancel.event.wait()
        with self._guard:
            for stream in self._streams:
                with suppress(OSError):
                    stream.shutdown(socket.SHUT_RDWR)

    def line(self, source: _Source, content: bytes) -> None:
        where = f"{source.host} " if self._several else ""
        prefix = f"{where}{source.replica.name} | ".encode() if self._prefixed else b""
        with self._guard:
            self._events.output(prefix + redact.bytes(content.rstrip(b"\r\n")) + b"\n")


def _read(
    platform: DockerPlatform,
    source: _Source,
    inputs: Inputs,
    since: float | None,
    printer: _Printer,
) -> str:
    """Print one replica's log to its end; return why that was not possible."""
    engine = platform.engines[source.host]
    try:
        with (
            closing(
                engine.follow_log(
                    source.replica.container.id,
                    tail=inputs.tail,
                    since=since,
                    follow=inputs.follow and source.replica.container.running,
                )
            ) as stream,
            stream.makefile("rb") as reader,
        ):
            printer.watch(stream)
            while content := reader.readline(_LONGEST_LINE):
                printer.line(source, content)
    except DeployActionError as error:
        return f"{source.host}: the log of {source.replica.name} cannot be read: {error.what}"
    return ""
