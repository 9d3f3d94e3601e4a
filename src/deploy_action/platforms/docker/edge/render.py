"""The edge's state as HAProxy's configuration, and back: pure text, no edge is touched.

The state itself stands in the file as comments, and its last line is a checksum of all before it, so
that file and state cannot disagree without being noticed. The directives are those of the HAProxy 3.0
configuration manual.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from deploy_action.platforms.docker.edge.state import (
    Backend,
    Check,
    EdgeState,
    Server,
    backend_from_json,
    plain_socket,
)

__all__ = ["parse", "render", "server_options"]

_MARK = "# deploy-action"
_CHECKSUM = f"{_MARK}-checksum "
_STEADY_INTERVAL = 1000
_DOWN_INTERVAL = 25
_UNSURE_INTERVAL = 50
_HTTP = 80
_HTTPS = 443
_RETRY_AFTER_SECONDS = 60

_HEAD = """\
global
  stats socket /state/run/haproxy.sock mode 600 level admin expose-fd listeners
  log stdout format raw local0 notice
  hard-stop-after 1h
  user haproxy
  group haproxy
defaults
  log global
  mode http
  option dontlognull
  option redispatch 1
  option http-server-close
  option idle-close-on-response
  option forwardfor
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


def render(state: EdgeState) -> str:
    """Write the whole configuration file."""
    lines = [f"{_MARK} {state.generation}"]
    lines += [f"{_MARK}-backend {line}" for line in state.to_json().values()]
    lines += [_HEAD.rstrip()]
    backends = [state.backends[name] for name in sorted(state.backends)]
    moved = _redirected(backends)
    for port in sorted({b.port for b in backends} | _plain_port(moved)):
        own = [b for b in backends if b.port == port]
        lines += _frontend(port, own, moved if port == _HTTP else [])
    if not backends:
        lines += ["listen idle", "  bind unix@/state/run/idle.sock"]
    for backend in backends:
        lines += _backend(backend)
    for port in sorted({b.port for b in backends if b.protocol == "http"} | _plain_port(moved)):
        lines += [f"backend handover-{port}", f"  server next unix@{plain_socket(port)}"]
    if moved:
        # 308 keeps the method and the body (RFC 9110, 15.4.9).
        lines += ["backend redirect", "  http-request redirect scheme https code 308"]
    lines += ["backend none", "  http-request return status 404 content-type text/plain string"]
    lines[-1] += ' "No service is routed here.\\n"'
    text = "\n".join(lines) + "\n"
    return f"{text}{_CHECKSUM}{_checksum(text)}\n"


def parse(text: str) -> EdgeState:
    """Read the state back from a configuration file that `render` wrote.

    A file without a checksum, as an earlier version wrote it, is taken for what it was.
    """
    generation, backends = 0, {}
    for line in text.splitlines():
        if not line.startswith(_MARK):
            break
        rest = line.partition(" ")[2]
        if line.startswith(f"{_MARK}-backend "):
            backend = backend_from_json(line.removeprefix(f"{_MARK}-backend "))
            backends[backend.name] = backend
        else:
            generation = int(rest.removeprefix("deploy-action "))
    content, mark, checksum = text.rpartition(_CHECKSUM)
    edited = bool(mark) and checksum.strip() != _checksum(content)
    return EdgeState(generation=generation, backends=backends, edited=edited)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _redirected(backends: list[Backend]) -> list[Backend]:
    """Return the services whose plain requests are sent to https: those on the usual port."""
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
    yield _bind(port, backends, alpn=not tcp) if tls else f"  bind :{port}"
    if tls or not tcp:
        # Only those who hold the state volume can connect there.
        yield f"  bind unix@{plain_socket(port)} mode 600 user haproxy"
    if tcp:
        yield f"  default_backend {backends[0].name}"
        return
    if tls:
        yield "  http-request set-header X-Forwarded-Proto https"
    # A connection that is kept open stays with its process when that makes room for the next; a
    # request that comes on it later belongs to the servers of then.
    yield f"  use_backend handover-{port} if {{ stopping }}"
    # The most particular route first: a named host before any host, a longer path before a
    # shorter, and a service of its own before a redirect.
    routes = [(b, b.name) for b in backends] + [(b, "redirect") for b in redirected]
    for backend, target in sorted(
        routes,
        key=lambda r: (*_breadth(r[0]), r[1] == "redirect", r[1]),
    ):
        yield from _route(backend, target)
    yield "  default_backend none"


def _breadth(backend: Backend) -> tuple[bool, bool, int]:
    return not backend.host, backend.host.startswith("*."), -len(backend.path)


def _plain_port(moved: list[Backend]) -> set[int]:
    return {_HTTP} if moved else set()


def _bind(port: int, backends: list[Backend], *, alpn: bool) -> str:
    """Listen with TLS."""
    certificates = sorted({b.certificate for b in backends if b.certificate})
    files = " ".join(f"crt /state/{path}" for path in certificates)
    protocols = " alpn h2,http/1.1" if alpn else ""
    return f"  bind :{port} ssl {files}{protocols} ssl-min-ver TLSv1.2"


def _route(backend: Backend, target: str) -> Iterator[str]:
    conditions = []
    if backend.host.startswith("*."):
        end = backend.host.lower().removeprefix("*")
        conditions.append(f"{{ req.hdr(host),host_only -i -m end {end} }}")
    elif backend.host:
        conditions.append(f"{{ req.hdr(host),host_only -i {backend.host.lower()} }}")
    if backend.path.rstrip("/"):
        path = backend.path.rstrip("/")
        yield f"  acl path-{backend.name} path {path}"
        yield f"  acl path-{backend.name} path_beg {path}/"
        conditions.append(f"path-{backend.name}")
    condition = f" if {' '.join(conditions)}" if conditions else ""
    yield f"  use_backend {target}{condition}"


def _backend(backend: Backend) -> Iterator[str]:
    yield f"backend {backend.name}"
    # By hash a client stays where it is while weights move, but for those whom the move is about;
    # who cannot be told apart is spread in turns (configuration manual, balance hash).
    yield f"  balance hash {backend.sticky}" if backend.sticky else "  balance roundrobin"
    if backend.sticky:
        yield "  hash-type consistent sdbm avalanche"
    yield "  option allbackups"
    if backend.protocol == "tcp":
        yield "  mode tcp"
    else:
        # A replica that dies takes what it was asked with it. Only what changes nothing may be asked
        # again by a proxy (RFC 9110, 9.2.2); and it was not answered in part, as nothing came.
        yield "  http-request disable-l7-retry unless METH_GET"
    if backend.maintenance and backend.protocol == "http":
        yield (
            "  http-request return status 503 content-type text/html "
            f"file /state/{backend.maintenance} hdr Retry-After {_RETRY_AFTER_SECONDS}"
        )
    yield f"  timeout check {backend.check.timeout}ms"
    if backend.check.kind == "http":
        headers = " ".join(f"hdr {_quote(k)} {_quote(v)}" for k, v in backend.check.headers.items())
        yield "  option httpchk"
        yield f"  http-check send meth GET uri {_quote(backend.check.path)} ver HTTP/1.1 {headers}"
        yield "  http-check expect status 200-299"
    for server in backend.servers:
        yield (
            f"  server {server.name} {server.address}:{server.port} weight {server.weight}"
            f"{server_options(server, backend.check)}"
        )


def server_options(server: Server, check: Check) -> str:
    """Write how a server is checked; the same words serve the file and the runtime API.

    While a server is down it is looked at every 25 ms, and while it is not sure to be up every 50 ms,
    or every `interval` where that is shorter; once it is up a slower rhythm is enough.
    """
    if server.backup:
        return " backup"
    if not server.check:
        return ""
    steady = max(_STEADY_INTERVAL, check.interval)
    unsure, down = min(check.interval, _UNSURE_INTERVAL), min(check.interval, _DOWN_INTERVAL)
    return (
        f" check inter {steady} fastinter {unsure} downinter {down}"
        f" rise {check.successes} fall {check.failures}"
    )


def _quote(text: str) -> str:
    """Quote for HAProxy: strong quotes keep everything but themselves as it is."""
    return "'" + text.replace("'", "'\\''") + "'"


def servers_of(backends: Iterable[Backend]) -> Iterator[Server]:
    """Walk over all servers."""
    for backend in backends:
        yield from backend.servers
