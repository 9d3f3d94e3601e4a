"""Deployments that succeed, in every shape that deploy.yaml can describe, on a real engine."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, await_step, docker, free_port, sandbox

from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker


def _inspect(box: Sandbox, what: str, name: str | None = None) -> str:
    return docker("inspect", "-f", what, name or box.serving_containers()[0]).strip()


def test_versions_follow_each_other_under_load_and_nothing_is_lost(box: Sandbox) -> None:
    """Up, up, back by hand, and back to a version by name: one story, no request lost."""
    box.deployed("1.0.0")
    with box.load(keep_alive=8, new=4, post=2, slow=1, slow_path="/slow?seconds=1") as stop:
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert box.serving() == "2.0.0"
        certificate = done.json["deployment"]
        back = box.run("rollback", "--reason", "the shop is slow")
        assert back.exit_code == 0, back.text
        assert box.serving() == "1.0.0"
        twice = box.run("rollback", "--from", "2.0.0")
        assert twice.json["result"] == "unchanged"
        again = box.run("rollback", "--to", "2.0.0")
        assert again.exit_code == 0, again.text
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert certificate["requests_sent"] > 0
    assert certificate["requests_lost"] == 0
    history = box.history()
    assert [(e["kind"], e["release"]["version"]) for e in history] == [
        ("rollback", "2.0.0"),
        ("rollback", "1.0.0"),
        ("deploy", "2.0.0"),
        ("deploy", "1.0.0"),
    ]
    assert history[1]["reason"] == "the shop is slow"


def test_the_edge_says_who_answered_only_to_who_has_its_token(box: Sandbox) -> None:
    """Nobody else learns it, and the application sees neither the question nor the answer."""
    box.deployed("1.0.0")
    configuration = docker("exec", box.edge, "cat", "/state/edge/haproxy.cfg")
    token = configuration.partition("var(txn.token) -m str ")[2].split()[0]

    def said(**headers: str) -> str | None:
        request = urllib.request.Request(f"{box.url}/echo", b"", dict(headers))
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert token not in answer.read().decode()
            value: str | None = answer.headers["X-Deploy-Action-Served-By"]
            return value

    [name] = box.serving_containers()
    assert said(**{"X-Deploy-Action-Probe": token}) == f"shop_production/{name}"
    assert said(**{"X-Deploy-Action-Probe": "guessed"}) is None
    assert said() is None


def test_posts_are_counted_and_a_release_that_fails_them_is_undone(box: Sandbox) -> None:
    """GETs of the health path never fail here, so whatever is lost is a POST."""
    box.deployed("1.0.0")
    box.configure(
        smoke=None,
        probe={"rate": 40, "post": {"path": "/echo", "body": "ping"}},
        bake="1s",
        # What the edge counts must not decide first.
        strategy={"analysis": {"limit": "100%"}},
    )
    done = box.deploy("2.0.0")
    assert done.exit_code == 0, done.text
    assert done.json["deployment"]["requests_sent"] > 0
    assert done.json["deployment"]["requests_lost"] == 0

    box.configure(env={"FAIL_RATE": "1"})
    bad = box.deploy("1.0.0")
    box.assert_survived(bad, serves="2.0.0", code="requests-lost", says=["POST /echo", "500"])
    assert "local: status 500" not in bad.text, "a GET was lost"
    entry = box.history()[0]
    assert 0 < entry["requests_lost"] < entry["requests_sent"]


def test_a_secret_reaches_the_container_and_nothing_else(box: Sandbox) -> None:
    """Not labels, ledger, output, process arguments or the edge; a rotated one is a new release."""
    value = "s3cret-of-the-shop"
    box.configure(
        secrets=["TOKEN"],
        smoke=[{"name": "home", "path": "/", "headers": {"Authorization": "Bearer ${TOKEN}"}}],
    )
    missing = box.deploy("1.0.0")
    assert missing.exit_code == 2, missing.text
    assert "TOKEN" in missing.text
    process = box.start("deploy", "--json", "--version", "1.0.0", env={"TOKEN": value})
    commands = ""
    while process.poll() is None:
        shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        commands += shown.stdout
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert value not in commands + out + err
    name = box.containers()[0]
    assert f"TOKEN={value}" in _inspect(box, "{{json .Config.Env}}", name)
    assert value not in _inspect(box, "{{json .Config.Labels}}", name)
    assert value not in docker(
        "exec", box.edge, "sh", "-c", "cat /state/edge/*.cfg /state/ledger/*/*/*.json"
    )
    rotated = box.deploy("1.0.0", env={"TOKEN": "another"})
    assert rotated.json["result"] == "deployed"
    back = box.run("rollback", env={"TOKEN": "another"})
    # The release before differs in its secret only, and today's value is what serves already.
    assert back.json["result"] == "unchanged", back.text


def test_the_container_is_what_deploy_yaml_says(box: Sandbox, tmp_path: Path) -> None:
    """Environment, limits, user, read-only, tmpfs, volumes, networks and labels."""
    network, volume = f"{box.edge}-extra", f"{box.edge}-data"
    docker("network", "create", network)
    try:
        box.configure(
            env={"LOG_LEVEL": "debug"},
            resources={"memory": "128m", "cpus": 0.5, "pids": 50},
            user="1234",
            read_only=True,
            tmpfs=["/tmp", "/scratch:size=16m,mode=1777"],
            ulimits={"nofile": 4096},
            shm_size="32m",
            cap_drop=["ALL"],
            extra_hosts=["db.test:10.0.0.5"],
            init=True,
            sysctls={"net.core.somaxconn": 1234},
            volumes=[f"{volume}:/data:ro"],
            networks=[network],
            labels={"team": "shop"},
        )
        box.deployed("1.0.0")
        found = json.loads(docker("inspect", box.containers()[0]))[0]
        host, config = found["HostConfig"], found["Config"]
        assert "LOG_LEVEL=debug" in config["Env"]
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (2**27, 5 * 10**8, 50)
        assert config["User"] == "1234"
        assert host["ReadonlyRootfs"] is True
        assert host["Tmpfs"] == {"/tmp": "", "/scratch": "size=16m,mode=1777"}
        assert host["CapDrop"] == ["ALL"]
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
        inside = box.inside(
            "ulimit -n; cat /proc/sys/net/core/somaxconn; grep -c db.test /etc/hosts; "
            "grep ' /scratch ' /proc/mounts; grep Cap /proc/self/status; grep NoNewPrivs /proc/1/status; "
            "df -k /dev/shm; touch /scratch/x && echo writable"
        )
        assert inside.splitlines()[:3] == ["4096", "1234", "1"]
        assert "size=16384k" in inside
        assert "CapBnd:\t0000000000000000" in inside
        assert "NoNewPrivs:\t1" in inside
        assert "32768" in inside
        assert "writable" in inside
        assert f"{volume}:/data:ro" in host["Binds"]
        assert set(found["NetworkSettings"]["Networks"]) == {box.network, network}
        assert config["Labels"]["team"] == "shop"
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert box.run("drift").exit_code == 0
    finally:
        box.clean()
        docker("network", "rm", network)
        docker("volume", "rm", volume)


def test_a_restarted_edge_comes_up_with_what_served_last(box: Sandbox) -> None:
    """The file is the durable truth: after a restart the same release is reached."""
    box.deployed("1.0.0")
    box.deployed("2.0.0")
    docker("restart", "-t", "1", box.edge)
    for _ in range(100):
        try:
            assert box.serving() == "2.0.0"
            break
        except OSError:
            time.sleep(0.05)
    else:
        pytest.fail("the edge did not come back")
    assert box.run("drift").exit_code == 0


def test_an_edge_whose_file_somebody_edited_is_drift_and_the_same_version_again_mends_it(
    box: Sandbox,
) -> None:
    """Under load; the running edge does what the file says afterwards, and no request is lost."""
    box.deployed("1.0.0")
    edit = "sed -i 's/timeout connect 2s/timeout connect 9s/' /state/edge/haproxy.cfg"
    docker("exec", box.edge, "sh", "-c", edit)
    drift = box.run("drift")
    assert drift.exit_code == 3, drift.text
    assert [each["kind"] for each in drift.json["differences"]] == ["edge-edited"]
    with box.unbroken():
        again = box.deploy("1.0.0")
        assert again.json["result"] == "unchanged", again.text
        assert "written anew" in " ".join(note["text"] for note in again.json["notes"])
    assert "connect 2s" in docker("exec", box.edge, "cat", "/state/edge/haproxy.cfg")
    assert box.run("drift").exit_code == 0


def test_a_canarys_share_is_true_and_a_bad_one_is_taken_back(box: Sandbox) -> None:
    """A tenth of the requests, then all; a canary that fails its requests is undone."""
    box.deployed("1.0.0")
    box.configure(strategy={"canary": [10], "pause": "3s"})
    with box.load(keep_alive=0, new=6, post=0, rate=300.0) as stop:
        process = box.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
        await_step(process, StepId.WATCH_CANARY)
        answered = [box.serving() for _ in range(200)]
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        share = answered.count("2.0.0") / len(answered)
        seen = stop()
    assert 0.04 <= share <= 0.18, share
    assert seen.lost == 0, f"{seen} {seen.examples}"
    box.configure(
        env={"FAIL_RATE": "0.5"},
        smoke=None,
        probe=False,
        strategy={"canary": [10], "pause": "3s", "analysis": {"burst": "1s"}},
    )
    with box.load(keep_alive=0, new=6, post=0, rate=300.0):
        bad = box.deploy("1.0.0")
    assert bad.exit_code == 4, bad.text
    assert bad.json["error"]["code"] == "analysis-failed"
    assert box.serving() == "2.0.0"


def test_hooks_run_around_the_switch_and_a_failing_one_stops_it(box: Sandbox) -> None:
    """pre_deploy before anything changes, post_deploy after the switch, on_failure when undone."""
    python = ["/usr/bin/python3", "-c"]
    box.configure(
        hooks={
            "pre_deploy": [{"name": "migrate", "run": [*python, "print('migrated')"]}],
            "post_deploy": [{"name": "warm", "run": [*python, "print('warmed')"]}],
            "on_failure": [{"name": "tell", "run": [*python, "print('told')"]}],
        },
    )
    done = box.deploy("1.0.0")
    assert done.exit_code == 0, done.text
    failing = {"name": "migrate", "run": [*python, "print('no such table'); raise SystemExit(3)"]}
    box.configure(hooks=box.config["hooks"] | {"pre_deploy": [failing]})
    bad = box.deploy("2.0.0")
    assert bad.exit_code == 4, bad.text
    assert "migrate" in bad.text
    assert bad.json["error"]["code"] == "hook-failed"
    assert box.serving() == "1.0.0"
    assert box.containers("hook") == []


def test_a_release_that_dies_during_the_bake_costs_no_request(box: Sandbox) -> None:
    """The old release is warm and steps in at once; what the new one held is asked again there."""
    box.deployed("1.0.0")
    box.configure(bake="20s", env={"EXIT_AFTER": "6"}, replicas=1)
    with box.unbroken(post=0):
        done = box.deploy("2.0.0")
    assert done.exit_code == 4, done.text
    assert "ended while watched" in done.text
    assert box.serving() == "1.0.0"
    box.configure(bake="1s", env={})
    box.deployed("2.0.0")
    assert "-backup" not in docker("exec", box.edge, "cat", "/state/edge/haproxy.cfg")


@pytest.mark.long
def test_nobody_waits_for_an_old_release_that_does_not_end(box: Sandbox) -> None:
    """It has no traffic any more; its engine kills it when its time is up. A rollback waits."""
    box.configure(env={"IGNORE_SIGTERM": "1"}, stop={"timeout": "4s", "drain": "0s"})
    box.deployed("1.0.0")
    [stubborn] = box.containers()
    box.deployed("2.0.0")
    assert _inspect(box, "{{.State.Running}}", stubborn) == "true"
    with box.unbroken(post=0):
        done = box.run("rollback")
    assert done.exit_code == 0, done.text
    assert box.serving() == "1.0.0"
    assert _inspect(box, "{{.State.Running}}", stubborn) == "true"
    assert box.run("drift").exit_code == 0
    assert box.serving_containers() == [stubborn]


def test_stop_first_says_the_gap_and_keeps_to_it(box: Sandbox) -> None:
    """For a service pinned to a volume: the old stops, then the new starts; a failure goes back.
    What one release keeps in the volume is there for the others."""
    volume = f"{box.edge}-data"
    box.configure(strategy={"order": "stop-first"}, volumes=[f"{volume}:/data"])
    try:
        box.deployed("1.0.0")
        docker("exec", "-u", "root", *box.serving_containers(), "touch", "/data/kept")
        plan = box.run("plan", "--version", "2.0.0")
        assert any("gap" in note["text"] for note in plan.json["notes"]), plan.text
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert box.serving() == "2.0.0"
        assert box.inside("ls /data") == "kept\n"
        bad = box.deploy("3.0.0-broken")
        assert bad.exit_code == 4, bad.text
        assert box.serving() == "2.0.0"
        assert box.inside("ls /data") == "kept\n"
    finally:
        box.clean()
        docker("volume", "rm", volume)


def test_a_worker_needs_no_port_and_no_edge(box: Sandbox) -> None:
    """It counts as healthy while it stays up; one that ends is a failure."""
    box.configure(
        port=None, smoke=None, health={"kind": "running"}, environments={"production": {}}
    )
    box.deployed("1.0.0")
    box.deployed("2.0.0")
    assert box.containers("edge") == []
    box.configure(env={"EXIT_AT_START": "0"})
    bad = box.deploy("1.0.0")
    assert bad.exit_code == 4, bad.text
    status = box.run("status").json
    assert status["hosts"][0]["version"] == "2.0.0"
    back = box.run("rollback", "--to", "1.0.0")
    assert back.exit_code == 0, back.text


def test_a_tcp_service_changes_without_a_refused_connection(box: Sandbox) -> None:
    """The edge passes bytes on; the service behind it happens to speak HTTP."""
    box.configure(
        protocol="tcp",
        health={"kind": "tcp"},
        smoke=[{"name": "up", "tcp": {}}],
        environments={"production": {"route": {"port": box.port}}},
    )
    box.deployed("1.0.0")
    with box.load(keep_alive=0, new=6, post=0) as stop:
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert box.serving() == "2.0.0"


def test_services_share_an_edge_and_do_not_disturb_each_other(box: Sandbox, tmp_path: Path) -> None:
    """A second service comes, changes and fails on the same edge, under load on the first."""
    box.deployed("1.0.0")
    other = tmp_path / "other"
    other.mkdir()
    neighbour = Sandbox(directory=other, edge=box.edge, port=box.port, config=dict(box.config))
    environments = {"production": {"route": {"host": "other.example.com", "port": box.port}}}
    neighbour.configure(service="other", environments=environments)
    with box.load(keep_alive=6, new=4) as stop:
        neighbour.deployed("1.0.0")
        neighbour.deployed("2.0.0")
        assert neighbour.deploy("3.0.0-broken").exit_code == 4
        assert neighbour.run("rollback").exit_code == 0
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert {found.version for found in seen.versions} == {"1.0.0"}
    asked = urllib.request.Request(f"{box.url}/version", headers={"Host": "other.example.com"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        assert answer.headers["X-Version"] == "1.0.0"


def test_old_releases_beyond_retain_are_removed(box: Sandbox) -> None:
    """`retain: 1` keeps what serves and one before it."""
    box.configure(retain=1)
    for number in range(3):
        box.configure(env={"N": str(number)})
        box.deployed("1.0.0")
    assert len(box.containers()) == 2


def test_staging_is_passed_on_by_digest(tmp_path: Path) -> None:
    """production refuses what did not pass in staging, and takes what did."""
    environments = {
        "staging": {"url": f"http://127.0.0.1:{free_port()}"},
        "production": {"url": f"http://127.0.0.1:{free_port()}", "after": "staging"},
    }
    with sandbox(tmp_path, environments=environments) as box:
        refused = box.run("deploy", "-e", "production", "--version", "1.0.0")
        assert refused.exit_code == 3, refused.text
        assert box.run("deploy", "-e", "staging", "--version", "1.0.0").exit_code == 0
        promoted = box.run("promote")
        assert promoted.exit_code == 0, promoted.text
        assert promoted.json["deployment"]["kind"] == "promote"
        assert box.run("deploy", "-e", "staging", "--version", "3.0.0-broken").exit_code == 4
        same = box.run("promote")
        assert same.json["result"] == "unchanged", same.text


def test_monitor_says_by_exit_code_json_and_metrics_how_it_is(box: Sandbox) -> None:
    """Healthy is 0; a container that was stopped is 3 and 0 in the textfile."""
    box.deployed("1.0.0")
    metrics = box.directory / "shop.prom"
    good = box.run("monitor", "--textfile", str(metrics))
    assert good.exit_code == 0, good.text
    assert 'deploy_action_healthy{service="shop",environment="production"} 1' in metrics.read_text()
    docker("stop", "-t", "1", box.containers()[0])
    bad = box.run("monitor", "--textfile", str(metrics))
    assert bad.exit_code == 3, bad.text
    assert 'deploy_action_healthy{service="shop",environment="production"} 0' in metrics.read_text()
