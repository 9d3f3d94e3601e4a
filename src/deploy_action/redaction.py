"""Makes text from outside fit to be shown: without secrets or their encoded forms, and escaped."""

from __future__ import annotations

import base64
import bisect
import html
import json
import re
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

__all__ = ["SHORTEST", "Redactor", "escape", "excerpt", "redact"]

_MASK = "***"
SHORTEST = 4
"""Characters of a value that is masked."""
_WRAPPED_FROM = 8
_GAP = re.compile(r"\s+")
"""Left out when a secret is looked for: a long line may be wrapped anywhere."""
_EXCERPT_CHARACTERS = 200
_NAMED_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Redactor:
    """Masks what it protects: each value, each of its lines, and both in URL, JSON, HTML, hex and
    base64 encoding, base64 at each of the three alignments that it can have inside a longer text
    (as in ``Authorization: Basic``). Whatever is longer than seven characters is also found where
    it is wrapped over several lines.

    Values of less than four characters stay: masked, they would turn every page into asterisks.
    """

    __slots__ = ("_forms", "_guard", "_public", "_values")

    def __init__(self, *values: str) -> None:
        self._guard = threading.Lock()
        self._values = dict.fromkeys(values)
        self._public: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] | None = None

    def protect(self, value: str) -> None:
        """Mask a value from now on."""
        with self._guard:
            if value not in self._values:
                self._values[value] = None
                self._forms = None

    def spare(self, *words: str) -> None:
        """Never mask these words, which everybody knows, though a secret may be one of them."""
        with self._guard:
            self._public |= set(words)
            self._forms = None

    def forget(self) -> None:
        """Mask nothing any more."""
        with self._guard:
            self._values, self._public, self._forms = {}, frozenset(), None

    def __call__(self, text: str) -> str:
        """Return `text` with every secret replaced by ``***``."""
        found = sorted(self._spans(text))
        pieces, position = [], 0
        while found:
            start, end = found.pop(0)
            while found and found[0][0] < end:
                end = max(end, found.pop(0)[1])
            pieces += [text[position:start], _MASK]
            position = end
        return "".join((*pieces, text[position:])) if pieces else text

    def bytes(self, content: bytes) -> bytes:
        """Do the same with bytes, which need not be text."""
        text = content.decode("utf-8", "surrogateescape")
        return self(text).encode("utf-8", "surrogateescape")

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text, masked and escaped; masked first, so that no secret is
        cut in two."""
        return excerpt(self(text))

    def quote(self, text: str) -> str:
        """Return the excerpt in quotation marks."""
        return f'"{self.excerpt(text)}"'

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        unwrapped, origins = _unwrap(text)
        for form in self._known_forms():
            if len(form) < _WRAPPED_FROM:
                yield from _occurrences(form, text)
                continue
            for start, end in _occurrences(form, unwrapped):
                yield _origin(start, origins), _origin(end - 1, origins) + 1

    def _known_forms(self) -> tuple[str, ...]:
        with self._guard:
            if self._forms is None:
                secret = (v for v in self._values if v.strip() not in self._public)
                self._forms = tuple({form for value in secret for form in _forms(value)})
            return self._forms


redact = Redactor()
"""What masks every secret of this process: whoever makes a `Secret` makes it known here. Text from
outside goes through it where it enters; errors do when they are made."""


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
    for text in {value, value.strip(), *map(str.strip, value.splitlines())}:
        # Short lines, such as the brace of a JSON key file, are no secret.
        if len(text.strip()) >= SHORTEST:
            for form in (text, *_encodings(text)):
                unwrapped = _GAP.sub("", form)
                yield unwrapped if len(unwrapped) >= _WRAPPED_FROM else form


def _occurrences(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _unwrap(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return a text without blanks and line breaks, and where each of its parts begins, there and
    in `text`."""
    parts, origins, position, length = [], [(0, 0)], 0, 0
    for gap in _GAP.finditer(text):
        parts.append(text[position : gap.start()])
        length += len(parts[-1])
        position = gap.end()
        origins.append((length, position))
    return "".join((*parts, text[position:])), origins


def _origin(position: int, origins: list[tuple[int, int]]) -> int:
    index = bisect.bisect_right(origins, (position, sys.maxsize)) - 1
    unwrapped, original = origins[index]
    return original + position - unwrapped


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
