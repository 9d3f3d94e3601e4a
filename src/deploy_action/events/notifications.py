"""The observer that sends the notifications of deploy.yaml."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.config import load
from deploy_action.errors import DeployActionError
from deploy_action.events.model import CommandFinished, CommandStarted, DeploymentStarted
from deploy_action.notifications.place import Place
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.clock import Clock
    from deploy_action.config.model import NotificationTarget
    from deploy_action.events.model import Event
    from deploy_action.inputs import Inputs
    from deploy_action.notifications.message import Notification
    from deploy_action.releases.model import Deployment

__all__ = ["COMMANDS", "Notifier"]

COMMANDS = ("deploy", "promote", "rollback", "remove", "drift", "monitor")
"""The commands that notify."""
_SECONDS = 4.0
"""Less than what the end of a command waits for its observers."""


class Notifier:
    """Sends what happened to the targets of the environment.

    deploy.yaml is read when there is something to say: a command that says nothing pays nothing.
    """

    name = "the notifications"

    def __init__(self, inputs: Inputs, clock: Clock | None = None) -> None:
        self._inputs = inputs
        self._clock = clock or SystemClock()
        self._command = ""
        self._deployment: Deployment | None = None
        self._run = uuid.uuid4().hex
        self._notes: list[Note] = []

    def notify(self, event: Event) -> None:
        """Send what begins or ended."""
        match event:
            case CommandStarted():
                self._command = event.command
            case DeploymentStarted() if self._command in COMMANDS:
                self._deployment = event.deployment
                release = event.deployment.release
                if targets := self._targets(release.environment)[1]:
                    from deploy_action.notifications.message import started

                    self._send(targets, started(event.deployment))
            case CommandFinished() if self._command in COMMANDS:
                named = "" if event.report is None else getattr(event.report, "environment", "")
                place, targets = self._targets(named or self._inputs.environment or "")
                if targets:
                    from deploy_action.notifications.message import finished

                    message = finished(event.report, place, run_url=self._inputs.run_url)
                    if message is not None:
                        self._send(targets, message)
            case _:
                pass

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:  # noqa: ARG002
        """Return which notifications did not arrive."""
        return tuple(self._notes)

    def _send(self, targets: Sequence[NotificationTarget], message: Notification) -> None:
        from deploy_action.notifications.send import send

        wanted = [target for target in targets if message.event in target.events]
        run = self._run if self._deployment is None else self._deployment.id
        failures = send(
            wanted,
            message,
            self._inputs,
            id=f"{run}-{message.event}",
            clock=self._clock,
            seconds=_SECONDS,
        )
        for target, why in zip(wanted, failures, strict=True):
            if why:
                text = f"nobody was told by {target.kind} ({message.event}): {why}"
                self._notes.append(Note(NoteCode.NOTIFICATION_NOT_SENT, text))

    def _targets(self, environment: str) -> tuple[Place, Sequence[NotificationTarget]]:
        """Return whom an environment tells; without a name the only environment there is."""
        nowhere = Place(service="", environment=environment)
        try:
            # Whoever names nobody waits for no second look at the file.
            if b"notifications" not in self._inputs.config.read_bytes():
                return nowhere, ()
            config = load(self._inputs.config)
        except (OSError, DeployActionError):
            # The command says what is wrong with the file.
            return nowhere, ()
        names = list(config.environments)
        name = environment or (names[0] if len(names) == 1 else "")
        place = Place(service=config.service, environment=name)
        return place, config.notifications.get(name, ())
