"""The ledger: entries survive the way to the disk and back, and name the right way back."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from tests.fakes.values import digest_of

from deploy_action.releases.ledger import (
    Ledger,
    current_at,
    current_deployment,
    decode,
    encode,
    merge,
    previous_stable,
    with_version,
)
from deploy_action.releases.model import Deployment, HostOutcome, Kind, Phase, Release, State

Story = list[tuple[Kind, str, State]]
D, R = Kind.DEPLOY, Kind.ROLLBACK
OK, BAD, RUN = State.SUCCEEDED, State.FAILED, State.RUNNING


def release(version: str, **changes: object) -> Release:
    made = Release(
        service="shop",
        environment="production",
        version=version,
        image="ghcr.io/acme/shop",
        digest=digest_of(version),
        config={"name": "production"},
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def entry(number: int, kind: Kind, version: str, state: State) -> Deployment:
    return Deployment(
        id=f"d{number}",
        number=number,
        kind=kind,
        release=release(version),
        actor="ada",
        started_at=f"2026-01-01T00:{number:02d}:00+00:00",
        ended_at=f"2026-01-01T00:{number:02d}:30+00:00",
        state=state,
        hosts={"local": HostOutcome.DEPLOYED},
        phases=(Phase(name="start", host="local", start_seconds=0.0, end_seconds=1.0),),
        warnings=("a note",),
    )


def told(story: Story) -> list[Deployment]:
    return [entry(number, *rest) for number, rest in enumerate(story, 1)]


def test_an_entry_is_the_same_after_writing_and_reading() -> None:
    """Nothing is lost on the way to a file and back."""
    before = entry(1, D, "1", OK)
    assert decode(encode(before)) == before


def test_keys_of_a_newer_version_are_ignored() -> None:
    """An older deploy-action reads what a newer one wrote."""
    text = encode(entry(1, D, "1", OK)).replace(b'"actor"', b'"brand_new": 1, "actor"')
    assert decode(text).actor == "ada"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 1, "release": 1}', b'{"format": 2}', b"{}", b"\xff"],
)
def test_what_is_no_entry_is_told_apart(content: bytes) -> None:
    """A torn file is an error that names itself, never a half-read entry."""
    with pytest.raises(ValueError, match="not a ledger entry"):
        decode(content)


@pytest.mark.parametrize(
    ("story", "wanted"),
    [
        ([], None),
        ([(D, "1", OK)], None),
        ([(D, "1", OK), (D, "2", OK)], "1"),
        ([(D, "1", OK), (D, "2", BAD)], None),
        ([(D, "1", OK), (D, "2", OK), (D, "3", BAD), (D, "4", BAD)], "1"),
        ([(D, "1", OK), (D, "2", OK), (D, "3", RUN)], "1"),
        ([(D, "1", OK), (D, "2", OK), (R, "1", OK)], None),
        ([(D, "0", OK), (D, "1", OK), (D, "2", OK), (R, "1", OK)], "0"),
        ([(D, "0", OK), (D, "1", OK), (D, "2", OK), (R, "0", OK)], None),
        ([(D, "1", OK), (D, "2", OK), (R, "1", OK), (D, "3", OK)], "1"),
        ([(D, "1", OK), (D, "2", OK), (R, "1", BAD)], "1"),
        ([(D, "1", OK), (D, "2", OK), (R, "1", OK), (D, "2", OK)], "1"),
    ],
)
def test_a_rollback_goes_to_the_last_stable_release_and_never_to_one_that_was_left(
    story: Story, wanted: str | None
) -> None:
    """Failed attempts do not count, and a release that a rollback left is not returned to."""
    found = previous_stable(told(story))
    assert (found.release.version if found else None) == wanted


def test_a_rollback_with_rotated_secrets_still_leaves_the_bad_release_behind() -> None:
    """The release made live has another id than the one asked for; `restores` says which."""
    entries = told([(D, "1", OK), (D, "2", OK), (R, "1", OK)])
    target = entries[0].release
    rotated = dataclasses.replace(target, secrets={"TOKEN": "new"})
    assert rotated.id != target.id
    entries[2] = dataclasses.replace(entries[2], release=rotated, restores=target.id)
    assert previous_stable(entries) is None


def test_what_is_live_is_the_last_that_succeeded() -> None:
    """Whatever failed or is still going on after it."""
    found = current_deployment(told([(D, "1", OK), (D, "2", BAD), (D, "3", RUN)]))
    assert found is not None
    assert found.release.version == "1"


def test_a_version_and_a_time_find_what_served() -> None:
    """The newest success of a version; the last success that had ended by a time."""
    entries = told([(D, "1", OK), (D, "2", OK), (D, "1", OK)])
    found = with_version(entries, "1")
    assert found is not None
    assert found.number == 3
    at = current_at(entries, datetime(2026, 1, 1, 0, 2, 45, tzinfo=UTC))
    assert at is not None
    assert at.number == 2
    assert current_at(entries, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_hosts_that_disagree_are_joined_with_the_finished_entry() -> None:
    """The first host that recorded a success decides; nothing is lost from either."""
    first = told([(D, "1", OK), (D, "2", OK)])
    second = told([(D, "1", OK), (D, "2", RUN)])
    joined = merge({"b": Ledger(entries=tuple(second)), "a": Ledger(entries=tuple(first))})
    assert [e.state for e in joined.entries] == [OK, OK]


def test_numbers_rise_past_a_damaged_entry() -> None:
    """A number that a torn file has is not given out again."""
    ledger = Ledger(entries=tuple(told([(D, "1", OK)])), damaged=("00000007.json",))
    assert ledger.highest == 7


def test_a_release_is_its_content() -> None:
    """Version, digest, configuration and secrets make the id; the commit does not."""
    base = release("1")
    assert base.id == release("1", commit="abc").id
    assert base.id != release("1", config={"name": "staging"}).id
    assert base.id != release("1", secrets={"A": "x"}).id
    assert base.id != release("1", digest="sha256:other").id
    assert base.reference == f"ghcr.io/acme/shop@{digest_of('1')}"
    assert release("1", local=True).reference == digest_of("1")
