"""The edge's state as HAProxy's configuration, and back: pure text, no edge is touched.

The state is in the file as a comment, and the last line is a checksum of all lines before it, so that
an edited file is noticed. The directives are those of the HAProxy 3.0 configuration manual.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from deploy_action.config.urls import without_dot
from deploy_action.platforms.docker.edge.decode import decode_backends
from deploy_action.platforms.docker.edge.state import (
    Backend,
    EdgeState,
    Server,
    again_socket,
    kept_name,
    name_socket,
    plain_socket,
)

__all__ = ["PROBE_HEADER", "SERVED_BY_HEADER", "parse", "render", "server_options"]

PROBE_HEADER = "X-Deploy-Action-Probe"
SERVED_BY_HEADER = "X-Deploy-Action-Served-By"

_MARK = "# deploy-action"
_STATE = f"{_MARK}-state "
_CHECKSUM = f"{_MARK}-checksum "
_GENERATION = re.compile(rf"{_MARK} ([0-9]{{1,15}})\n")
_SERVICE = re.compile(r"^backend ([a-z0-9-]+_[a-z0-9-]+)$", re.MULTILINE)
_MAX_CHARACTERS = 1 << 23
_UP_INTERVAL = 1000
_DOWN_INTERVAL = 25
_CHANGING_INTERVAL = 50
_HTTP = 80
_HTTPS = 443
_TO_HTTPS = "redirect"
_RETRY_AFTER_SECONDS = 60
_HEADER_BYTES = 14 << 10
"""What fits into HAProxy's buffer by default, beside what the edge adds (tune.maxrewrite)."""
_BODY_SECONDS = 30
_FORWARDED = "^(x[-_]forwarded([-_].*)?|x[-_]real[-_]ip|forwarded)$"
"""Headers that name a client. CGI and WSGI make one variable of both spellings (RFC 3875, 4.1.18)."""

_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
)
_CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CURVES = "X25519:prime256v1:secp384r1"

_HEAD = f"""\
global
  stats socket /state/run/haproxy.sock mode 600 level admin expose-fd listeners
  log stdout format raw local0 notice
  hard-stop-after 1h
  user haproxy
  group haproxy
  # Mozilla's intermediate profile 5.7, with the group that a quantum computer does not break
  # (https://wiki.mozilla.org/Security/Server_Side_TLS, draft-ietf-tls-ecdhe-mlkem).
  ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets
  ssl-default-bind-ciphers {_CIPHERS}
  ssl-default-bind-ciphersuites {_CIPHER_SUITES}
  tune.ssl.default-dh-param 2048
  .if openssl_version_atleast(3.5.0)
  ssl-default-bind-curves X25519MLKEM768:{_CURVES}
  .else
  ssl-default-bind-curves {_CURVES}
  .endif
defaults
  log global
  mode http
  option dontlognull
  option redispatch 1
  option idle-close-on-response
  retries 3
  retry-on conn-failure empty-response
  timeout connect 2s
  timeout client 5m
  timeout client-fin 10s
  timeout server 5m
  timeout http-request 30s
  timeout http-keep-alive 60s
  timeout queue 30s
  timeout tunnel 1h
"""

# What may share a connection to a replica. Not HEAD: an application that answers it with a body would
# leave that on the connection, where it looks like the next answer. Nor a request with our token: what
# it asks for has nothing to do with the connections of others.
_SHARING = (
    "  acl get method GET",
    "  acl alone req.hdr(Upgrade) -m found",
    "  acl alone req.hdr(Content-Length) -m found",
    "  acl alone req.hdr(Transfer-Encoding) -m found",
    f"  acl alone req.hdr({PROBE_HEADER}) -m found",
)
_MAY_SHARE = ("get", "!alone")
# A replica that dies loses the requests that it was processing. A proxy may repeat only idempotent
# ones (RFC 9110, 9.2.2), and only if nothing was answered yet.
_CLOSED = (
    "  option http-server-close",
    "  http-request disable-l7-retry unless METH_GET",
)
# HAProxy shares connections of one name, and evaluates it at each attempt. It is 0 at the first one and
# a number of the request's own at others: a repetition gets a new connection, because all kept ones
# may be closing at that moment.
_KEPT = (
    "  http-reuse always",
    "  retry-on conn-failure empty-response junk-response",
    "  http-request set-var(txn.own) rand(2147483647),add(1)",
    "  http-request set-var(txn.attempt) int(0),sub(txn.own)",
)
_NAME = "var(txn.attempt),add(txn.own),set-var(txn.attempt)"
_KEPT_CONNECTIONS = f" pool-purge-delay 250ms pool-conn-name {_NAME}"
_OWN_CONNECTIONS = " pool-max-conn 0"
# A request that was on a kept connection does not wait a second before it tries the same server
# again, so that its attempts are over before a check notices that the server has died. The first
# refused connection therefore takes the server out of this backend until enough checks have passed.
_LEAVE_AT_ONCE = " observe layer4 error-limit 1 on-error mark-down"


def render(state: EdgeState) -> str:
    """Write the whole configuration file."""
    backends = [state.backends[name] for name in sorted(state.backends)]
    lines = [f"{_MARK} {state.generation}", f"{_STATE}{state.to_json()}"]
    room = max((_header_bytes(backend) for backend in backends), default=0)
    if room > _HEADER_BYTES:
        # Twice: HAProxy can answer 431 only to what it can read (tune.bufsize).
        lines += ["global", f"  tune.bufsize {2 * room}"]
    lines.append(_HEAD.rstrip())
    redirected = _redirected(backends)
    for port in sorted({b.port for b in backends} | _plain_port(redirected)):
        lines += _frontend(
            port, [b for b in backends if b.port == port], redirected if port == _HTTP else []
        )
    if not backends:
        lines += ["listen idle", "  bind unix@/state/run/idle.sock"]
    for backend in backends:
        lines += _backend(backend, room)
        if backend.keeps_connections:
            lines += [*_backend(backend, room, kept=True), *_again(backend)]
        lines += _redirect(backend) if backend.redirect_from else ()
        lines += _named(backend) if backend.named else ()
    for port in sorted(
        {b.port for b in backends if b.protocol == "http"} | _plain_port(redirected)
    ):
        served = [b for b in backends if b.port == port] or redirected
        lines += _handover(f"handover-{port}", _handover_socket(port), served)
    if redirected:
        lines += [f"backend {_TO_HTTPS}", "  http-request redirect scheme https code 308"]
    lines += ["backend none", "  http-request return status 404 content-type text/plain string"]
    lines[-1] += ' "No service is routed here.\\n"'
    text = "\n".join(lines) + "\n"
    return f"{text}{_CHECKSUM}{_checksum(text)}\n"


def parse(text: str) -> EdgeState:
    """Read the state from a configuration file that `render` wrote, or from image/empty.cfg.

    Raises:
        ValueError: the state is damaged, has another format, or lacks a service that has a route in
            the directives: a new file would take it away.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"the file has {len(text)} characters")
    number = _GENERATION.match(text)
    generation = int(number[1]) if number else 0
    # Only a line feed ends a line here: the state's texts may have other separators.
    states = [line for line in text.split("\n") if line.startswith(_STATE)]
    if len(states) > 1:
        raise ValueError(f"{len(states)} lines say that they are it")
    content, _, checksum = text.rpartition(_CHECKSUM)
    written = EdgeState(
        generation=generation,
        backends=decode_backends(states[0].removeprefix(_STATE)) if states else {},
        edited=checksum.strip() != _checksum(content) if states else generation > 0,
    )
    lost = set(_SERVICE.findall(text)) - set(_SERVICE.findall(render(written)))
    if lost:
        raise ValueError(f"it does not know {', '.join(sorted(lost)[:3])[:200]}, which has a route")
    if not states:
        return written
    # Another version of deploy-action writes the same state in other words.
    outdated = not written.edited and render(written) != text
    return dataclasses.replace(written, outdated=outdated)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _redirected(backends: list[Backend]) -> list[Backend]:
    """Return the services on port 443 whose requests to port 80 are redirected to https."""
    plain = [b for b in backends if b.port == _HTTP]
    if any(b.tls or b.protocol == "tcp" for b in plain):
        return []
    return [b for b in backends if b.tls and b.port == _HTTPS and b.protocol == "http"]


def _frontend(port: int, backends: list[Backend], redirected: list[Backend]) -> Iterator[str]:
    tcp = any(backend.protocol == "tcp" for backend in backends)
    tls = any(backend.tls for backend in backends)
    yield f"frontend {'tcp' if tcp else 'https' if tls else 'http'}-{port}"
    if tcp:
        yield "  mode tcp"
    options = _tls_options(backends, alpn=not tcp) if tls else ""
    addresses = _bound(backends, redirected)
    for address in addresses:
        v6 = ":" in address
        yield f"  bind {f'[{address}]' if v6 else address}:{port}{' v6only' * v6}{options}"
    if not addresses:
        yield f"  bind :{port}{options}"
        # The edge's entry point sets it where the host has IPv6 (configuration manual, 2.4).
        yield '  .if streq("$EDGE_IPV6",1)'
        yield f"  bind [::]:{port} v6only{options}"
        yield "  .endif"
    if tls or not tcp:
        # Only containers with the state volume can connect there: root, and HAProxy's workers.
        yield f"  bind unix@{plain_socket(port)} mode 660 group haproxy"
    if not tcp:
        yield f"  bind unix@{_handover_socket(port)} accept-proxy mode 660 group haproxy"
    # Of the port's services; only a frontend can set it for the service that answers.
    yield f"  timeout client {_milliseconds(_longest_silence(backends or redirected))}"
    if tcp:
        yield f"  default_backend {backends[0].name}"
        return
    yield "  http-response set-timeout client var(txn.idle) if { var(txn.idle) -m found }"
    yield f"  http-request set-var(txn.scheme) str({'https' if tls else 'http'})"
    # RFC 9112, 3.2: whoever routes by name must not guess one.
    yield "  http-request deny deny_status 400 if { req.ver 1.1 } !{ req.hdr(host) -m found }"
    # A connection that is kept open stays with its worker over a reload; later requests on it go to
    # the present worker, which knows the present servers.
    yield f"  use_backend handover-{port} if {{ stopping }}"
    yield from _SHARING
    for backend in (*backends, *redirected):
        if path := backend.path.rstrip("/"):
            yield f"  acl path-{backend.name} path {_argument(path)}"
            yield f"  acl path-{backend.name} path_beg {_argument(f'{path}/')}"
    routes = [
        *(route for backend in backends for route in _routes(backend, backend.name)),
        *(route for backend in redirected for route in _routes(backend, _TO_HTTPS)),
    ]
    for route in sorted(routes, key=lambda route: (*_breadth(route), route.target)):
        yield from _use_backend(route, addresses)
    yield "  default_backend none"


def _bound(backends: Collection[Backend], redirected: Collection[Backend]) -> tuple[str, ...]:
    """Return the addresses on which a port's services want to be reached; empty for all."""
    wanted = [backend.bind for backend in (*backends, *redirected)]
    return tuple(sorted({*itertools.chain(*wanted)})) if all(wanted) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """Where a frontend sends the requests for one host name of a backend; `secondary` if another
    service may have them."""

    backend: Backend
    name: str
    target: str
    secondary: bool


def _routes(backend: Backend, target: str) -> Iterator[_Route]:
    for names, to in (
        ((backend.host, *backend.hosts), target),
        (backend.redirect_from, _canonical(backend)),
    ):
        for name in names:
            yield _Route(backend=backend, name=name, target=to, secondary=target == _TO_HTTPS)


def _breadth(route: _Route) -> tuple[object, ...]:
    """Sort the most specific route first: a name before a wildcard before any host, a longer path
    before a shorter one, and a service before a redirect to https."""
    wildcard = len(route.name) if route.name.startswith("*.") else 0
    path = len(route.backend.path.rstrip("/"))
    return not route.name, wildcard > 0, -wildcard, -path, route.secondary


def _plain_port(redirected: list[Backend]) -> set[int]:
    return {_HTTP} if redirected else set()


def _tls_options(backends: list[Backend], *, alpn: bool) -> str:
    certificates = sorted({b.certificate for b in backends if b.certificate})
    files = " ".join(f"crt {_argument(f'/state/{path}')}" for path in certificates)
    protocols = " alpn h2,http/1.1" if alpn else ""
    return f" ssl {files}{protocols}"


def _use_backend(route: _Route, addresses: Collection[str]) -> Iterator[str]:
    """Write when a route's service answers.

    Args:
        addresses: on which the port listens; empty for all.
    """
    conditions = []
    if route.name:
        how = "-i -m end" if route.name.startswith("*.") else "-i"
        name = without_dot(route.name).removeprefix("*")
        names = f"{_argument(name)} {_argument(f'{name}.')}"
        conditions.append(f"{{ req.hdr(host),host_only {how} {names} }}")
    if route.backend.path.rstrip("/"):
        conditions.append(f"path-{route.backend.name}")
    alternatives = [conditions]
    bind = route.backend.bind
    if bind and set(bind) != set(addresses):
        # What comes by a socket, as our own checks do, has no destination.
        at = f"{{ dst {' '.join(map(_argument, bind))} }}"
        alternatives = [[*conditions, at], [*conditions, "!{ dst -m found }"]]
    if route.target == route.backend.name and route.backend.keeps_connections:
        shared = [[*all_of, *_MAY_SHARE] for all_of in alternatives]
        yield f"  use_backend {kept_name(route.target)}{_if_any(shared)}"
    yield f"  use_backend {route.target}{_if_any(alternatives)}"


def _if_any(alternatives: list[list[str]]) -> str:
    condition = " || ".join(" ".join(all_of) for all_of in alternatives)
    return f" if {condition}" if condition else ""


def _canonical(backend: Backend) -> str:
    """Return the name of the backend that redirects; no service or environment has a dot."""
    return f"{backend.name}.redirect"


def _handover(name: str, socket: str, served: Collection[Backend]) -> Iterator[str]:
    """Pass requests of a worker from before a reload on to the present one."""
    yield f"backend {name}"
    yield "  option http-server-close"
    yield f"  timeout server {_milliseconds(_longest_silence(served))}"
    yield f"  timeout tunnel {_milliseconds(max(b.timeouts.tunnel_seconds for b in served))}"
    # By the PROXY protocol the present worker learns who the client is.
    yield f"  server next unix@{socket} send-proxy-v2"


def _named(backend: Backend) -> Iterator[str]:
    """Take what comes by the service's name on users' networks, whatever host and path it is for."""
    socket, handover = name_socket(backend.name), f"{backend.name}.handover"
    yield f"frontend {backend.name}.name"
    # Who reaches the socket reaches a port of the service; the user's number may be another one there.
    yield f"  bind unix@{socket} accept-proxy mode 666"
    yield f"  timeout client {_milliseconds(_longest_silence([backend]))}"
    if backend.protocol == "tcp":
        yield "  mode tcp"
        yield f"  default_backend {backend.name}"
        return
    yield "  http-response set-timeout client var(txn.idle) if { var(txn.idle) -m found }"
    yield "  http-request set-var(txn.scheme) str(http)"
    yield f"  use_backend {handover} if {{ stopping }}"
    yield f"  default_backend {backend.name}"
    yield from _handover(handover, socket, [backend])


def _again(backend: Backend) -> Iterator[str]:
    """Take what is repeated because no server answered it on a kept connection."""
    yield f"frontend {backend.name}.again"
    yield f"  bind unix@{again_socket(backend.name)} mode 660 group haproxy"
    yield f"  timeout client {_milliseconds(_longest_silence([backend]))}"
    yield "  http-response set-timeout client var(txn.idle) if { var(txn.idle) -m found }"
    yield f"  http-request set-var(txn.scheme) str({'https' if backend.tls else 'http'})"
    yield f"  default_backend {backend.name}"


def _redirect(backend: Backend) -> Iterator[str]:
    yield f"backend {_canonical(backend)}"
    yield from _proof(backend, "")
    yield from _hsts(backend)
    # 308 keeps the method and the body (RFC 9110, 15.4.9); a prefix keeps path and query.
    yield f"  http-request redirect prefix {_format(backend.redirect_to)} code 308"


def _backend(backend: Backend, room: int, *, kept: bool = False) -> Iterator[str]:
    """Write one of HAProxy's backends for a service.

    Args:
        room: as for `_limits`.
        kept: for requests that may be repeated: connections to replicas are kept and shared. All
            other requests get a connection of their own, because a replica may close a kept one
            at the very moment in which a request is sent on it. Where no server is left here,
            the other backend gets the request: it is more patient and has servers in reserve.
    """
    yield f"backend {kept_name(backend.name) if kept else backend.name}"
    # A hash keeps a client on its server while weights change, except for the shifted share; clients
    # without the cookie or header are spread by round robin (configuration manual, balance hash).
    yield (
        f"  balance hash {_argument(backend.sticky)}" if backend.sticky else "  balance roundrobin"
    )
    if backend.sticky:
        yield "  hash-type consistent sdbm avalanche"
    yield "  option allbackups"
    if backend.protocol == "tcp":
        yield "  mode tcp"
    else:
        yield from _forwarded(backend.trusted_proxies)
        yield from _KEPT if kept else _CLOSED
        yield from _proof(backend, "%[srv_name]")
        yield from _limits(backend, room)
        yield from _hsts(backend)
    if backend.maintenance and backend.protocol == "http":
        yield (
            "  http-request return status 503 content-type text/html "
            f"file {_argument(f'/state/{backend.maintenance}')} hdr Retry-After {_RETRY_AFTER_SECONDS}"
        )
    yield from _timeouts(backend)
    yield f"  timeout check {backend.check.timeout}ms"
    if backend.check.kind == "http":
        headers = " ".join(
            f"hdr {_argument(k)} {_format(v)}" for k, v in backend.check.headers.items()
        )
        yield "  option httpchk"
        yield f"  http-check send meth GET uri {_argument(backend.check.path)} ver HTTP/1.1 {headers}"
        yield "  http-check expect status 200-299"
    for server in backend.servers:
        if not (kept and server.backup):
            options = server_options(backend, server, kept=kept)
            yield f"  server {server.name} {server.address}:{server.port} weight {server.weight}{options}"
    if kept:
        yield f"  server again unix@{again_socket(backend.name)} backup{_OWN_CONNECTIONS}"


def _header_bytes(backend: Backend) -> int:
    return _HEADER_BYTES if backend.header_bytes is None else backend.header_bytes


def _limits(backend: Backend, room: int) -> Iterator[str]:
    """Refuse requests that are too large, without waiting for a body that says its length.

    Only a request that does not say it is looked at until its body begins. HTTP/2 gives a tunnel
    (a WebSocket) the header Upgrade, which no HTTP/2 client can send itself (RFC 9113, 8.2.2).

    Args:
        room: the largest headers that any service wants. HAProxy's own limit does for the default.
    """
    largest = _header_bytes(backend)
    if room > _HEADER_BYTES or largest < _HEADER_BYTES:
        yield "  http-request set-var(txn.line) url,length"
        yield _refuse(431, "headers", f"{{ req.hdrs,length,add(txn.line) gt {largest} }}")
    if backend.body_bytes is None:
        return
    yield _refuse(413, "body", f"{{ req.body_size gt {backend.body_bytes} }}")
    yield "  acl has-length req.fhdr(content-length) -m found"
    yield "  acl is-tunnel req.hdr(upgrade) -m found"
    yield (
        f"  http-request wait-for-body time {_BODY_SECONDS}s at-least 1"
        " unless has-length || is-tunnel { fc_http_major 2 }"
    )
    yield _refuse(411, "body", "!has-length { req.body_size gt 0 }")


def _refuse(status: int, key: str, condition: str) -> str:
    text = f"Refused by limits.{key} of this service."
    return (
        f"  http-request return status {status} content-type text/plain"
        f" string {_argument(text)} if {condition}"
    )


def _proof(backend: Backend, server: str) -> Iterator[str]:
    """Write who answered into the answer to a request with the token, and to no other one.

    The application gets no token, so that nothing but this backend can give the answer.
    """
    known = f"{{ var(txn.token) -m str {backend.probe_token} }}"
    yield f"  http-request set-var(txn.token) req.hdr({PROBE_HEADER})"
    yield f"  http-request del-header {PROBE_HEADER}"
    yield f"  http-after-response del-header {SERVED_BY_HEADER}"
    if backend.probe_token:
        value = f"{backend.name}/{server}"
        yield f"  http-after-response set-header {SERVED_BY_HEADER} {value} if {known}"


def _hsts(backend: Backend) -> Iterator[str]:
    """Write the header into answers by HTTPS, and into no other one (RFC 6797, 7.2)."""
    if backend.hsts:
        yield (
            f"  http-after-response set-header Strict-Transport-Security {_format(backend.hsts)}"
            " if { var(txn.scheme) -m str https }"
        )


def server_options(backend: Backend, server: Server, *, kept: bool) -> str:
    """Write a server's options, for the file and for the runtime API.

    A server that is down is checked every 25 ms and one that is about to change its state every
    50 ms, or every `interval` where that is shorter; one that is up every second or `interval`.
    """
    options = " proto h2" if server.h2 else ""
    if kept:
        # Nothing would bring back a server that is not checked, so it is never taken out.
        options += _KEPT_CONNECTIONS + _LEAVE_AT_ONCE if server.check else _OWN_CONNECTIONS
    if server.backup:
        return f" backup{options}"
    if not server.check:
        return options
    check = backend.check
    up = max(_UP_INTERVAL, check.interval)
    changing, down = min(check.interval, _CHANGING_INTERVAL), min(check.interval, _DOWN_INTERVAL)
    return (
        f" check inter {up} fastinter {changing} downinter {down}"
        f" rise {check.successes} fall {check.failures}{options}"
    )


def _forwarded(trusted_proxies: Collection[str]) -> Iterator[str]:
    """Write what the application is told about the client: what the edge knows, and what a trusted
    proxy says. Sockets have no address: what comes there was told by an edge."""
    yield "  acl from-network src -m found"
    untrusted = "from-network"
    if trusted_proxies:
        yield f"  acl from-proxy src {' '.join(map(_argument, trusted_proxies))}"
        untrusted += " !from-proxy"
    yield f"  http-request del-header {_argument(_FORWARDED)} -m reg if {untrusted}"
    yield (
        "  http-request set-header X-Forwarded-Proto %[var(txn.scheme)]"
        " unless { req.hdr(X-Forwarded-Proto) -m found }"
    )
    yield "  option forwardfor"


def _timeouts(backend: Backend) -> Iterator[str]:
    timeouts = backend.timeouts
    idle, request = _milliseconds(timeouts.idle_seconds), _milliseconds(timeouts.request_seconds)
    if backend.protocol == "tcp":
        yield f"  timeout server {idle}"
    else:
        yield f"  timeout server {request}"
        yield f"  http-request set-var(txn.idle) int({idle.removesuffix('ms')})"
        yield f"  http-response set-timeout server {idle}"
    yield f"  timeout tunnel {_milliseconds(timeouts.tunnel_seconds)}"


def _longest_silence(backends: Collection[Backend]) -> float:
    return max(max(b.timeouts.request_seconds, b.timeouts.idle_seconds) for b in backends)


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _handover_socket(port: int) -> str:
    return f"/state/run/handover-{port}.sock"


def _argument(text: str) -> str:
    """Quote an argument: strong quotes protect everything except themselves (manual, 2.2)."""
    return "'" + text.replace("'", "'\\''") + "'"


def _format(text: str) -> str:
    """Quote an argument that HAProxy expands as a log format (manual, 8.2.6)."""
    return _argument(text.replace("%", "%%"))
