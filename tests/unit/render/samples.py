"""A release, deployments and results to show, one of each kind."""

from __future__ import annotations

from deploy_action.releases.model import Deployment, HostOutcome, Kind, Phase, Release, State

RELEASE = Release(
    service="shop",
    environment="production",
    version="1.4.2",
    image="ghcr.io/acme/shop",
    digest="sha256:" + "ab" * 32,
    config={"port": 8080},
    commit="0123456789abcdef0123456789abcdef01234567",
)

DEPLOYED = Deployment(
    id="d-7",
    number=7,
    kind=Kind.DEPLOY,
    release=RELEASE,
    previous="aaaaaaaaaaaa",
    previous_version="1.4.1",
    actor="Ada",
    reason="ticket 12",
    started_at="2026-05-01T12:00:03.25+00:00",
    ended_at="2026-05-01T12:00:15+00:00",
    duration_seconds=12.3,
    state=State.SUCCEEDED,
    hosts={"a": HostOutcome.DEPLOYED, "b": HostOutcome.DEPLOYED},
    phases=(
        Phase(name="pull", host="a", start_seconds=0, end_seconds=2),
        Phase(name="verify", host="a", start_seconds=2, end_seconds=6),
        Phase(name="switch", host="b", start_seconds=11.99, end_seconds=12.3),
    ),
    requests_sent=1000,
    requests_lost=0,
)


def failed(cause: str = "a: the container exited with 1") -> Deployment:
    """Return a deployment that was undone."""
    return Deployment(
        id="d-8",
        number=8,
        kind=Kind.DEPLOY,
        release=RELEASE,
        previous_version="1.4.1",
        actor="Ada",
        started_at="2026-05-01T12:00:03+00:00",
        ended_at="2026-05-01T12:00:07+00:00",
        duration_seconds=4.1,
        state=State.FAILED,
        cause=cause,
        hosts={"a": HostOutcome.RESTORED, "b": HostOutcome.UNKNOWN},
    )
