"""run: a command in a one-off container of the live release, and its exit code."""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, READ_EXITS, Arguments, Command, option
from deploy_action.commands.live import require_live
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.inputs import Secret
from deploy_action.missing_secret import advise
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.replicas import of_release, task_spec
from deploy_action.platforms.docker.volumes import discard
from deploy_action.redaction import redact
from deploy_action.releases.secrets import available_secrets
from deploy_action.results.reports import TaskRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.engine.protocol import Engine
    from deploy_action.platforms.docker.observation import HostObservation
    from deploy_action.platforms.docker.replicas import Placement, Replica
    from deploy_action.releases.model import Release

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="run",
    summary="run a command in a one-off container of the live release",
    description=(
        "Starts a container with the image, environment, secrets, volumes and networks of the"
        " release that is live on the first host, shows its output, removes it, and ends with 0 or,"
        " if the command failed, 4. Secrets that are not set are those of the running replica."
        " Takes no lock. For regular tasks call it from a workflow with a `schedule`."
    ),
    examples=(
        ("deploy-action run -e production -- ./manage.py clearsessions", "a task"),
        (
            "deploy-action run -e production --no-entrypoint -- sh -c 'env | sort'",
            "where the image's ENTRYPOINT would take it as arguments",
        ),
    ),
    arguments=Arguments(
        field="argv",
        usage="-- COMMAND [ARGUMENT…]",
        help="the command to run, as a list; no shell reads it",
    ),
    options=(
        ENVIRONMENT,
        option(
            "--timeout", "1h", "stop it after this long", kind="duration", field="timeout_seconds"
        ),
        option("--no-entrypoint", "", "bypass the image's ENTRYPOINT"),
    ),
    exits=READ_EXITS,
)

_KEPT_LINES = 1000
_LONGEST_LINE = 64 * 1024


def run(inputs: Inputs, events: EventStream) -> TaskRun:
    """Run `inputs.argv` on the first host, beside whatever is deployed meanwhile.

    Raises:
        BadInput: nothing is live, or a secret is neither given nor known to the live release.
        DeploymentFailed: the container cannot be made or started.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        platform, clock = connection.platform, connection.clock
        seen = platform.observe()
        # What a host records itself: another one does not decide what runs on it.
        release = require_live(seen.ledger.of(platform.hosts[0]), target.name).release
        spec = task_spec(
            platform.placement,
            release,
            inputs.argv,
            name=os.urandom(4).hex(),
            secrets=_secrets(release, target, seen.hosts[0], platform.first, inputs),
            bare=inputs.no_entrypoint,
        )
        engine = platform.first
        _remove_ended_tasks(engine, platform.placement)
        started = clock.monotonic()
        container_id = engine.create(spec)
        try:
            listener = _Listener(events)
            with (
                closing(engine.output(container_id, stderr=False)) as stdout,
                closing(engine.output(container_id, stdout=False)) as stderr,
            ):
                engine.start(container_id)
                listener.follow(stdout, stderr, inputs.timeout_seconds)
            code = engine.wait(container_id, timeout_seconds=1.0)
        finally:
            left = discard(engine, container_id)
    late = f"timed out after {inputs.timeout_seconds:g} s: stopped"
    return TaskRun(
        service=target.service,
        environment=target.name,
        version=release.version,
        host=engine.host,
        argv=inputs.argv,
        code=code,
        duration_seconds=round(clock.monotonic() - started, 3),
        output=listener.lines,
        notes=(*([] if code is not None else [late]), *([] if left is None else [left])),
    )


def _secrets(
    release: Release, today: Environment, host: HostObservation, engine: Engine, inputs: Inputs
) -> Mapping[str, Secret]:
    """Return today's values where they are given, else those that the live replica runs with."""
    declared = [name for name in release.configuration.secrets if name in today.secrets]
    values = dict(available_secrets(release.configuration, today, inputs))
    replicas = of_release(host.replicas, release)
    for name in (name for name in declared if name not in values and replicas):
        known = _running(release, replicas[0], name, engine)
        if known is not None:
            values[name] = known
    missing = [name for name in declared if name not in values]
    if missing:
        advice = advise(missing[0], inputs.environ, environment=release.environment)
        raise BadInput(
            f"{release.environment}: these secrets are not set: {', '.join(missing)}",
            cause=advice.cause,
            remedy=advice.remedy,
            code=ErrorCode.SECRET_MISSING,
        )
    return values


def _running(release: Release, replica: Replica, name: str, engine: Engine) -> Secret | None:
    """Return the value that a replica was started with."""
    path = release.configuration.secret_files.get(name)
    if path is None:
        value = replica.container.env.get(name)
    else:
        content = engine.read_file(replica.container.id, path)
        value = None if content is None else content.decode("utf-8", "surrogateescape")
    return None if value is None else Secret(value)


def _remove_ended_tasks(engine: Engine, placement: Placement) -> None:
    """Remove what a killed run left behind, once it has ended."""
    for container in engine.containers(placement.selector("task")):
        if not container.running and container.status != "created":
            discard(engine, container.id)


class _Listener:
    """Passes the output on as it comes, each stream to its own, and keeps the last lines."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._guard = threading.Lock()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines of both streams together."""
        return tuple(self._lines)

    def follow(self, stdout: socket.socket, stderr: socket.socket, seconds: float) -> None:
        """Read to the end of the output, or until the time is up."""
        watch = threading.Timer(seconds, _shut, [stdout, stderr])
        watch.daemon = True
        watch.start()
        beside = threading.Thread(target=self._read, args=(stderr, True), daemon=True)
        beside.start()
        try:
            self._read(stdout, False)
            beside.join()
        finally:
            watch.cancel()

    def _read(self, stream: socket.socket, error: bool) -> None:
        with stream.makefile("rb") as reader:
            while content := reader.readline(_LONGEST_LINE):
                content = redact.bytes(content)
                with self._guard:
                    self._lines.append(content.decode(errors="replace").rstrip("\r\n"))
                self._events.output(content, error=error)


def _shut(*streams: socket.socket) -> None:
    for stream in streams:
        # It may have ended by itself just then.
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
