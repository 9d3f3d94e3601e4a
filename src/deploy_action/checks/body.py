"""The body of an answer: decompressed, complete or not at all, and never more than a limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests

from deploy_action.checks.refusal import NoAnswer

__all__ = ["BODY_LIMIT", "read_body"]

BODY_LIMIT = 4 * 1024 * 1024
_CHUNK = 65536


def read_body(response: requests.Response) -> tuple[bytes, bool]:
    """Read at most BODY_LIMIT bytes, counted after decompression; say whether there was more."""
    body = bytearray()
    for piece in _decompressed(response):
        body += piece
        if len(body) > BODY_LIMIT:
            return bytes(body[:BODY_LIMIT]), True
    return bytes(body), False


def _decompressed(response: requests.Response) -> Iterator[bytes]:
    raw: Iterator[bytes] = response.raw.stream(_CHUNK, decode_content=False)
    if response.headers.get("Content-Encoding", "").lower() not in ("gzip", "x-gzip", "deflate"):
        yield from raw
        return
    decoder = zlib.decompressobj(wbits=47)
    empty = True
    for piece in raw:
        empty = False
        packed = piece
        while packed and not decoder.eof:
            try:
                yield decoder.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise NoAnswer("the body is not what its Content-Encoding says") from error
            packed = decoder.unconsumed_tail
    yield decoder.flush()
    if not (decoder.eof or empty):
        raise NoAnswer("the compressed body ends too early")
