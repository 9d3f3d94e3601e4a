"""The observer that sends the notifications of deploy.yaml."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.config import load
from deploy_action.errors import DeployActionError
from deploy_action.events.model import CommandFinished, CommandStarted, DeploymentStarted
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
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
                if self._names_targets():
                    from deploy_action.notifications.message import started

                    self._send(started(event.deployment), event.deployment.release.environment)
            case CommandFinished() if self._command in COMMANDS and self._names_targets():
                from deploy_action.notifications.message import finished

                message = finished(event.report, run_url=self._inputs.run_url)
                if message is not None:
                    self._send(message, str(message.data.get("environment", "")))
            case _:
                pass

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:  # noqa: ARG002
        """Return which notifications did not arrive."""
        return tuple(self._notes)

    def _send(self, message: Notification, environment: str) -> None:
        from deploy_action.notifications.send import send

        targets = [each for each in self._targets(environment) if message.event in each.events]
        run = self._run if self._deployment is None else self._deployment.id
        failures = send(
            targets,
            message,
            self._inputs,
            id=f"{run}-{message.event}",
            clock=self._clock,
            seconds=_SECONDS,
        )
        for target, why in zip(targets, failures, strict=True):
            if why:
                text = f"nobody was told by {target.kind} ({message.event}): {why}"
                self._notes.append(Note(NoteCode.NOTIFICATION_NOT_SENT, text))

    def _names_targets(self) -> bool:
        """Tell whether deploy.yaml may name any; whoever has none imports and waits for nothing."""
        try:
            return b"notifications" in self._inputs.config.read_bytes()
        except OSError:
            return False

    def _targets(self, environment: str) -> tuple[NotificationTarget, ...]:
        try:
            config = load(self._inputs.config)
        except DeployActionError:
            # The command says what is wrong with the file.
            return ()
        names = list(config.environments)
        name = environment or self._inputs.environment or (names[0] if len(names) == 1 else "")
        return config.notifications.get(name, ())
