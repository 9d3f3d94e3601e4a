"""maintenance: have the edge answer with a page instead of the service, or open it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import (
    ACTOR,
    CHANGE_EXITS,
    ENVIRONMENT,
    LOCK_WAIT,
    REASON,
    Arguments,
    Command,
    option,
)
from deploy_action.commands.deploy import recovered
from deploy_action.commands.live import require_live
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput
from deploy_action.parallel import run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.maintenance import set_maintenance
from deploy_action.results.reports import Maintained

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="maintenance",
    summary="show visitors a page instead of the service, or the service again",
    description=(
        "The edge answers every request of the environment with 503, the page and"
        " `Retry-After: 60`; the containers keep running. Deployments and rollbacks leave it as it"
        " is. The ledger records who switched it."
    ),
    examples=(
        ("deploy-action maintenance on -e production --reason 'new disks'", "close"),
        ("deploy-action maintenance on -e production --page sorry.html", "your own page"),
        ("deploy-action maintenance off -e production", "open"),
    ),
    arguments=Arguments(
        field="switch",
        usage="on|off",
        help="close the environment, or open it",
        choices=("on", "off"),
    ),
    options=(
        ENVIRONMENT,
        option("--page", "FILE", "an HTML page of at most 12 KiB", kind="path"),
        REASON,
        ACTOR,
        LOCK_WAIT,
    ),
    exits=CHANGE_EXITS,
)

_LARGEST = 12 * 1024
"""HAProxy answers with what fits into one of its buffers of 16 KiB, headers included
(configuration manual, "http-request return")."""
_PAGE = b"""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Maintenance</title>
<style>body{font:1.2em/1.5 system-ui,sans-serif;max-width:30em;margin:20vh auto;padding:0 1em}</style>
<h1>Back in a moment</h1>
<p>This service is being maintained. Please try again in a few minutes.</p>
</html>
"""


def run(inputs: Inputs, events: EventStream) -> Maintained:
    """Close or open the environment on every host, under the lock.

    Raises:
        BadInput: the service has no HTTP traffic, nothing is live, or the page cannot be used.
        LockHeld: another user is deploying.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    on = inputs.switch == "on"
    page = _page(inputs) if on else b""
    if target.route is None or target.protocol == "tcp":
        raise BadInput(
            f"{target.name}: the edge can answer for HTTP services only",
            remedy="a worker is stopped with docker stop",
        )
    with (
        connect_platform(target, inputs, events) as connection,
        connection.platform.lock(connection.holder) as store,
    ):
        seen = recovered(connection, store)
        require_live(seen.ledger.entries, target.name)
        changed = any(
            run_parallel(lambda host: set_maintenance(host, page), list(store.hosts.values()))
        )
        if changed:
            note = _note(inputs, on)
            store.warn(note, seen)
            events.say(note)
    return _answer(target, on=on, changed=changed)


def _page(inputs: Inputs) -> bytes:
    if inputs.page is None:
        return _PAGE
    try:
        with inputs.page.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(f"{inputs.page}: {error.strerror}", remedy="--page FILE.html") from error
    if not content or len(content) > _LARGEST:
        size = "is empty" if not content else f"has more than {_LARGEST // 1024} KiB"
        raise BadInput(
            f"{inputs.page}: the page {size}",
            remedy="write a small page and load images from elsewhere",
        )
    return content


def _note(inputs: Inputs, on: bool) -> str:
    why = f": {inputs.reason}" if inputs.reason else ""
    return f"{inputs.actor or 'another user'} switched maintenance {'on' if on else 'off'}{why}"


def _answer(target: Environment, *, on: bool, changed: bool) -> Maintained:
    return Maintained(
        service=target.service,
        environment=target.name,
        url=target.url or "",
        on=on,
        changed=changed,
        notes=(f"open it again: deploy-action maintenance off -e {target.name}",) if on else (),
    )
