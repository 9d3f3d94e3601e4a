"""How certificates, redirects and maintenance stand in the edge's configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deploy_action.config.model import Certificate, Route
from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.edge.render import parse, render
from deploy_action.platforms.docker.edge.state import Backend, Check, EdgeState, name_socket
from deploy_action.platforms.docker.edge.transition import transition

CHECK = Check(kind="http")


def backend(name: str, **changes: Any) -> Backend:
    """Return a backend that ends TLS on 443, unless told otherwise."""
    route = {"host": "shop.test", "port": 443, "certificate": Certificate(secret="PEM")}
    known = {"certificate": f"certs/{name}/1.pem"} if changes.get("certificate", 1) else {}
    made = Backend.of(name, Route(**route | changes), "http", CHECK)  # type: ignore[arg-type]
    return dataclasses.replace(made, **known)  # type: ignore[arg-type]


def plain(name: str, **changes: Any) -> Backend:
    """Return a backend without TLS on port 80."""
    return backend(name, **{"port": 80, "certificate": None} | changes)


def lines(*backends: Backend) -> list[str]:
    """Return the configuration's lines."""
    return render(EdgeState(backends={b.name: b for b in backends})).splitlines()


def section(rendered: list[str], title: str) -> list[str]:
    """Return the lines of one section."""
    start = rendered.index(title) + 1
    body = rendered[start:]
    end = next((i for i, line in enumerate(body) if not line.startswith(" ")), len(body))
    return [line.strip() for line in body[:end]]


def routes(frontend: list[str]) -> list[str]:
    """Return where a frontend sends requests, other than to share connections, while it is not making
    room for the next process."""
    rules = [line for line in frontend if line.startswith("use_backend")]
    return [line for line in rules if "stopping" not in line and ".kept " not in line]


def test_tls_is_spoken_with_every_certificate_of_the_port() -> None:
    """Two services on 443 are told apart by their names; HTTP/2 is offered, old TLS is not."""
    found = section(lines(backend("a"), backend("b", host="b.test")), "frontend https-443")
    assert found[0] == (
        "bind :443 ssl crt '/state/certs/a/1.pem' crt '/state/certs/b/1.pem' alpn h2,http/1.1"
    )
    assert "http-request set-var(txn.scheme) str(https)" in found


def test_our_own_checks_have_a_way_without_tls_that_no_network_reaches() -> None:
    """Beside the TLS port there is a socket in the state volume, and only there."""
    rendered = lines(backend("a"), plain("b", host="b.test"))
    found = section(rendered, "frontend https-443")
    assert "bind unix@/state/run/edge-443.sock mode 660 group haproxy" in found


def test_what_a_process_keeps_open_is_handed_over_when_it_makes_room() -> None:
    """First of all rules, on every HTTP port, to the same port's socket; bytes stay where they are."""
    tcp = dataclasses.replace(plain("c"), protocol="tcp", port=5432)
    rendered = lines(backend("a"), plain("b", host="b.test"), tcp)
    for name, port in (("https-443", 443), ("http-80", 80)):
        rules = [x for x in section(rendered, f"frontend {name}") if x.startswith("use_backend")]
        assert rules[0] == f"use_backend handover-{port} if {{ stopping }}"
        assert section(rendered, f"backend handover-{port}") == [
            "option http-server-close",
            "timeout server 300000ms",
            "timeout tunnel 3600000ms",
            f"server next unix@/state/run/handover-{port}.sock send-proxy-v2",
        ]
    assert not any("stopping" in line for line in section(rendered, "frontend tcp-5432"))
    assert "backend handover-5432" not in rendered


def test_plain_requests_are_sent_to_https() -> None:
    """For the host of a service on 443, keeping method and body."""
    rendered = lines(backend("a"))
    assert (
        "use_backend redirect if { req.hdr(host),host_only -i 'shop.test' 'shop.test.' }"
        in section(rendered, "frontend http-80")
    )
    assert section(rendered, "backend redirect") == ["http-request redirect scheme https code 308"]


def test_a_service_on_port_80_keeps_its_requests() -> None:
    """The redirect takes only what no other service owns; a named host is before any host."""
    same = section(lines(backend("a"), plain("b")), "frontend http-80")
    assert routes(same)[0].startswith("use_backend b ")
    anybody = section(lines(backend("a"), plain("b", host="")), "frontend http-80")
    assert [line.split()[1] for line in routes(anybody)] == ["redirect", "b"]


@pytest.mark.parametrize(
    "backends",
    [
        (backend("a", port=8443),),
        (plain("a"),),
        (backend("a"), dataclasses.replace(plain("b"), protocol="tcp")),
        (backend("a"), backend("b", port=80, host="b.test")),
    ],
    ids=["another port", "no certificate", "port 80 is a TCP service's", "port 80 speaks TLS"],
)
def test_nothing_is_redirected_where_it_cannot_be(backends: tuple[Backend, ...]) -> None:
    """Only from the usual port to the usual port."""
    assert "backend redirect" not in lines(*backends)


def test_a_tcp_service_behind_tls_speaks_no_http() -> None:
    """The edge ends TLS for it and offers no HTTP protocol."""
    tcp = dataclasses.replace(backend("a", port=6380), protocol="tcp")
    found = section(lines(tcp), "frontend tcp-6380")
    assert found[:2] == [
        "mode tcp",
        "bind :6380 ssl crt '/state/certs/a/1.pem'",
    ]


def test_a_wildcard_route_takes_every_name_below_it() -> None:
    """`*.shop.test` is compared by its end, after the names that are given in full."""
    found = section(
        lines(plain("a", host="*.shop.test", path="/long"), plain("b")), "frontend http-80"
    )
    assert routes(found) == [
        "use_backend b if { req.hdr(host),host_only -i 'shop.test' 'shop.test.' }",
        "use_backend a if { req.hdr(host),host_only -i -m end '.shop.test' '.shop.test.' } path-a",
    ]


def test_the_state_comes_back_from_the_file() -> None:
    """Certificate and maintenance are read back as they were written."""
    closed = dataclasses.replace(backend("a"), maintenance="pages/a/1.html")
    state = EdgeState(generation=7, backends={"a": closed})
    assert parse(render(state)) == state


def test_a_renewed_certificate_is_one_reload() -> None:
    """So is opening and closing for maintenance."""
    old = backend("a")
    for changed in (
        dataclasses.replace(old, certificate="certs/a/2.pem"),
        dataclasses.replace(old, maintenance="pages/a/1.html"),
    ):
        assert transition(old, changed).reload


def test_what_belongs_to_the_host_outlives_releases() -> None:
    """A release that knows nothing of it keeps certificate and maintenance; its own wins."""
    old = dataclasses.replace(backend("a"), maintenance="pages/a/1.html")
    bare = dataclasses.replace(old, certificate="", maintenance="")
    assert bare.keeping(old) == old
    assert dataclasses.replace(bare, certificate="certs/a/2.pem").keeping(old).certificate == (
        "certs/a/2.pem"
    )
    assert bare.keeping(None) == bare


def test_maintenance_answers_instead_of_the_service() -> None:
    """With 503, the page and the time to come back; health checks go on."""
    closed = dataclasses.replace(plain("a"), maintenance="pages/a/1.html")
    assert (
        "http-request return status 503 content-type text/html "
        "file '/state/pages/a/1.html' hdr Retry-After 60"
    ) in section(lines(closed), "backend a")


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (plain("b", port=443), ErrorCode.PORT_TAKEN),
        (dataclasses.replace(backend("b"), protocol="tcp"), ErrorCode.PORT_TAKEN),
        (backend("b"), ErrorCode.ROUTE_TAKEN),
        (dataclasses.replace(backend("b"), host="Shop.Test."), ErrorCode.ROUTE_TAKEN),
        (dataclasses.replace(backend("b"), path="/api/"), None),
        (dataclasses.replace(backend("b"), host="b.example.com"), None),
        (dataclasses.replace(backend("b"), host="*.example.com"), None),
        (plain("b"), None),
    ],
)
def test_services_that_cannot_share_a_place_are_told(
    other: Backend, code: ErrorCode | None
) -> None:
    """The clash names the other service; HAProxy is not even asked."""
    other = dataclasses.replace(other, name="other_production")
    clash = EdgeState(backends={other.name: other}).clash(backend("a"))
    if clash is None:
        assert code is None
    else:
        assert (clash.code, clash.holder) == (code, "other_production")
        assert "other (production)" in clash.reason


def test_two_ways_of_writing_one_place_are_one() -> None:
    """A slash at the end, a dot at the end, capital letters."""
    one = dataclasses.replace(backend("a"), host="shop.example.com", path="/api")
    other = dataclasses.replace(backend("b"), host="Shop.Example.com.", path="/api/")
    assert one.places == other.places


def test_every_name_of_a_service_leads_to_it() -> None:
    """Names and wildcards of one service stand at their own rank among those of the others."""
    a = plain("a", hosts=("b.test", "*.shop.test", "*.eu.shop.test"), path="/api/")
    found = section(lines(a, plain("b", host="*.test")), "frontend http-80")
    assert routes(found) == [
        "use_backend a if { req.hdr(host),host_only -i 'shop.test' 'shop.test.' } path-a",
        "use_backend a if { req.hdr(host),host_only -i 'b.test' 'b.test.' } path-a",
        "use_backend a if { req.hdr(host),host_only -i -m end '.eu.shop.test' '.eu.shop.test.' } path-a",
        "use_backend a if { req.hdr(host),host_only -i -m end '.shop.test' '.shop.test.' } path-a",
        "use_backend b if { req.hdr(host),host_only -i -m end '.test' '.test.' }",
    ]
    assert found.count("acl path-a path_beg '/api/'") == 1


def test_other_names_are_redirected_to_the_first_one() -> None:
    """On the port of the service, and at once from plain requests to https."""
    moved = backend("a", redirect_from=("www.shop.test",))
    moved = dataclasses.replace(moved, redirect_to="https://shop.test")
    rendered = lines(moved)
    rule = (
        "use_backend a.redirect if { req.hdr(host),host_only -i 'www.shop.test' 'www.shop.test.' }"
    )
    assert rule in section(rendered, "frontend https-443")
    assert rule in section(rendered, "frontend http-80")
    redirect = section(rendered, "backend a.redirect")
    assert redirect[-1] == "http-request redirect prefix 'https://shop.test' code 308"


@pytest.mark.parametrize("key", ["hosts", "redirect_from"])
def test_every_name_of_a_service_is_its_own(key: str) -> None:
    """A name that is only redirected is taken too; the refusal says which one."""
    held = EdgeState(backends={"b_x": plain("b_x", **{key: ("b.test", "c.test.")})})
    clash = held.clash(plain("a", host="a.test", hosts=("C.test",)))
    assert clash is not None
    assert (clash.code, clash.holder) == (ErrorCode.ROUTE_TAKEN, "b_x")
    assert "c.test:80/" in clash.reason
    assert held.clash(plain("a", host="a.test")) is None
    assert parse(render(held)).backends == held.backends


def test_limits_stand_where_they_are_needed() -> None:
    """Not for a service without any, except beside one that has larger headers."""
    assert "req.hdrs" not in "".join(lines(plain("a")))
    large = dataclasses.replace(plain("b", host="b.test"), header_bytes=32 << 10)
    rendered = lines(plain("a"), large)
    assert section(rendered, "global")[0] == "tune.bufsize 65536"
    assert "{ req.hdrs,length,add(txn.line) gt 14336 }" in "".join(section(rendered, "backend a"))
    assert "{ req.hdrs,length,add(txn.line) gt 32768 }" in "".join(section(rendered, "backend b"))
    small = dataclasses.replace(plain("a"), header_bytes=2000, body_bytes=1 << 40)
    assert not any("tune.bufsize" in line for line in lines(small))
    state = EdgeState(backends={"a": small})
    assert parse(render(state)) == state


def test_a_service_with_a_name_has_a_way_of_its_own() -> None:
    """By a socket whatever the host name is, with what is kept open handed over as on a port."""
    socket = name_socket("a")
    rendered = lines(dataclasses.replace(plain("a", path="/x"), named=True))
    found = section(rendered, "frontend a.name")
    assert found[0] == f"bind unix@{socket} accept-proxy mode 666"
    assert found[-2:] == ["use_backend a.handover if { stopping }", "default_backend a"]
    assert section(rendered, "backend a.handover")[-1] == f"server next unix@{socket} send-proxy-v2"
    tcp = dataclasses.replace(plain("b", port=5432), protocol="tcp", named=True)
    assert section(lines(tcp), "frontend b.name")[-2:] == ["mode tcp", "default_backend b"]
    assert not any(".name" in line for line in lines(plain("a")))
    assert len(name_socket("x" * 100)) < 100


def test_hsts_is_written_as_a_text() -> None:
    """A forged state makes HAProxy evaluate nothing."""
    found = section(
        lines(dataclasses.replace(backend("a"), hsts="max-age=1%[env(X)]")), "backend a"
    )
    [line] = [line for line in found if "Strict-Transport-Security" in line]
    assert "'max-age=1%%[env(X)]'" in line


def test_a_port_is_open_where_its_services_are() -> None:
    """At the addresses of all; at every one as soon as a service has none, and then that one answers
    there alone. Our own checks come by a socket."""
    bound = dataclasses.replace(plain("a", host="a.test"), bind=("10.0.0.1", "2001:db8::1"))
    found = section(lines(bound), "frontend http-80")
    assert found[:2] == ["bind 10.0.0.1:80", "bind [2001:db8::1]:80 v6only"]
    assert not any("dst" in line or line.startswith("bind :") for line in found)
    found = section(lines(bound, plain("b", host="")), "frontend http-80")
    assert found[0] == "bind :80"
    named, at = (
        "{ req.hdr(host),host_only -i 'a.test' 'a.test.' }",
        "{ dst '10.0.0.1' '2001:db8::1' }",
    )
    assert routes(found) == [
        f"use_backend a if {named} {at} || {named} !{{ dst -m found }}",
        "use_backend b",
    ]
    anywhere = dataclasses.replace(bound, host="")
    found = section(lines(anywhere, plain("b", host="b.test")), "frontend http-80")
    assert routes(found)[-1] == (
        "use_backend a if { dst '10.0.0.1' '2001:db8::1' } || !{ dst -m found }"
    )
