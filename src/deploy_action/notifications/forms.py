"""A notification as each receiver wants it. Pure; sources are named beside each form."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy_action.inputs import Secret
    from deploy_action.notifications.message import Notification

__all__ = ["FORMS", "signed"]

_COLOURS = {True: 0x2DA44E, False: 0xCF222E, None: 0x57606A}
_MARKS = {True: "✅", False: "❌", None: "🔔"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+|~>!-])")


def _headline(message: Notification) -> str:
    return f"{_MARKS[message.good]} {message.title}"


def _slack(message: Notification, *_: object) -> Mapping[str, Any]:
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/"""
    text = f"*{_slack_text(_headline(message))}*"
    if message.text:
        text += f"\n{_slack_text(message.text)}"
    blocks: list[Mapping[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}
    ]
    if message.facts:
        fields = [
            {"type": "mrkdwn", "text": f"*{label}*\n{_slack_text(value)}"[:2000]}
            for label, value in message.facts[:10]
        ]
        blocks.append({"type": "section", "fields": fields})
    if links := _links(message):
        shown = " · ".join(f"<{_slack_text(url)}|{label}>" for label, url in links)
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": shown}]})
    colour = f"#{_COLOURS[message.good]:06x}"
    return {
        "text": _slack_text(_headline(message)),
        "attachments": [{"color": colour, "blocks": blocks}],
    }


def _slack_text(text: str) -> str:
    """Escape it, mentions included: https://docs.slack.dev/messaging/formatting-message-text"""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Between such characters Slack would format; the zero-width space keeps them as they are.
    return re.sub(r"([*_~`])", "\u200b\\1", text).replace("|", "¦")


def _discord(message: Notification, *_: object) -> Mapping[str, Any]:
    """https://docs.discord.com/developers/resources/webhook#execute-webhook"""
    embed: dict[str, Any] = {
        "title": _escaped(_headline(message))[:256],
        "color": _COLOURS[message.good],
        "fields": [
            {"name": label, "value": _escaped(value)[:1024], "inline": True}
            for label, value in message.facts[:25]
        ],
    }
    texts = [_escaped(message.text), *(f"[{label}](<{url}>)" for label, url in _links(message))]
    if description := "\n".join(filter(None, texts)):
        embed["description"] = description[:4096]
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _teams(message: Notification, *_: object) -> Mapping[str, Any]:
    """https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using"""
    colour = {True: "Good", False: "Attention", None: "Default"}[message.good]
    body: list[Mapping[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _escaped(_headline(message)),
            "weight": "Bolder",
            "size": "Medium",
            "color": colour,
            "wrap": True,
        }
    ]
    if message.text:
        body.append({"type": "TextBlock", "text": _escaped(message.text), "wrap": True})
    if message.facts:
        facts = [{"title": label, "value": _escaped(value)} for label, value in message.facts]
        body.append({"type": "FactSet", "facts": facts})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": label, "url": url} for label, url in _links(message)
        ],
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": content_type, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _webhook(message: Notification, now: datetime) -> Mapping[str, Any]:
    """schemas/notification.schema.json; the outer names are those of Standard Webhooks."""
    return {
        "type": message.event,
        "timestamp": now.isoformat(timespec="seconds"),
        "data": {
            "title": message.title,
            "text": message.text,
            "url": message.url,
            "run_url": message.run_url,
            **message.data,
        },
    }


FORMS: Mapping[str, Callable[[Notification, datetime], Mapping[str, Any]]] = {
    "slack": _slack,
    "teams": _teams,
    "discord": _discord,
    "webhook": _webhook,
}
"""By `kind` in deploy.yaml."""


def signed(body: bytes, key: Secret | None, *, id: str, now: datetime) -> Mapping[str, str]:
    """Return the headers by which a receiver knows the sender, and a repetition.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    Args:
        key: as text, or in base64 after ``whsec_``; without one there is no signature.
        id: the same whenever the same notification is sent again.
    """
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": id, "webhook-timestamp": stamp}
    if key is not None:
        text = key.reveal().strip()
        encoded = text.removeprefix("whsec_")
        secret = base64.b64decode(encoded) if encoded != text else text.encode()
        content = b".".join((id.encode(), stamp.encode(), body))
        digest = hmac.new(secret, content, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _links(message: Notification) -> list[tuple[str, str]]:
    links = (("Open", message.url), ("Run", message.run_url))
    return [(label, url) for label, url in links if re.fullmatch(r"https?://[^\s<>|()]+", url)]


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
