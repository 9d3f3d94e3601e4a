"""The lock of an environment on a host: a running container whose input the deployer holds open.

Creation by name is atomic. The container is the session through which everything is written, so
that a deployer that lost the lock can no longer write. It ends with its input (the deployer died)
or when the lease runs out (the deployer was stopped or cut off). An ended container is removed by
its id, never by its name, so that nobody removes a successor's lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy_action.clock import Clock
from deploy_action.errors import (
    BadInput,
    DeploymentFailed,
    ErrorCode,
    Interrupted,
    LockHeld,
    SessionLost,
)
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)
from deploy_action.platforms.protocol import Holder
from deploy_action.session.client import Session

__all__ = ["Lock", "acquire", "current", "holder_labels", "lock_name", "read_holder"]

_BEAT_SECONDS = 5.0
_POLL_SECONDS = 0.5
_FIRST_POLL_SECONDS = 0.1
_REMOVAL_POLL_SECONDS = 0.02
_UNSTARTED_SECONDS = 10.0
_RELEASE_SECONDS = 2.0
"""How long a released lock may still exist: two commands in a row must not block each other."""

_EDGE = "deploy-action.edge"
_ACTOR = "deploy-action.actor"
_DEPLOYMENT_ID = "deploy-action.deployment-id"
_SINCE = "deploy-action.since"
_RUN_URL = "deploy-action.run-url"


@dataclass(slots=True, kw_only=True)
class Lock:
    """A held lock and the session that it is."""

    container_id: str
    session: Session
    waited: bool = False
    """Another command held it before, since this one began."""
    _released: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Renew the lease from a thread."""
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._released.wait(_BEAT_SECONDS):
            self.session.beat()

    def release(self) -> None:
        """End the session; its container ends with its input, and the engine removes it."""
        self._released.set()
        self.session.close()


def lock_name(edge: str, service: str, environment: str) -> str:
    """Return the name of the lock's container: no name has an underscore of its own."""
    return f"{edge}_lock_{service}_{environment}"


def current(engine: Engine, name: str) -> Container | None:
    """Return the running container that is the lock, or None when nobody holds it."""
    container = engine.container(name)
    return container if container is not None and container.running else None


def holder_labels(holder: Holder) -> Mapping[str, str]:
    """Return the labels of the lock's container, which `read_holder` reads."""
    return {
        _ACTOR: holder.actor,
        _DEPLOYMENT_ID: holder.deployment,
        _SINCE: holder.since,
        _RUN_URL: holder.run_url,
    }


def read_holder(container: Container) -> Holder:
    """Read from a lock's labels who holds it."""
    labels = container.labels
    return Holder(
        actor=labels.get(_ACTOR, "another user"),
        deployment=labels.get(_DEPLOYMENT_ID, "?"),
        since=labels.get(_SINCE, "?"),
        run_url=labels.get(_RUN_URL, ""),
    )


def acquire(
    engine: Engine,
    spec: ContainerSpec,
    *,
    wait_seconds: float,
    clock: Clock,
    cancel: threading.Event | None = None,
    on_held: Callable[[Holder], None] = lambda _: None,
) -> Lock:
    """Acquire the lock; wait for at most `wait_seconds`, or 2 s if that is more, while it is held.

    Args:
        spec: the lock's container (platforms/docker/edge/host.py): name, image, volume and labels.
        cancel: set to stop waiting; a thread that waits receives no signal.
        on_held: told who holds it, each time that this is seen.

    Raises:
        LockHeld: another deployment holds it; the message names who.
        BadInput: this very deployment holds it: two hosts of deploy.yaml are one engine.
        Interrupted: it was cancelled.
    """
    started = clock.monotonic()
    deadline = started + max(wait_seconds, _RELEASE_SECONDS)
    unstarted: dict[str, float] = {}
    waited = False
    while True:
        try:
            return _create(engine, spec, waited=waited)
        except (NameTaken, SessionLost):
            waited = True
        if cancel is not None and cancel.is_set():
            raise Interrupted(f"{engine.host}: stopped while waiting for the lock")
        container = engine.container(spec.name)
        if container is None:
            continue
        _require_lock(engine, container)
        if not container.running and container.status != "created":
            # It has ended, and the engine is removing it or has failed to.
            engine.remove(container.id)
            clock.sleep(_REMOVAL_POLL_SECONDS)
            continue
        if container.status == "created":
            # Its deployer is between create and start, or dead after some seconds.
            first_seen = unstarted.setdefault(container.id, clock.monotonic())
            if clock.monotonic() - first_seen > _UNSTARTED_SECONDS:
                engine.remove(container.id)
                continue
        else:
            _require_another(engine, read_holder(container), spec)
            if clock.monotonic() >= deadline:
                raise LockHeld(
                    f"{engine.host}: locked by {read_holder(container)}",
                    remedy="wait for it (--lock-wait 10m), or, if its deployer is dead: "
                    "deploy-action unlock --force",
                )
        on_held(read_holder(container))
        releasing = clock.monotonic() - started < _RELEASE_SECONDS
        clock.sleep(_FIRST_POLL_SECONDS if releasing else _POLL_SECONDS)


def _require_another(engine: Engine, holder: Holder, spec: ContainerSpec) -> None:
    if holder.deployment == spec.labels.get(_DEPLOYMENT_ID):
        raise BadInput(
            f"{engine.host}: this is the Docker engine of another host in deploy.yaml too",
            remedy="name every host once",
        )


def _require_lock(engine: Engine, container: Container) -> None:
    if _EDGE not in container.labels:
        raise DeploymentFailed(
            f"{engine.host}: the name {container.name} is taken by a container that is not a lock",
            remedy=f"rename it: docker rename {container.name} NEW-NAME",
            code=ErrorCode.NAME_TAKEN,
        )


def _create(engine: Engine, spec: ContainerSpec, *, waited: bool) -> Lock:
    with contextlib.ExitStack() as undo:
        # By name and deployment: the response to `create` may be what was lost.
        undo.callback(_remove_own, engine, spec)
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
    lock = Lock(container_id=container_id, session=session, waited=waited)
    lock.keep()
    return lock


def _remove_own(engine: Engine, spec: ContainerSpec) -> None:
    with contextlib.suppress(DeploymentFailed):
        container = engine.container(spec.name)
        if container is not None and container.labels.get(_DEPLOYMENT_ID) == spec.labels.get(
            _DEPLOYMENT_ID
        ):
            engine.remove(container.id)
