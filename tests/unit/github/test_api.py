"""The client of GitHub's API: what it tries again, when it gives up, and what it says then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.clock import FakeClock
from tests.fakes.github_server import TOKEN, FakeGitHub, Fault, serving

from deploy_action.github.api import Api, ApiError, ApiResponse, ErrorKind, Pages
from deploy_action.inputs import Secret

COMMIT = "c" * 40
NEW = {"ref": COMMIT, "auto_merge": False, "required_contexts": [], "payload": {"version": "1"}}
NEEDS = "deployments: write"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A repository with one commit."""
    with serving(FakeGitHub(commits=[COMMIT])) as served:
        yield served


@pytest.fixture
def clock() -> FakeClock:
    """A clock that does not wait."""
    return FakeClock()


def api(github: FakeGitHub, clock: FakeClock, *, seconds: float = 30, token: str = TOKEN) -> Api:
    """Open a conversation with the repository."""
    secret = Secret(token)
    return Api(url=github.url, token=secret, repository="acme/shop", clock=clock, seconds=seconds)


def test_what_is_created_can_be_read(github: FakeGitHub, clock: FakeClock) -> None:
    """With the headers that GitHub asks for."""
    made = api(github, clock).post("deployments", NEW, needs=NEEDS)
    assert isinstance(made, ApiResponse)
    assert made.status == 201
    found = api(github, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiResponse)
    assert [entry["id"] for entry in found.data] == [made.data["id"]]


def test_a_list_is_read_to_its_end_or_to_its_limit(github: FakeGitHub, clock: FakeClock) -> None:
    """Page after page, and it is known when something was left out."""
    github.issues += [{"number": n, "state": "open"} for n in range(250)]
    everything = api(github, clock).pages("issues", needs="issues: read")
    assert isinstance(everything, Pages)
    assert (len(everything.entries), everything.cut) == (250, False)
    some = api(github, clock).pages("issues", needs="issues: read", most=150)
    assert isinstance(some, Pages)
    assert (len(some.entries), some.cut) == (150, True)


def test_an_enterprise_servers_api_is_below_a_path(clock: FakeClock) -> None:
    """As GITHUB_API_URL says there, for every page of a list."""
    server = FakeGitHub(prefix="/api/v3")
    server.issues += [{"number": n, "state": "open"} for n in range(150)]
    with serving(server) as served:
        found = api(served, clock).pages("issues", needs="issues: read")
    assert isinstance(found, Pages)
    assert len(found.entries) == 150


def test_a_next_page_elsewhere_is_not_asked_for(github: FakeGitHub, clock: FakeClock) -> None:
    """The token goes to the server that the runner named, and to no other."""
    link = {"Link": '<http://localhost:1/steal>; rel="next"'}
    github.faults.append(Fault(status=200, headers=link, body="[]"))
    found = api(github, clock).pages("issues", needs="issues: read")
    assert found == Pages(entries=())


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(
    github: FakeGitHub, clock: FakeClock, status: int
) -> None:
    """With growing pauses, a few times."""
    github.faults += [Fault(status=status)] * 2
    assert isinstance(api(github, clock).get("deployments", needs=NEEDS), ApiResponse)
    assert len(github.requests) == 3
    assert 1.5 <= clock.monotonic() < 2
    github.faults += [Fault(status=status)] * 9
    found = api(github, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert found.kind is ErrorKind.UNREACHABLE
    assert len(github.requests) == 3 + 5


def test_a_connection_that_breaks_is_made_again(github: FakeGitHub, clock: FakeClock) -> None:
    """What only reads, or changes to the same, is tried again."""
    github.faults.append(Fault(hangs_up=True))
    assert isinstance(api(github, clock).get("deployments", needs=NEEDS), ApiResponse)


@pytest.mark.parametrize(
    "fault", [Fault(status=502, after_doing=True), Fault(hangs_up=True, after_doing=True)]
)
def test_what_may_have_been_created_is_not_created_twice(
    github: FakeGitHub, clock: FakeClock, fault: Fault
) -> None:
    """GitHub did it and the answer was lost: a second one would be a second issue."""
    github.faults.append(fault)
    found = api(github, clock).post("issues", {"title": "x"}, needs="issues: write")
    assert isinstance(found, ApiError)
    assert len(github.issues) == 1


def test_what_may_be_there_twice_is_tried_again(github: FakeGitHub, clock: FakeClock) -> None:
    """Two equal statuses are as good as one; a missing one is not."""
    github.faults.append(Fault(status=502, after_doing=True))
    done = api(github, clock).post("deployments", NEW, needs=NEEDS, repeatable=True)
    assert isinstance(done, ApiResponse)
    assert len(github.deployments) == 2


def test_a_limit_that_passes_soon_is_waited_for(github: FakeGitHub, clock: FakeClock) -> None:
    """As long as GitHub says, by either header; nothing was done, so POST is repeated too."""
    reset = str(int(clock.now().timestamp()) + 12)
    github.faults += [
        Fault(status=429, headers={"Retry-After": "7"}),
        Fault(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}),
    ]
    assert isinstance(api(github, clock).post("deployments", NEW, needs=NEEDS), ApiResponse)
    assert 11 <= clock.monotonic() < 14
    assert len(github.deployments) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"Retry-After": "3600"}),
        Fault(status=403, body='{"message": "You have exceeded a secondary rate limit."}'),
        Fault(status=429),
    ],
)
def test_a_limit_that_lasts_ends_the_call_at_once(
    github: FakeGitHub, clock: FakeClock, fault: Fault
) -> None:
    """There is a deadline for everything, and no use in waiting up to it."""
    github.faults.append(fault)
    found = api(github, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert found.kind is ErrorKind.LIMITED
    assert clock.monotonic() < 1
    assert len(github.requests) == 1


@pytest.mark.parametrize(
    ("permissions", "body", "kind", "words"),
    [
        (
            {"deployments": "read"},
            NEW,
            ErrorKind.PERMISSION,
            "integration (HTTP 403); give the job permissions: {deployments: write}",
        ),
        (
            {"deployments": "write"},
            NEW | {"ref": "0" * 40},
            ErrorKind.INVALID,
            f"No ref found for: {'0' * 40} (HTTP 422)",
        ),
        (
            {"deployments": "write"},
            NEW | {"colour": "red"},
            ErrorKind.INVALID,
            "not a permitted key",
        ),
    ],
)
def test_a_refusal_says_why_and_what_to_do(
    github: FakeGitHub,
    clock: FakeClock,
    permissions: dict[str, str],
    body: dict[str, Any],
    kind: ErrorKind,
    words: str,
) -> None:
    """In GitHub's words, with the permission as a workflow writes it; once is enough."""
    github.permissions = permissions
    found = api(github, clock).post("deployments", body, needs=NEEDS)
    assert isinstance(found, ApiError)
    assert found.kind is kind
    assert words in str(found)
    assert len(github.requests) == 1


@pytest.mark.parametrize("token", ["wrong-token", "wrong\ntoken", "wröng"])
def test_a_wrong_token_is_told_and_never_shown(
    github: FakeGitHub, clock: FakeClock, token: str
) -> None:
    """Not even one that no header can hold."""
    found = api(github, clock, token=token).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert token not in str(found)
    assert "token" not in str(found).replace("the token is not valid", "")


def test_who_does_not_answer_is_named(clock: FakeClock) -> None:
    """Nobody listens there."""
    gone = FakeGitHub(url="http://127.0.0.1:1")
    found = api(gone, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert str(found).startswith("127.0.0.1 does not answer: Connection")


def test_a_redirect_is_not_followed(github: FakeGitHub, clock: FakeClock) -> None:
    """The token would go along."""
    github.faults.append(Fault(status=301, headers={"Location": "http://127.0.0.1:1/"}))
    found = api(github, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert len(github.requests) == 1


def test_an_answer_that_is_no_json_is_no_crash(github: FakeGitHub, clock: FakeClock) -> None:
    """A proxy's page between us and GitHub."""
    github.faults.append(Fault(status=403, body="<html>"))
    found = api(github, clock).get("deployments", needs=NEEDS)
    assert isinstance(found, ApiError)
    assert "HTTP 403" in str(found)


def test_a_netrc_does_not_take_the_tokens_place(
    github: FakeGitHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A self-hosted runner may have one for the same host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert isinstance(api(github, clock).get("deployments", needs=NEEDS), ApiResponse)
