"""Every secret of a process is masked in text from outside, in whatever form it comes."""

from __future__ import annotations

import base64
import html
import json
import textwrap
from urllib.parse import quote, quote_plus

import pytest

from deploy_action.errors import BadInput
from deploy_action.inputs import Secret
from deploy_action.redaction import Redactor, redact
from deploy_action.rollout.context import Credentials

SECRET = 'pä$$ "w0rd"/<17>+swordfish&co'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\n  kiG9w0BAQEFAASCBKcw\n}\n-----END KEY-----\n"
DATA = SECRET.encode()


def forms() -> list[str]:
    """Return the secret as programs write it."""
    encoded = [
        alphabet(b"x" * before + DATA + b"y" * after).decode().rstrip(padding)
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode)
        for before in range(3)
        for after in range(3)
        for padding in ("=", " ")
    ]
    return [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        html.escape(SECRET),
        html.escape(SECRET, quote=False),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote_plus(SECRET).lower(),
        DATA.hex(),
        DATA.hex().upper(),
        *encoded,
    ]


@pytest.mark.parametrize("form", forms())
@pytest.mark.parametrize("width", [0, 9, 20])
def test_no_form_of_a_secret_stays(form: str, width: int) -> None:
    """Nor where it is wrapped, at any column: all that is left are the ends of its neighbours."""
    wrapped = (
        "\r\n   ".join(form[i : i + width] for i in range(0, len(form), width or 1))
        if width
        else form
    )
    masked = Redactor(SECRET)(f"before {wrapped} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    left = masked.removeprefix("before ").removesuffix(" after").replace("***", "")
    # A character beside the secret is encoded together with its end.
    assert len(left.replace("\r\n", "").replace(" ", "")) <= len(base64.b64encode(b"xxyy")) + 2
    assert "***" in masked


def test_text_without_a_secret_stays_as_it_is() -> None:
    """Line breaks, blanks and bytes that are no text too."""
    text = "one\r\n  two\\\n three\n\n"
    assert Redactor(SECRET)(text) == text
    assert Redactor()(SECRET) == SECRET
    assert Redactor(SECRET).bytes(b"\xff\x00" + DATA + b"\n") == b"\xff\x00***\n"


def test_lines_of_a_key_are_masked_one_by_one_and_together() -> None:
    """A brace is no secret."""
    mask = Redactor(KEY)
    assert mask(KEY.replace("\n", "\\n")) == "***"
    for line in KEY.splitlines():
        assert mask(f"| {line.strip()} |") == (f"| {line} |" if line == "}" else "| *** |")
    wrapped = "\n".join(textwrap.wrap(base64.b64encode(KEY.encode()).decode(), 20))
    assert len(mask(wrapped)) < 12


def test_overlapping_secrets_are_masked_as_one() -> None:
    """The shorter one does not break up the longer one."""
    assert Redactor("abcd", "abcdef", "defgh", "")("abcdefgh abcd") == "*** ***"


@pytest.mark.parametrize("value", ["", "2", "no", "abc", " a\n"])
def test_short_values_stay(value: str) -> None:
    """Masked, they would turn every page into asterisks."""
    text = "version 1.2.3 has no abc a"
    assert Redactor(value)(text) == text


def test_what_holds_a_secret_shows_none_of_it() -> None:
    """A dataclass in a traceback or a log shows all of its fields."""
    login = Credentials(username="bot", password=Secret("swordfish-17"))
    assert "bot" in repr(login)
    assert "swordfish" not in f"{login!r} {login.password} {login.password!r}"


def test_whoever_makes_a_secret_makes_it_known() -> None:
    """Errors are masked when they are made, whatever they quote."""
    Secret("swordfish-17")
    error = BadInput("swordfish-17 failed", cause="it was swordfish-17", remedy="try swordfish-17")
    assert "swordfish" not in str(error)
    assert redact.quote("it is swordfish-17\n") == '"it is ***\\n"'
