"""How to roll back with docker alone: commands for a person whose other tools are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = ["roll_back_by_hand"]


def roll_back_by_hand(environment: Environment) -> list[str]:
    """Return Markdown with the commands for one environment, to be run for each host.

    They rest on what engine and edge leave on a host: retained containers with the labels
    ``deploy-action.*``, and the edge's configuration in its volume, where a replica is known by
    its name, its address and its release.
    """
    edge = environment.edge.name
    network = environment.edge.network_of(environment.service, environment.name)
    lines = ["```sh", *_prefix(environment), *_list(environment)]
    if environment.route is None:
        return [*lines, *_worker(), "```"]
    return [
        *lines,
        "",
        *_start(environment),
        "",
        "# 3. Look at it before it gets traffic.",
        'docker logs --tail 20 "$OLD"',
        "",
        "# 4. Put it into the edge's configuration in place of the new one, and reload.",
        _reader("address", f'(index .NetworkSettings.Networks "{network}").IPAddress'),
        _reader("release", 'index .Config.Labels "deploy-action.release"'),
        'swap() { echo "s/\\b$1\\b/SWAPPED/g; s/\\b$2\\b/$1/g; s/SWAPPED/$2/g"; }',
        f"docker exec {edge} sed -i \\",
        '  -e "$(swap "$(address "$NEW")" "$(address "$OLD")")" \\',
        '  -e "$(swap "$NEW" "$OLD")" \\',
        '  -e "$(swap "$(release "$NEW")" "$(release "$OLD")")" /state/edge/haproxy.cfg',
        f"docker exec {edge} haproxy -c -f /state/edge/haproxy.cfg",
        f"docker exec {edge} sh -c 'echo reload | socat -t 10 - UNIX-CONNECT:/state/run/master.sock'",
        "",
        "# 5. Stop the new one, and keep a restart of the machine from bringing it back.",
        'docker update --restart no "$NEW"',
        'docker stop "$NEW"',
        "```",
        "",
        f"Afterwards, as soon as it can be run again: `deploy-action drift -e {environment.name}`",
        "shows what the ledger does not know yet, and a `deploy-action rollback` to the same",
        "version records it.",
    ]


def _reader(name: str, template: str) -> str:
    """Return a shell function that reads one fact of the container that it is given."""
    return f"{name}() {{ docker inspect -f '{{{{{template}}}}}' \"$1\"; }}"


def _prefix(environment: Environment) -> list[str]:
    hosts = [host for host in environment.hosts if host != "local"]
    if not hosts:
        return []
    return [
        "# 0. For each host: " + ", ".join(hosts),
        f"export DOCKER_HOST={hosts[0]}",
        "",
    ]


def _list(environment: Environment) -> list[str]:
    labels = {
        "edge": environment.edge.name,
        "service": environment.service,
        "environment": environment.name,
        "kind": "replica",
    }
    return [
        "# 1. What is there: the running containers serve, the stopped ones can be restored.",
        "docker ps --all \\",
        *(f"  --filter label=deploy-action.{key}={value} \\" for key, value in labels.items()),
        "  --format 'table {{.Names}}\\t{{.Label \"deploy-action.version\"}}\\t{{.Status}}'",
    ]


def _start(environment: Environment) -> list[str]:
    if environment.strategy.standby:
        return [
            "# 2. The old one stands by. With several replicas, repeat 2 to 5 for each pair.",
            "NEW=…; OLD=…  # names from the list",
            'docker start "$OLD"  # does nothing where it runs already',
            'docker update --restart unless-stopped "$OLD"',
        ]
    return [
        "# 2. Start the old one. With several replicas, repeat 2 to 5 for each pair. Right after a",
        "# deployment it may still be ending, and to start it then does nothing: hence the stop.",
        "NEW=…; OLD=…  # names from the list",
        'docker stop "$OLD"',
        'docker start "$OLD"',
        'docker update --restart unless-stopped "$OLD"',
    ]


def _worker() -> list[str]:
    return [
        "",
        "# 2. Stop the new one, start the old one.",
        "NEW=…; OLD=…  # names from the list",
        'docker update --restart no "$NEW" && docker stop "$NEW"',
        'docker stop "$OLD"  # it may still be ending, and to start it then does nothing',
        'docker start "$OLD" && docker update --restart unless-stopped "$OLD"',
    ]
