"""What HAProxy's statistics say of a server, as HAProxy 3.0 prints them."""

from __future__ import annotations

from deploy_action.platforms.docker.edge.queries import server_statuses
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.session.queries import Response

HEAD = "# pxname,svname,status,weight,scur,stot,req_tot,hrsp_5xx,econ,eresp,wretr,wredis,rtime,"


def status(row: str) -> ServerStatus:
    """Read one server of the backend."""
    table = f"{HEAD}\nb,one,UP,100,{row},0,\n".encode()
    return server_statuses("b").read([Response(status="ok", content=table)])["one"]


def test_a_server_that_refuses_everything_has_failed_even_where_another_one_answered() -> None:
    """By experiment: 20 requests to a closed port beside a good server leave this row."""
    refusing = status("0,20,0,0,0,0,0,20")
    assert (refusing.requests, refusing.unanswered) == (20, 20)


def test_attempts_are_not_counted_twice() -> None:
    """28 requests to the only server, at a closed port: stot counts each of four attempts."""
    alone = status("0,112,0,0,28,0,84,0")
    assert (alone.requests, alone.unanswered) == (112, 112)
    good = status("0,30,28,3,0,0,0,2")
    assert (good.requests, good.unanswered, good.errors_5xx) == (30, 2, 3)


def test_a_tcp_server_has_connections_only() -> None:
    """Its columns of requests are empty."""
    refusing = status("0,10,,,0,0,0,10")
    assert (refusing.requests, refusing.unanswered) == (10, 10)


def test_both_backends_of_a_service_count() -> None:
    """Their requests add up, and an answer's time is that of all. The health is that of the backend
    that gets what the other one cannot serve."""
    tables = (
        f"{HEAD}check_status,\nb,one,UP,100,1,101,100,3,0,0,0,0,40,L7OK,\n\n"
        f"{HEAD}check_status,\nb.kept,one,DOWN,100,2,302,300,1,0,0,0,0,20,L7OK,\n"
        "b.kept,again,no check,1,0,9,9,0,0,0,0,0,20,,\n"
    )
    answer = Response(status="ok", content=tables.encode())
    statuses = server_statuses("b").read([answer])
    assert statuses.keys() == {"one"}
    one = statuses["one"]
    assert (one.sessions, one.requests, one.errors_5xx) == (3, 400, 4)
    assert one.response_milliseconds == 25
    assert one.up


def test_a_request_that_was_repeated_after_an_empty_answer_failed_once() -> None:
    """By experiment: HAProxy counts an empty answer in eresp once and in wretr twice."""
    repeated = status("0,5553,5430,0,0,123,246,0")
    assert (repeated.requests, repeated.unanswered) == (5553, 123)
