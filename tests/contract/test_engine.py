"""The Engine protocol: what the core relies on, held by the fake and by Docker alike."""

from __future__ import annotations

import pytest
from tests.contract.bench import Bench, with_network

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.inputs import Secret
from deploy_action.platforms.docker.engine.protocol import (
    ContainerSpec,
    ImageMissing,
    NameTaken,
    NetworkSpec,
)

HEEDS = "trap 'exit 7' TERM; sleep 60 & wait"


def test_a_container_goes_from_created_to_running_to_exited_to_gone(bench: Bench) -> None:
    """Every act may be repeated: what is done already is left alone."""
    engine, made = bench.engine, bench.create("sleep 60")

    def status() -> str:
        found = engine.container(made)
        return "gone" if found is None else found.status

    assert status() == "created"
    for _ in range(2):
        engine.start(made)
        assert status() == "running"
    for _ in range(2):
        engine.kill(made)
        assert engine.wait(made, timeout_seconds=10) == 137
        assert status() == "exited"
    engine.start(made)
    assert status() == "running"
    for _ in range(2):
        engine.remove(made)
        assert status() == "gone"


def test_of_two_creations_by_name_one_wins(bench: Bench) -> None:
    """The lock is built on this."""
    made = bench.create("sleep 60")
    with pytest.raises(NameTaken):
        bench.create("sleep 60")
    by_name = bench.engine.container(f"{bench.name}-a")
    assert by_name is not None
    assert by_name.id == made


def test_containers_are_found_by_all_of_their_labels(bench: Bench) -> None:
    """Stopped ones too; an empty value stands for any."""
    made = {
        name: bench.create("sleep 60", name, labels={"contract": bench.name, "part": name})
        for name in ("a", "b")
    }
    whole = {c.id for c in bench.engine.containers({"contract": bench.name, "part": ""})}
    one = {c.id for c in bench.engine.containers({"contract": bench.name, "part": "b"})}
    assert whole == set(made.values())
    assert one == {made["b"]}
    assert bench.engine.containers({"contract": bench.name, "part": "c"}) == ()


def test_an_end_shows_its_exit_code_and_its_last_words(bench: Bench) -> None:
    """Both streams are kept after the end."""
    made = bench.run("echo first; echo second >&2; exit 3")
    assert bench.engine.wait(made, timeout_seconds=10) == 3
    found = bench.engine.container(made)
    assert found is not None
    assert (found.status, found.exit_code, found.running) == ("exited", 3, False)
    assert {"first", "second"} <= set(bench.engine.logs(made).split())


def test_a_secret_in_a_log_is_masked_where_it_enters(bench: Bench) -> None:
    """Nobody above the engine has to think of it."""
    Secret("swordfish7351")
    made = bench.run("echo swordfish7351; exit 1")
    assert bench.engine.wait(made, timeout_seconds=10) == 1
    assert "***" in bench.engine.logs(made)
    assert "swordfish" not in f"{bench.engine.logs(made)}{bench.engine.log_ends(made)}"


def test_only_as_many_lines_as_wanted_are_shown(bench: Bench) -> None:
    """The last ones."""
    made = bench.run("echo one; echo two; sleep 60")
    bench.until(lambda: "two" in bench.engine.logs(made), "the log")
    assert bench.engine.logs(made, lines=1).split() == ["two"]
    assert {"one", "two"} <= set(bench.engine.log_ends(made).split())


def test_waiting_for_what_goes_on_ends_in_time(bench: Bench) -> None:
    """None says that it still runs."""
    made = bench.run("sleep 60")
    assert bench.engine.wait(made, timeout_seconds=0.3) is None


@pytest.mark.parametrize(("script", "code"), [(HEEDS, 7), ("sleep 60", 137)])
def test_a_stop_asks_and_then_kills(bench: Bench, script: str, code: int) -> None:
    """A process that heeds the signal ends with its own code, another is killed."""
    made = bench.run(f"echo ready; {script}")
    bench.until(lambda: "ready" in bench.engine.logs(made), "its first word")
    for _ in range(2):
        bench.engine.stop(made, timeout_seconds=1)
        found = bench.engine.container(made)
        assert found is not None
        assert (found.status, found.exit_code) == ("exited", code)


@pytest.mark.parametrize(("script", "code"), [(HEEDS, 7), ("sleep 60", 137)])
def test_a_stop_goes_on_when_nobody_waits_for_it(bench: Bench, script: str, code: int) -> None:
    """Also when who asked for it is gone; the process has all of its time."""
    made = bench.run(f"echo ready; {script}")
    bench.until(lambda: "ready" in bench.engine.logs(made), "its first word")
    begun = bench.clock.monotonic()
    bench.engine.stop_async(made, timeout_seconds=1)
    # What was asked for is there once something later was answered.
    assert bench.engine.container(made) is not None
    bench.engine.close()

    def ended() -> bool:
        found = bench.engine.container(made)
        assert found is not None
        return (found.status, found.exit_code) == ("exited", code)

    bench.until(ended, "its end")
    assert code != 137 or bench.clock.monotonic() - begun >= 0.9


def test_the_restart_policy_can_be_changed(bench: Bench) -> None:
    """A candidate has none, what serves has one."""
    made = bench.run("sleep 60")
    seen = []
    for policy in ("unless-stopped", "no"):
        bench.engine.set_restart(made, policy)
        found = bench.engine.container(made)
        seen.append(found.restart if found is not None else None)
    assert seen == ["unless-stopped", "no"]


def test_a_name_can_be_changed_to_one_that_is_free(bench: Bench) -> None:
    """To the name that it has already, too; another's name is not to be had."""
    first, second = bench.run("sleep 60"), bench.create("true", name="b")
    bench.engine.rename(first, f"{bench.name}-c")
    bench.engine.rename(first, f"{bench.name}-c")
    found = bench.engine.container(first)
    assert found is not None
    assert (found.name, found.running) == (f"{bench.name}-c", True)
    with pytest.raises(NameTaken):
        bench.engine.rename(second, f"{bench.name}-c")
    bench.engine.rename(second, f"{bench.name}-a")
    assert bench.engine.container(f"{bench.name}-a") is not None


def test_what_is_told_to_remove_itself_does(bench: Bench) -> None:
    """Nobody has to come back for a lock that ended."""
    made = bench.run("exit 0", remove_at_end=True)
    bench.until(lambda: bench.engine.container(made) is None, "its removal")


def test_a_container_shows_what_it_was_made_with(bench: Bench) -> None:
    """Drift is found by comparing with this."""
    made = bench.create("sleep 60", env={"A": "1"}, memory_bytes=64 * 2**20, pids=50)
    found = bench.engine.container(made)
    image = bench.engine.image(bench.spec("").image)
    assert found is not None
    assert image is not None
    assert found.env["A"] == "1"
    assert (found.memory_bytes, found.pids) == (64 * 2**20, 50)
    assert found.image_id == image.id


def test_an_image_that_is_not_there_is_none_and_makes_no_container(bench: Bench) -> None:
    """Looking is no error; using is."""
    engine, absent = bench.engine, f"{bench.name}:none"
    assert engine.image(absent) is None
    engine.remove_image(absent)
    with pytest.raises(DeploymentFailed):
        bench.create("sleep 1", image=absent)


def test_an_image_has_as_many_names_as_one_gives_it(bench: Bench) -> None:
    """The last name takes it along; others leave it alone."""
    engine = bench.engine
    known = engine.image(bench.spec("").image)
    assert known is not None
    engine.tag(known.id, bench.name, "kept")
    named = engine.image(f"{bench.name}:kept")
    assert named is not None
    assert named.id == known.id
    engine.remove_image(f"{bench.name}:kept")
    assert engine.image(f"{bench.name}:kept") is None
    assert engine.image(bench.spec("").image) is not None


def test_a_name_that_keeps_an_image_is_seen_and_does_not_go_with_another(bench: Bench) -> None:
    """Each environment names the image of its releases, and removes only that name."""
    engine = bench.engine
    known = engine.image(bench.spec("").image)
    assert known is not None
    names = {f"{bench.name}:one", f"{bench.name}:two"}
    for name in names:
        engine.tag(bench.spec("").image, *name.split(":"))
    assert names <= engine.image_names()
    found = engine.image(known.id)
    assert found is not None
    assert names <= set(found.tags)
    engine.remove_image(f"{bench.name}:one")
    assert engine.image_names() & names == {f"{bench.name}:two"}
    engine.remove_image(f"{bench.name}:two")
    assert engine.image_names() & names == set()


def test_a_network_is_made_once_and_gives_fixed_addresses(bench: Bench) -> None:
    """Neither a name nor a subnet can be had twice; nor can an address, and the words say so."""
    engine = with_network(bench).engine
    subnet = engine.networks()[bench.name]
    assert not engine.create_network(
        bench.name, subnet="10.250.0.0/24", dynamic_range="10.250.0.0/25", labels={}
    )
    assert not engine.create_network(
        f"{bench.name}-2", subnet=subnet, dynamic_range=subnet, labels={}
    )
    address = f"{subnet.rsplit('.', 1)[0]}.77"
    fixed = (NetworkSpec(name=bench.name, address=address),)
    made = bench.run("sleep 60", "a", networks=fixed)
    found = engine.container(made)
    assert found is not None
    assert found.addresses[bench.name] == address
    assert address in engine.addresses(bench.name)
    with pytest.raises(DeploymentFailed) as refused:
        bench.run("sleep 60", "b", networks=fixed)
    assert refused.value.code is ErrorCode.ADDRESS_IN_USE


def test_an_address_is_known_as_long_as_its_container_is_there(bench: Bench) -> None:
    """Before its start and after its end too: it will have the same when it is started again."""
    engine = with_network(bench).engine
    address = f"{engine.networks()[bench.name].rsplit('.', 1)[0]}.78"
    made = bench.create("sleep 60", networks=(NetworkSpec(name=bench.name, address=address),))
    assert engine.addresses(bench.name) == {address}
    engine.start(made)
    engine.kill(made)
    assert engine.wait(made, timeout_seconds=10) == 137
    assert engine.addresses(bench.name) == {address}
    engine.remove(made)
    assert engine.addresses(bench.name) == frozenset()


def test_a_container_has_more_names_on_a_network(bench: Bench) -> None:
    """They are known before it runs, and on that network alone."""
    engine = with_network(bench).engine
    network = NetworkSpec(name=bench.name, aliases=("api", "shop"))
    bench.create("sleep 60", networks=(network,))
    names = engine.network_names(bench.name)
    assert {"api", "shop", f"{bench.name}-a"} <= names[f"{bench.name}-a"]
    assert engine.network_names("bridge").get(f"{bench.name}-a") is None


def test_a_container_joins_and_leaves_a_network_while_it_runs(bench: Bench) -> None:
    """Both can be repeated; networks are found by their labels."""
    engine = with_network(bench).engine
    made = bench.run("sleep 60")

    def networks() -> set[str]:
        found = engine.container(made)
        assert found is not None
        return set(found.addresses)

    before = networks()
    for _ in range(2):
        engine.connect_network(bench.name, made)
    assert networks() == before | {bench.name}
    for _ in range(2):
        engine.disconnect_network(bench.name, made)
    assert networks() == before
    assert set(engine.networks({"deploy-action.edge": bench.name})) == {bench.name}
    with pytest.raises(DeploymentFailed):
        engine.connect_network(f"{bench.name}-none", made)


def test_a_network_in_use_stays(bench: Bench) -> None:
    """To remove it, or what is not there, is no error."""
    engine = with_network(bench).engine
    bench.run("sleep 60", networks=(NetworkSpec(name=bench.name),))
    engine.remove_network(bench.name)
    assert bench.name in engine.networks()
    engine.remove_network(f"{bench.name}-none")


def test_a_volume_comes_with_the_container_that_names_it(bench: Bench) -> None:
    """To remove it twice is as good as once."""
    made = bench.create("sleep 60", binds=(f"{bench.name}:/state",))
    bench.engine.remove(made)
    for _ in range(2):
        bench.engine.remove_volume(bench.name)


@pytest.mark.parametrize("volumes", [False, True])
def test_anonymous_volumes_are_seen_and_go_with_their_container_only_when_told(
    bench: Bench, volumes: bool
) -> None:
    """What somebody named is not among them."""
    engine = bench.engine
    made = bench.create("sleep 60", binds=("/anonymous", f"{bench.name}:/named"))
    found = engine.container(made)
    assert found is not None
    assert list(found.anonymous_volumes) == ["/anonymous"]
    name = found.anonymous_volumes["/anonymous"]
    assert engine.has_volume(name)
    engine.remove(made, volumes=volumes)
    assert engine.has_volume(name) is not volumes
    assert engine.has_volume(bench.name)
    engine.remove_volume(name)
    assert not engine.has_volume(name)


@pytest.mark.parametrize(
    ("user", "read_only"), [("", False), ("1234:5", False), ("www-data", True)]
)
def test_files_are_there_before_a_container_starts_and_after_it_restarts(
    bench: Bench, user: str, read_only: bool
) -> None:
    """Only its user reads them, and its description does not have their content."""
    files = {"/run/secrets/one": Secret("first\n"), "/run/secrets/two": Secret("second")}
    made = bench.create(
        "test -r /run/secrets/one && exit 7",
        files=files,
        user=user,
        read_only=read_only,
        binds=("/run/secrets",) if read_only else (),
    )
    engine = bench.engine
    for _ in range(2):
        assert engine.read_file(made, "/run/secrets/one") == b"first\n"
        assert engine.read_file(made, "/run/secrets/two") == b"second"
        engine.start(made)
        assert engine.wait(made, timeout_seconds=10) == 7
    assert engine.read_file(made, "/run/secrets/three") is None
    assert engine.read_file("none", "/run/secrets/one") is None
    assert "second" not in repr(engine.container(made))
    engine.remove(made, volumes=True)


def test_an_image_that_is_missing_is_told_apart_from_other_refusals(bench: Bench) -> None:
    """The lock is created before anybody has looked whether its image is there."""
    spec = ContainerSpec(name=f"{bench.name}-a", image="deploy-action-no-such-image:0")
    with pytest.raises(ImageMissing):
        bench.engine.create(spec)


def test_a_command_in_a_container_says_how_it_ended(bench: Bench) -> None:
    """Its exit code and its output; 124 when it did not end in time."""
    made = bench.run("sleep 60")
    ended = bench.engine.execute(made, ("bash", "-c", "echo hello; exit 4"), timeout_seconds=10)
    assert (ended.exit_code, ended.output.split()) == (4, ["hello"])
    late = bench.engine.execute(made, ("bash", "-c", "sleep 30"), timeout_seconds=0.3)
    assert late.exit_code == 124


def test_nothing_can_be_run_where_nothing_runs(bench: Bench) -> None:
    """It is an error with words, not an exit code."""
    made = bench.create("sleep 60")
    with pytest.raises(DeploymentFailed):
        bench.engine.execute(made, ("true",), timeout_seconds=5)


def test_what_is_gone_cannot_be_started(bench: Bench) -> None:
    """A start of nothing must not look like a success."""
    made = bench.create("sleep 60")
    bench.engine.remove(made)
    with pytest.raises(DeploymentFailed):
        bench.engine.start(made)
    assert bench.engine.logs(made) == ""


def test_an_engine_says_who_it_is(bench: Bench) -> None:
    """Twice the same: two names of one engine are found out by it."""
    first, second = bench.engine.info(), bench.engine.info()
    assert first.identity
    assert first == second
