"""The page for the team: what deploy.yaml means, how to deploy and how to roll back, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from deploy_action.checks.smoke import describe
from deploy_action.config.model import DeployConfig, Environment
from deploy_action.gates.registry import GATES
from deploy_action.render.plain_docker import roll_back_by_hand
from deploy_action.render.text import duration, printable

__all__ = ["team_page"]


def team_page(config: DeployConfig) -> str:
    """Return the page; the same configuration always gives the same text."""
    environments = list(config.environments.values())
    sections = [
        _introduction(config),
        _process(environments),
        _environments(environments),
        _gates(environments),
        _smoke_tests(environments),
        _secrets(environments),
        _deploy(environments),
        _roll_back(environments),
        _trouble(environments),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _text(value: object) -> str:
    r"""Escape what Markdown and tables would interpret."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", printable(str(value)))


def _code(value: object) -> str:
    """Quote as code, whatever is inside, also in a table."""
    text = printable(str(value)).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _introduction(config: DeployConfig) -> list[str]:
    return [
        f"# How {_text(config.service)} is deployed",
        "",
        f"Written by `deploy-action docs` from {_code(config.file)}: change that file, then write",
        "this page again.",
    ]


def _process(environments: Sequence[Environment]) -> list[str]:
    builds = any(each.build is not None for each in environments)
    gates = any(each.gates for each in environments)
    steps = [
        "The configuration is validated; everything that is wrong is reported at once.",
        "The gates run; one that does not pass stops the deployment." if gates else "",
        "The image is built, once." if builds else "",
        "The image is fetched on every host by its digest, before anything changes.",
        "The new release starts beside the old one; it is judged before it gets any traffic.",
        "Traffic moves to it, in the steps of the environment's strategy.",
        "It is tested again through the edge and watched for the bake time.",
        "The ledger on the hosts records who deployed what, when, and how it ended.",
    ]
    lines = ["## The process", ""]
    lines += [f"{number}. {step}" for number, step in enumerate(filter(None, steps), 1)]
    lines += [
        "",
        "Whatever fails: the new containers are removed, and the previous release goes on serving.",
    ]
    chains = [f"{_text(each.after)} → {_text(each.name)}" for each in environments if each.after]
    if chains:
        lines += ["", f"Promotion: {', '.join(chains)}: only a digest that passed there is taken."]
    return lines


def _environments(environments: Sequence[Environment]) -> list[str]:
    head = ("environment", "address", "hosts", "replicas", "traffic moves", "bake")
    rows = [
        (
            f"**{_text(each.name)}**",
            _text(each.url or "–"),
            "<br>".join(_code(host) for host in each.hosts),
            str(each.replicas),
            _strategy(each),
            duration(each.bake_seconds) if each.bake_seconds else "–",
        )
        for each in environments
    ]
    return ["## Environments", "", *_table(head, rows)]


def _strategy(each: Environment) -> str:
    if each.strategy.order == "stop-first":
        return "the old release stops first: a short gap"
    if not each.strategy.canary:
        return "all at once"
    steps = " → ".join(f"{percent} %" for percent in (*each.strategy.canary, 100))
    return f"{steps}, {duration(each.strategy.pause_seconds)} between"


def _gates(environments: Sequence[Environment]) -> list[str]:
    rows = [
        (_text(each.name), gate.name, _text(line))
        for each in environments
        for gate in GATES
        if gate.key in each.gates
        for line in gate.describe(each.gates[gate.key])
    ]
    if not rows:
        return ["## Gates", "", "None are configured."]
    return ["## Gates", "", *_table(("environment", "gate", "what must hold"), rows)]


def _smoke_tests(environments: Sequence[Environment]) -> list[str]:
    rows = [
        (_text(each.name), _text(test.name), describe(test, _code))
        for each in environments
        for test in each.smoke
    ]
    if not rows:
        return ["## Smoke tests", "", "None are configured: health checks alone decide."]
    return ["## Smoke tests", "", *_table(("environment", "test", "what must hold"), rows)]


def _secret(environment: Environment, name: str) -> str:
    path = environment.secret_files.get(name)
    return _code(name) if path is None else f"{_code(name)} in {_code(path)}"


def _secrets(environments: Sequence[Environment]) -> list[str]:
    rows = [
        (_text(each.name), ", ".join(_secret(each, name) for name in each.secrets))
        for each in environments
        if each.secrets
    ]
    if not rows:
        return []
    text = "Only the names are in deploy.yaml; the values come from the job's environment."
    return ["## Secrets", "", text, "", *_table(("environment", "secrets"), rows)]


def _deploy(environments: Sequence[Environment]) -> list[str]:
    lines = ["## Deploy", "", "```sh"]
    for each in environments:
        if each.after:
            lines.append(f"deploy-action promote -e {each.name}  # what passed in {each.after}")
        else:
            lines.append(f"deploy-action deploy -e {each.name} --version 1.4.2")
    first = environments[0].name
    lines += [
        f"deploy-action plan -e {first} --version 1.4.2  # only show what would happen",
        f"deploy-action status -e {first}  # what serves now",
        f"deploy-action history -e {first}  # who deployed what, and how it ended",
        "```",
    ]
    return lines


def _roll_back(environments: Sequence[Environment]) -> list[str]:
    lines = [
        "## Roll back",
        "",
        "**By button:** on GitHub, *Actions* → *Roll back* → *Run workflow*; choose the",
        "environment. Without a version the last stable release before the present one comes back.",
        "",
        "**By command,** from any machine that reaches the hosts; no registry is needed:",
        "",
        "```sh",
    ]
    name = environments[-1].name
    lines += [
        f"deploy-action rollback -e {name}  # the last stable release",
        f"deploy-action rollback -e {name} --to 1.3.0 --reason 'why'",
        "```",
        "",
        "A rollback restores image, configuration and environment of that release. Secrets have",
        "the values of today where they are given, else those that the kept containers have.",
        "",
        "**With plain docker,** when nothing else is at hand:",
    ]
    for each in environments:
        lines += ["", f"<details><summary>{_text(each.name)}</summary>", ""]
        lines += [*roll_back_by_hand(each), "", "</details>"]
    return lines


def _trouble(environments: Sequence[Environment]) -> list[str]:
    name = environments[-1].name
    rows = (
        ("the deployment failed (exit code 4)", "nothing to fix: the previous release serves", ""),
        (
            "manual intervention is required (5)",
            "see what runs where",
            f"deploy-action status -e {name}",
        ),
        (
            "another deployment is running (6)",
            "wait for it",
            "deploy-action deploy --lock-wait 10m …",
        ),
        (
            "the holder of the lock hangs",
            "free it, and fence it off",
            f"deploy-action unlock -e {name} --force",
        ),
        (
            "a host was changed by hand",
            "see each difference",
            f"deploy-action drift -e {name}",
        ),
        ("a tool or a host has a problem", "see what is missing", "deploy-action doctor"),
    )
    table = _table(
        ("what", "what to do", "command"),
        [(what, do, _code(command) if command else "–") for what, do, command in rows],
    )
    return ["## When something is wrong", "", *table]
