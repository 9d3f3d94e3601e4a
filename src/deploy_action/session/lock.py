"""The lock of an environment on a host: a running container whose input the deployer holds open.

Creation by name is atomic. The container is the session through which everything is written, so
whoever lost the lock cannot write any more. It ends with its input (the deployer died) or when
the lease runs out (the deployer was stopped or cut off); an ended one is stale and is removed by
its id, never by name, so that nobody removes a successor's lock.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field

from deploy_action.clock import Clock
from deploy_action.errors import BadInput, DeploymentFailed, Interrupted, LockHeld
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)
from deploy_action.session.client import Session, SessionLost

__all__ = ["Holder", "Lock", "acquire", "current", "lock_name", "read_holder"]

_BEAT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_ENDED_POLL_SECONDS = 0.02
_EARLY_POLL_SECONDS = 0.1
_UNSTARTED_SECONDS = 10.0
_ENDING_SECONDS = 2.0
"""How long a lock may outlive the command that let it go: one command right after the other must
not find the first one's lock. A deployer that was killed needs no more either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock: for people to read."""

    actor: str
    deployment: str
    since: str
    run_url: str = ""

    def __str__(self) -> str:
        run = f", {self.run_url}" if self.run_url else ""
        return f"{self.actor} since {self.since} (deployment {self.deployment}{run})"


@dataclass(slots=True, kw_only=True)
class Lock:
    """A held lock; `talk` is the session that it is."""

    engine: Engine
    container_id: str
    session: Session
    _end: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Send the lease's beats from a thread of its own."""
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._end.wait(_BEAT_SECONDS):
            self.session.beat()

    def release(self) -> None:
        """End the session: its container ends with its input, and the engine removes it."""
        self._end.set()
        self.session.close()


def lock_name(edge: str, service: str, environment: str) -> str:
    """Name the lock's container."""
    return f"{edge}-lock-{service}-{environment}"


def current(engine: Engine, name: str) -> Container | None:
    """Return the running container that is the lock, or None when nobody holds it."""
    found = engine.container(name)
    return found if found is not None and found.running else None


def read_holder(container: Container) -> Holder:
    """Read who holds a lock from its labels."""
    labels = container.labels
    return Holder(
        actor=labels.get("deploy-action.actor", "somebody"),
        deployment=labels.get("deploy-action.deployment-id", "?"),
        since=labels.get("deploy-action.since", "?"),
        run_url=labels.get("deploy-action.run", ""),
    )


def acquire(
    engine: Engine,
    spec: ContainerSpec,
    *,
    wait_seconds: float,
    clock: Clock,
    cancel: threading.Event | None = None,
) -> Lock:
    """Take the lock, waiting for at most `wait_seconds`, and a moment, while somebody holds it.

    Args:
        spec: the lock's container (platforms/docker/edge/host.py makes it): name, image, volume and labels.
        cancel: set when nobody wants it any more; who waits in a thread hears no signal.

    Raises:
        LockHeld: somebody holds it; the message names who.
        BadInput: this very deployment holds it: two names lead to one engine.
        Interrupted: it was cancelled.
    """
    begun = clock.monotonic()
    deadline = begun + max(wait_seconds, _ENDING_SECONDS)
    unstarted: dict[str, float] = {}
    while True:
        try:
            return _take(engine, spec)
        except (NameTaken, SessionLost):
            pass
        if cancel is not None and cancel.is_set():
            raise Interrupted(f"{engine.host}: stopped while waiting for the lock")
        found = engine.container(spec.name)
        if found is None:
            continue
        _require_ours(engine, found)
        if not found.running and found.status != "created":
            # It has ended; the engine is removing it, or failed to.
            engine.remove(found.id)
            clock.sleep(_ENDED_POLL_SECONDS)
            continue
        if found.status == "created":
            # Between create and start its owner may be alive; much later it cannot be.
            first = unstarted.setdefault(found.id, clock.monotonic())
            if clock.monotonic() - first > _UNSTARTED_SECONDS:
                engine.remove(found.id)
                continue
        elif read_holder(found).deployment == spec.labels.get("deploy-action.deployment-id"):
            raise BadInput(
                f"{engine.host}: this is the Docker engine of another host in deploy.yaml too",
                remedy="name every host once",
            )
        elif clock.monotonic() >= deadline:
            raise LockHeld(
                f"{engine.host}: locked by {read_holder(found)}",
                remedy="wait (--lock-wait 10m), or, when you are sure that it is dead: "
                "deploy-action unlock --force",
            )
        early = clock.monotonic() - begun < _ENDING_SECONDS
        clock.sleep(_EARLY_POLL_SECONDS if early else _POLL_SECONDS)


def _require_ours(engine: Engine, found: Container) -> None:
    if "deploy-action.edge" not in found.labels:
        raise DeploymentFailed(
            f"{engine.host}: the name {found.name} is taken by a container that is not ours",
            remedy=f"rename it: docker rename {found.name} NEW-NAME",
        )


def _take(engine: Engine, spec: ContainerSpec) -> Lock:
    with contextlib.ExitStack() as undo:
        # By name, and only if it is ours: the answer to `create` may be what was lost.
        undo.callback(_forget, engine, spec)
        try:
            container_id = engine.create(spec)
        except NameTaken:
            undo.pop_all()
            raise
        stream = undo.enter_context(contextlib.closing(engine.attach(container_id)))
        engine.start(container_id)
        session = undo.enter_context(contextlib.closing(Session(engine.host, stream)))
        session.ping()
        undo.pop_all()
    lock = Lock(engine=engine, container_id=container_id, session=session)
    lock.keep()
    return lock


def _forget(engine: Engine, spec: ContainerSpec) -> None:
    ours = "deploy-action.deployment-id"
    with contextlib.suppress(DeploymentFailed):
        found = engine.container(spec.name)
        if found is not None and found.labels.get(ours) == spec.labels.get(ours):
            engine.remove(found.id)
