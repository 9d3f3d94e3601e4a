"""One HTTP request to a target: bounded in time and size, never retried, never sent elsewhere.

The environment's proxies, netrc and other settings are ignored; every connection comes from the
target's dialer.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from deploy_action import __version__
from deploy_action.budget import BoundedStream, TooLarge
from deploy_action.checks.exchange import Deadline, NoAnswer, explain
from deploy_action.checks.result import CheckFailureKind
from deploy_action.checks.target import DEFAULT_PORTS, Target
from deploy_action.clock import Clock

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = [
    "BODY_LIMIT",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "NoAnswer",
    "http_connection",
    "merge_headers",
    "send",
]

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a body that are read, counted after decompression."""
_ANSWER_LIMIT = 1 << 26
"""Bytes of an answer that is read and forgotten."""
_WIRE_LIMIT = 2 * BODY_LIMIT
"""Bytes of an answer that are taken from the connection: headers, chunk sizes and body."""
_CHUNK = 65536
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_MAX_INTERIM = 20
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""RFC 9110, 5.6.2 and 5.5."""
_PATH_SAFE = "!$&'()*+,;=:@/-._~%"
"""What may stand in a path as it is (RFC 3986, 3.3), and escapes that are there already."""
_HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_TEXT_CHARSET = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|(?:us-)?ascii|latin-?1|iso-?8859-(?:[1-9]|1[013456])"
    r"|windows-(?:874|125[0-8])|koi8-[ru]|shift[_-]jis|euc-(?:jp|kr)|iso-2022-jp|gb(?:2312|k|18030)|big5",
    re.IGNORECASE,
)
"""What the web has (WHATWG Encoding Standard, 4.2). Python knows more, some of which take quadratic time."""
_DEFAULT_HEADERS = {
    "User-Agent": f"deploy-action/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to send. `path` may have a query; it is relative to the target's base path."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str]
    body: bytes | None = None


class Headers(Mapping[str, str]):
    """Headers by name in any case; several of one name are joined by commas (RFC 9110, 5.3)."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            before = self._values.get(name.lower())
            self._values[name.lower()] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete answer.

    Attributes:
        body: decoded from gzip or deflate; at most BODY_LIMIT bytes.
        truncated: the body was longer and only its beginning was read.
        seconds: from the request's first byte to the body's last, without connecting.
    """

    status: int
    headers: Headers
    body: bytes
    truncated: bool
    seconds: float

    @property
    def text(self) -> str:
        """The body in the character set that it names, UTF-8 when it names none or a wrong one."""
        charset = _CHARSET.search(self.headers.get("Content-Type", ""))
        known = charset is not None and _TEXT_CHARSET.fullmatch(charset[1])
        with contextlib.suppress(LookupError, UnicodeError):
            return self.body.decode(charset[1] if charset and known else "utf-8", "replace")
        return self.body.decode("utf-8", "replace")


def send(
    request: HttpRequest,
    target: Target,
    *,
    clock: Clock,
    timeout_seconds: float,
    redirects: Literal["none", "same-host"] = "none",
) -> HttpResponse:
    """Send one request and read its whole answer.

    Args:
        clock: measures `HttpResponse.seconds`; the timeout is the machine's.
        timeout_seconds: for all of it, from connecting to the last byte, redirects included, so
            that a server which drips a byte a second cannot hold us.
        redirects: "same-host" follows up to five to the same host, port and scheme, or from http
            up to https on that host, and keeps cookies; any other is an error. "none" returns the
            redirect itself.

    Raises:
        NoAnswer: no complete answer came, or another's than the target's; it says why.
    """
    url = target.url(request.path)
    with Deadline(timeout_seconds) as deadline:
        if redirects == "none":
            response = _send_once(request, url, target, deadline, clock, None)
            _require_ours(target, response)
            return response
        from http.cookiejar import CookieJar

        cookies = CookieJar()
        for hop in range(_MAX_REDIRECTS + 1):
            response = _send_once(request, url, target, deadline, clock, cookies)
            if hop == 0:
                # A redirect may lead to another service on purpose.
                _require_ours(target, response)
            if response.status not in _REDIRECTS:
                return response
            url = _redirect_url(url, response)
            request = _redirected(request, response.status)
    raise NoAnswer(CheckFailureKind.TOO_MANY_REDIRECTS, f"more than {_MAX_REDIRECTS} redirects")


class FinalResponse(http.client.HTTPResponse):
    """An answer without the interim ones before it, such as 103 Early Hints (RFC 9110, 15.2)."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            read: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            # The base class skips 100; after 101 the connection is no HTTP any more.
            if read[1] in (100, 101) or not 100 < read[1] < 200:
                return read
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {_MAX_INTERIM} interim answers")


def http_connection(
    connection: socket.socket, *, seconds: float = 60.0
) -> http.client.HTTPConnection:
    """Speak HTTP over an open connection, and over no other: it is never opened again.

    Args:
        seconds: for each answer, to its last byte.
    """

    def bounded(sock: socket.socket, **options: Any) -> FinalResponse:
        stream = BoundedStream(sock, seconds=seconds, size=_ANSWER_LIMIT)
        return FinalResponse(cast("socket.socket", stream), **options)

    client = http.client.HTTPConnection("target")
    client.auto_open = 0
    client.response_class = bounded  # type: ignore[assignment]
    client.sock = connection
    # A body is sent after its header, and would wait for the header's acknowledgement: 40 ms.
    # Connections that a dialer opened through an engine are not TCP.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def merge_headers(base: Mapping[str, str], override: Mapping[str, str]) -> dict[str, str]:
    """Return both; where a header is in both, in whatever case, only the second's."""
    names = {name.lower() for name in override}
    return {name: value for name, value in base.items() if name.lower() not in names} | dict(
        override
    )


def _send_once(
    request: HttpRequest,
    url: str,
    target: Target,
    deadline: Deadline,
    clock: Clock,
    cookies: CookieJar | None,
) -> HttpResponse:
    _require_valid(request)
    try:
        parts = urlsplit(url)
        # A redirect up to https leads to another port of the same address.
        first = (parts.scheme, parts.netloc) == (target.scheme, target.authority)
        port = target.port if first else parts.port or DEFAULT_PORTS[parts.scheme]
        path = _escape_path(parts.path or "/")
        if parts.query:
            path = f"{path}?{_escape_path(parts.query, '?')}"
        headers = _headers(request, parts, cookies)
        if target.served_by is not None:
            headers |= {n: v.encode() for n, v in target.served_by.request_headers.items()}
    except ValueError as error:
        # The error's message repeats the URL, which may hold a secret.
        message = "the request's URL is not allowed in HTTP"
        raise NoAnswer(CheckFailureKind.INVALID_REQUEST, message) from error
    try:
        with _connect(target, parts, port, deadline) as connection:
            started = clock.monotonic()
            seconds_left = deadline.socket_seconds
            answer = _exchange(connection, request, path, headers, seconds_left)
            with contextlib.closing(answer):
                if cookies is not None:
                    cookies.extract_cookies(answer, _cookie_request(url))
                body, truncated = _read_body(answer)
            seconds = clock.monotonic() - started
    except TooLarge as error:
        raise NoAnswer(CheckFailureKind.TOO_LARGE, str(error)) from error
    except (OSError, http.client.HTTPException, NoAnswer) as error:
        _require_in_time(deadline, error)
        raise error if isinstance(error, NoAnswer) else explain(error, port) from error
    # A body without a length ends where the connection does: perhaps at the deadline.
    _require_in_time(deadline, None)
    return HttpResponse(
        status=answer.status,
        headers=Headers(answer.getheaders()),
        body=body,
        truncated=truncated,
        seconds=seconds,
    )


def _require_ours(target: Target, response: HttpResponse) -> None:
    if target.served_by is None:
        return
    for failure in target.served_by.failures(response.headers.get(target.served_by.answer_header)):
        raise NoAnswer(failure.kind, failure.detail)


def _require_in_time(deadline: Deadline, error: BaseException | None) -> None:
    if deadline.expired:
        message = f"no complete answer within {deadline.seconds:g} s"
        raise NoAnswer(CheckFailureKind.TIMED_OUT, message) from error


def _require_valid(request: HttpRequest) -> None:
    """Refuse what HTTP does not allow; a value is never repeated, it may be a secret."""
    problem = ""
    if not _TOKEN.fullmatch(request.method):
        problem = f"{request.method!r} is not an HTTP method"
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            problem = f"{name!r} is not the name of a header"
        elif _CONTROL.search(value):
            problem = (
                f"the header {name} would hold a line break or another control character: "
                "is there one in a secret?"
            )
    if problem:
        raise NoAnswer(CheckFailureKind.INVALID_REQUEST, problem)


def _headers(request: HttpRequest, url: SplitResult, cookies: CookieJar | None) -> dict[str, bytes]:
    default_port = url.port is None or url.port == DEFAULT_PORTS[url.scheme]
    host = url.netloc.rpartition(":")[0] if url.port and default_port else url.netloc
    # The host is ASCII; a UnicodeEncodeError is a ValueError like those of a malformed URL.
    headers = {"Host": host.encode("ascii").decode()} | _DEFAULT_HEADERS
    if cookies is not None:
        asking = _cookie_request(url.geturl())
        cookies.add_cookie_header(asking)
        if cookie := asking.get_header("Cookie"):
            headers["Cookie"] = cookie
    merged = merge_headers(headers, request.headers)
    # Values beyond ASCII are sent as UTF-8 (RFC 9110, 5.5).
    return {name: value.encode() for name, value in merged.items()}


def _cookie_request(url: str) -> Any:
    """Return what the standard library's cookie jar takes for a request."""
    from urllib.request import Request

    return Request(url)  # noqa: S310 - never opened


@contextlib.contextmanager
def _connect(
    target: Target, url: SplitResult, port: int, deadline: Deadline
) -> Iterator[socket.socket]:
    with target.dial(port, deadline.seconds) as plain:
        plain.settimeout(deadline.socket_seconds)
        deadline.guard(plain)
        if url.scheme == "http":
            yield plain
            return
        context = ssl.create_default_context(cafile=target.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        name = (url.hostname or "").rstrip(".")
        with context.wrap_socket(plain, server_hostname=name) as secure:
            yield secure


def _exchange(
    connection: socket.socket,
    request: HttpRequest,
    path: str,
    headers: Mapping[str, bytes],
    seconds: float,
) -> http.client.HTTPResponse:
    """Send the request and read the head of its answer."""
    # A server may answer, and close, before it has read the whole body.
    with contextlib.suppress(BrokenPipeError):
        http_connection(connection).request(
            request.method, path, body=request.body, headers=headers
        )
    # The deadline closes the connection before this one's time is up.
    stream = BoundedStream(connection, seconds=seconds, size=_WIRE_LIMIT)
    answer = FinalResponse(cast("socket.socket", stream), method=request.method)
    try:
        answer.begin()
    except BaseException:
        answer.close()
        raise
    return answer


def _escape_path(text: str, also_safe: str = "") -> str:
    return quote(_HALF_ESCAPE.sub("%25", text), safe=_PATH_SAFE + also_safe)


def _read_body(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Read at most BODY_LIMIT bytes, counted after decompression; tell whether there was more."""
    body = bytearray()
    for piece in _decompressed(answer):
        body += piece
        if len(body) > BODY_LIMIT:
            return bytes(body[:BODY_LIMIT]), True
    return bytes(body), False


def _decompressed(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    encoding = (answer.getheader("Content-Encoding") or "").lower()
    if encoding not in ("gzip", "x-gzip", "deflate"):
        yield from _raw(answer)
        return
    decoder = zlib.decompressobj(wbits=47)
    empty = True
    for piece in _raw(answer):
        empty = False
        packed = piece
        while packed and not decoder.eof:
            try:
                yield decoder.decompress(packed, _CHUNK)
            except zlib.error as error:
                message = "the body is not what its Content-Encoding says"
                raise NoAnswer(CheckFailureKind.BAD_ENCODING, message) from error
            packed = decoder.unconsumed_tail
    yield decoder.flush()
    if not (decoder.eof or empty):
        raise NoAnswer(CheckFailureKind.INCOMPLETE, "the compressed body ends too early")


def _raw(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Read the body as it was sent, without its chunks.

    A body that is shorter than its length is an error; http.client tells only for chunks.
    """
    received = 0
    try:
        while piece := answer.read(_CHUNK):
            received += len(piece)
            yield piece
    except http.client.IncompleteRead as error:
        raise _incomplete(received + len(error.partial)) from error
    if answer.length:
        raise _incomplete(received)


def _incomplete(received: int) -> NoAnswer:
    message = f"the body ended too early, after {received} bytes"
    return NoAnswer(CheckFailureKind.INCOMPLETE, message)


def _redirect_url(url: str, response: HttpResponse) -> str:
    location = response.headers.get("Location", "")
    elsewhere = NoAnswer(
        CheckFailureKind.REDIRECT_ELSEWHERE,
        f"status {response.status} redirects to another host: {location}",
    )
    try:
        there, here = urlsplit(urljoin(url, location)), urlsplit(url)
        upwards = (here.scheme, there.scheme) == ("http", "https")
        allowed = _origin(there) == _origin(here) or (upwards and here.hostname == there.hostname)
    except ValueError as error:
        raise elsewhere from error
    if not location or not allowed:
        raise elsewhere
    return there._replace(netloc=there.netloc.rpartition("@")[2]).geturl()


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme)


def _redirected(request: HttpRequest, status: int) -> HttpRequest:
    """Change to GET where RFC 9110 (15.4.2 to 15.4.4) and every browser do."""
    if status in (307, 308) or request.method in ("GET", "HEAD"):
        return request
    headers = {k: v for k, v in request.headers.items() if not k.lower().startswith("content-")}
    return replace(request, method="GET", headers=headers, body=None)
