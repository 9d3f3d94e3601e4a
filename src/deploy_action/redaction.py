"""Makes text from outside fit to be shown: without secrets or their encoded forms, and escaped."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from deploy_action.inputs import Secret

__all__ = ["Redactor", "escape", "excerpt"]

_MASK = "***"
_ENCODED_FROM = 4
"""Shorter secrets are masked as they stand only: their encodings would match everywhere."""
_EXCERPT_CHARACTERS = 200
_NAMED_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Redactor:
    """Masks secrets: each value, each of its lines, and both in URL, JSON, HTML, hex and base64
    encoding, base64 at each of the three alignments that it can have inside a longer text (as in
    ``Authorization: Basic``).
    """

    __slots__ = ("_forms",)

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        forms = {form for secret in secrets.values() for form in _forms(secret.reveal())}
        # The longest first: a short form must not break up a longer one.
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def __call__(self, text: str) -> str:
        """Return `text` with every secret replaced by ``***``."""
        for form in self._forms:
            text = text.replace(form, _MASK)
        return text

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text, masked and escaped; masked first, so that no secret is
        cut in two."""
        return excerpt(self(text))

    def quote(self, text: str) -> str:
        """Return the excerpt in quotation marks."""
        return f'"{self.excerpt(text)}"'


def escape(text: str) -> str:
    """Make every character visible that could move a cursor, colour a terminal or end a line."""
    return "".join(
        character if character.isprintable() else _NAMED_ESCAPES.get(character, _code(character))
        for character in text
    )


def excerpt(text: str, limit: int = _EXCERPT_CHARACTERS) -> str:
    """Return at most `limit` characters of a text, escaped, and show when there is more."""
    return escape(text[:limit]) + ("…" if len(text) > limit else "")


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _forms(value: str) -> Iterator[str]:
    stripped = value.strip()
    for text in {value, stripped, *(line.strip() for line in _lines(value))}:
        if not text:
            continue
        yield text
        if len(text) >= _ENCODED_FROM:
            yield from _encodings(text)


def _lines(value: str) -> Iterable[str]:
    """Leave out lines of one to three characters, such as a brace of a JSON key file."""
    return (line for line in value.splitlines() if len(line.strip()) >= _ENCODED_FROM)


def _encodings(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogateescape")
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    for safe in ("", "/"):
        for form in (quote(data, safe=safe), quote_plus(data, safe=safe)):
            yield form
            yield _lower_escapes(form)
    yield data.hex()
    yield data.hex().upper()
    for padding in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            yield _inside(alphabet(b"\0" * padding + data), padding, len(data))


def _lower_escapes(form: str) -> str:
    """Some programs write %2f, some %2F (RFC 3986 section 2.1 allows both)."""
    pieces = form.split("%")
    return "%".join([pieces[0], *(piece[:2].lower() + piece[2:] for piece in pieces[1:])])


def _inside(encoded: bytes, padding: int, length: int) -> str:
    """Return the characters of a base64 text that depend only on the secret."""
    first = -(-padding * 8 // 6)
    last = (padding + length) * 8 // 6
    return encoded[first:last].decode("ascii")
