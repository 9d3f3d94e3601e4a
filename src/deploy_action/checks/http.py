"""One HTTP request to a target: bounded in time and size, never retried, never sent elsewhere.

Proxies, netrc and other settings of the environment are ignored; every connection comes from the
target's dialer.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.exceptions import HTTPError

from deploy_action import __version__
from deploy_action.checks import wire
from deploy_action.checks.body import BODY_LIMIT, read_body
from deploy_action.checks.refusal import NoAnswer, explain
from deploy_action.checks.target import DEFAULT_PORTS, Target
from deploy_action.clock import Clock

__all__ = ["BODY_LIMIT", "Answer", "NoAnswer", "Request", "send"]

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""RFC 9110, 5.6.2 and 5.5."""
_OUR_HEADERS: dict[str, str | bytes] = {
    "User-Agent": f"deploy-action/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send. `path` may have a query; it is relative to the target's base path."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        headers: by name in any case.
        body: decoded from gzip or deflate; at most BODY_LIMIT bytes.
        cut: the body was longer and only its beginning was read.
        seconds: from the request's first byte to the body's last, without connecting.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    seconds: float

    @property
    def text(self) -> str:
        """The body in the character set that it names, UTF-8 when it names none or a wrong one."""
        charset = requests.utils.get_encoding_from_headers(self.headers)
        named = "charset" in self.headers.get("Content-Type", "").lower()
        try:
            return self.body.decode(charset if named and charset else "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def send(
    request: Request,
    target: Target,
    *,
    clock: Clock,
    timeout_seconds: float,
    redirects: Literal["none", "same-host"] = "none",
) -> Answer:
    """Send one request and read its whole answer.

    Args:
        clock: measures `Answer.seconds`; the timeout is the machine's.
        timeout_seconds: for all of it, from connecting to the last byte, redirects included, so
            that a server which drips a byte a second cannot hold us.
        redirects: "same-host" follows up to five to the same host, port and scheme, or from http
            up to https on that host; any other is an error. "none" returns the redirect itself.

    Raises:
        NoAnswer: nothing complete came back; the message says why.
    """
    url = target.url(request.path)
    with wire.Cutoff(timeout_seconds) as cutoff, requests.Session() as session:
        session.trust_env = False
        session.headers.clear()
        for _ in range(_MAX_REDIRECTS + 1):
            route = wire.Route(target, urlsplit(url), cutoff, clock)
            answer = _send_once(session, request, url, route)
            if redirects == "none" or answer.status not in _REDIRECTS:
                return answer
            url = _follow(url, answer)
            request = _redirected(request, answer.status)
    raise NoAnswer(f"more than {_MAX_REDIRECTS} redirects")


def _send_once(session: requests.Session, request: Request, url: str, route: wire.Route) -> Answer:
    _check(request)
    adapter = _Adapter(route)
    try:
        prepared = session.prepare_request(
            requests.Request(
                request.method,
                url,
                headers=_OUR_HEADERS | {k: _encode(v) for k, v in request.headers.items()},
                data=request.body,
            )
        )
        # Not by the session: it would look into a redirect even where none is followed.
        response = adapter.send(
            prepared,
            stream=True,
            timeout=route.cutoff.socket_seconds,
            verify=route.target.ca_file or True,
        )
        session.cookies.update(response.cookies)
        with response:
            body, cut = read_body(response)
        seconds = route.seconds()
    except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as error:
        raise NoAnswer(_late(route) or explain(error, route.port)) from error
    except ValueError as error:
        # The library's message repeats the URL that it refuses: not for everybody's eyes.
        raise NoAnswer("the request's URL is not allowed in HTTP") from error
    finally:
        adapter.close()
    if _late(route):
        # An answer without a length ends where the connection does: here by our own hand.
        raise NoAnswer(_late(route))
    return Answer(
        status=response.status_code,
        headers=response.headers,
        body=body,
        cut=cut,
        seconds=seconds,
    )


def _check(request: Request) -> None:
    """Refuse what HTTP does not allow; a value is never repeated, it may be a secret."""
    if not _TOKEN.fullmatch(request.method):
        raise NoAnswer(f"{request.method!r} is not an HTTP method")
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise NoAnswer(f"{name!r} is not the name of a header")
        if _CONTROL.search(value):
            raise NoAnswer(
                f"the header {name} would hold a line break or another control character: "
                "is there one in a secret?"
            )


def _late(route: wire.Route) -> str:
    cutoff = route.cutoff
    return f"no complete answer within {cutoff.seconds:g} s" if cutoff.expired else ""


def _encode(value: str) -> str | bytes:
    """Header values are bytes; ours are UTF-8 where ASCII does not do (RFC 9110, 5.5)."""
    return value if value.isascii() else value.encode()


def _follow(url: str, answer: Answer) -> str:
    location = answer.headers.get("Location", "")
    elsewhere = NoAnswer(f"status {answer.status} redirects to another host: {location}")
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


def _redirected(request: Request, status: int) -> Request:
    """Change to GET where RFC 9110 (15.4.2 to 15.4.4) and every browser do."""
    if status in (307, 308) or request.method in ("GET", "HEAD"):
        return request
    headers = {k: v for k, v in request.headers.items() if not k.lower().startswith("content-")}
    return replace(request, method="GET", headers=headers, body=None)


class _Adapter(HTTPAdapter):
    """Has every connection made by the route."""

    def __init__(self, route: wire.Route) -> None:
        self._route = route
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Replace the connections and trust the machine's authorities too."""
        if self._route.scheme == "https":
            kwargs["ssl_context"] = ssl.create_default_context(cafile=self._route.target.ca_file)
        plain, tls = wire.connections(self._route)
        http_pool = type("_HttpPool", (HTTPConnectionPool,), {"ConnectionCls": plain})
        https_pool = type("_HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls})
        self.poolmanager = PoolManager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": http_pool, "https": https_pool}
