"""Sends notifications: bounded, to the named address alone, and tried again while that may help."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy_action.notifications.forms import FORMS, signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy_action.clock import Clock
    from deploy_action.config.model import NotificationTarget
    from deploy_action.inputs import Inputs, Secret
    from deploy_action.notifications.message import Notification

__all__ = ["send"]

_FIRST_PAUSE_SECONDS = 0.25
_AT_ONCE = 8
_HERE = ("localhost", "127.0.0.1", "::1")
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


def send(
    targets: Sequence[NotificationTarget],
    message: Notification,
    inputs: Inputs,
    *,
    id: str,
    clock: Clock,
    seconds: float,
) -> tuple[str, ...]:
    """Send a notification to all targets at once.

    Args:
        id: identifies the notification, for receivers that must not take it twice.
        seconds: after which nothing is tried any more.

    Returns:
        Why it did not arrive, for each target in turn; empty where it did.
    """

    def to(target: NotificationTarget) -> str:
        return _send(target, message, inputs, id=id, clock=clock, seconds=seconds)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notification") as pool:
        return tuple(pool.map(to, targets))


def _send(
    target: NotificationTarget,
    message: Notification,
    inputs: Inputs,
    *,
    id: str,
    clock: Clock,
    seconds: float,
) -> str:
    address, key = inputs.secret(target.secret), None
    if address is None:
        return f"{target.secret} is not set"
    if not _is_allowed(address):
        return f"{target.secret} does not hold an https address"
    if target.signing_key is not None:
        key = inputs.secret(target.signing_key)
        if key is None:
            return f"{target.signing_key} is not set"
    now = clock.now()
    body = json.dumps(FORMS[target.kind](message, now), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "deploy-action"}
    if target.kind == "webhook":
        try:
            headers |= signed(body, key, id=id, now=now)
        except ValueError:
            return f"{target.signing_key} is no base64 after whsec_"
    return _post(address, body, headers, clock=clock, seconds=seconds)


def _is_allowed(address: Secret) -> bool:
    try:
        url = urlsplit(address.reveal().strip())
    except ValueError:
        return False
    local = url.scheme == "http" and url.hostname in _HERE
    return bool(url.hostname) and (url.scheme == "https" or local)


def _post(
    address: Secret, body: bytes, headers: Mapping[str, str], *, clock: Clock, seconds: float
) -> str:
    """Return why nobody took it; never with the address, which is a secret."""
    # Slow to import, and needed by those alone who have targets.
    import requests

    deadline, pause = clock.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        left = max(0.1, deadline - clock.monotonic())
        try:
            with requests.post(
                address.reveal().strip(),
                data=body,
                headers=dict(headers),
                timeout=left,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except (requests.RequestException, ValueError) as error:
            why, again = f"no answer ({type(error).__name__})", True
        else:
            if 200 <= status < 300:
                return ""
            again = status in _AGAIN
            why = f"it answered {status}"
        if not again or clock.monotonic() + pause >= deadline:
            return why
        clock.sleep(pause)
        pause *= 2
