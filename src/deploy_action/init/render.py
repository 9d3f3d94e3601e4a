"""The files that `init` writes, as text: deploy.yaml and the workflows that call this action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from deploy_action.init.survey import Survey

__all__ = ["ACTION", "deploy_workflow", "deploy_yaml", "rollback_workflow"]

ACTION = "org/deploy-action"
"""The repository of this action."""
TAG = "v1"
SCHEMA = f"https://raw.githubusercontent.com/{ACTION}/{TAG}/schemas/deploy.schema.json"

EXAMPLE = f"https://github.com/{ACTION}/blob/{TAG}/examples/workflows/single-service.yml"
SECRETS = f"""\
    # Secrets of this repository. Those of its environments staging and production arrive only where
    # {ACTION} has the same owner as this repository: with the hosts [local] none is needed.
    secrets:
      # The values of what deploy.yaml declares, one NAME=value a line.
"""
EACH = """\
      DEPLOY_SECRETS_STAGING: ${{ secrets.DEPLOY_SECRETS_STAGING }}
      DEPLOY_SECRETS_PRODUCTION: ${{ secrets.DEPLOY_SECRETS_PRODUCTION }}
      DEPLOY_SECRETS: ${{ secrets.DEPLOY_SECRETS }}
"""
CHOSEN = """\
      DEPLOY_SECRETS: >-
        ${{ inputs.environment == 'production' && secrets.DEPLOY_SECRETS_PRODUCTION
        || inputs.environment == 'staging' && secrets.DEPLOY_SECRETS_STAGING
        || secrets.DEPLOY_SECRETS }}
"""
SSH = """\
      # For hosts over ssh: the private key, and the hosts' keys as ssh-keyscan prints them.
      DEPLOY_SSH_KEY: ${{ secrets.DEPLOY_SSH_KEY }}
      DEPLOY_KNOWN_HOSTS: ${{ secrets.DEPLOY_KNOWN_HOSTS }}
"""
PROOF_KEY = """\
      # For a production that has no way to staging's hosts: the output of openssl rand -hex 32.
      DEPLOY_PROOF_KEY: ${{ secrets.DEPLOY_PROOF_KEY }}
"""

_PLAIN = re.compile(r"[A-Za-z0-9./][A-Za-z0-9./_-]*")
_SAYS_OTHERWISE = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|[.+-]?[0-9][0-9_.e+-]*")
_ANSWERS = (200, 204, 301, 302, 303, 307, 308, 401, 403, 404)
"""What an application answers that works and has nothing at a path."""
_NO_IMAGE = "ghcr.io/your-organisation"


def deploy_yaml(survey: Survey, baseline: str = "") -> str:
    """Write a deploy.yaml that deploys to this machine and says how to go further.

    Args:
        baseline: file with bandit's findings of today; empty for none.
    """
    sections = [
        _head(survey),
        _image(survey),
        _traffic(survey),
        _settings(survey),
        _gates(survey, baseline),
        _unconfirmed(survey),
        _environments(survey),
    ]
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section))) + "\n"


def _head(survey: Survey) -> Iterable[str]:
    yield f"# yaml-language-server: $schema={SCHEMA}"
    yield "version: 1"
    yield f"service: {_scalar(survey.service.value)}"


def _image(survey: Survey) -> Iterable[str]:
    name = survey.image.value if survey.image else f"{_NO_IMAGE}/{survey.service.value}"
    yield "# Without a tag: which version is deployed is said at each deployment."
    yield f"image: {name}"
    if survey.context is None:
        return
    yield "build:"
    yield f"  context: {_scalar(survey.context)}"
    if survey.dockerfile != "Dockerfile":
        yield f"  dockerfile: {_scalar(survey.dockerfile)}"
    if survey.target:
        yield f"  target: {_scalar(survey.target)}"
    yield "  # push: true  # when the hosts are not this machine"


def _traffic(survey: Survey) -> Iterable[str]:
    if survey.port is None:
        yield "# A worker: it has no port, and counts as healthy while it stays up."
        yield "health: {kind: running}"
        return
    yield f"port: {survey.port.value}  # where the container listens"
    path = survey.health_path.value if survey.health_path else "/"
    if survey.health_path:
        yield f"health: {{path: {_scalar(path)}}}"
    elif survey.docker_health is not None:
        deadline = max(60, round(2 * survey.docker_health))
        yield f"health: {{kind: docker, deadline: {deadline}s}}  # the image's own HEALTHCHECK"
    else:
        yield "# Weak: no health route was found. Better: a path that answers 2xx only when all is"
        yield "# ready, as health: {path: /healthz}, and the same path in the smoke test."
        yield "health: {kind: tcp}"
    yield ""
    yield "# Before traffic moves, and again through the edge."
    yield "smoke:"
    status = "200" if survey.health_path else f"[{', '.join(map(str, _ANSWERS))}]"
    yield f"  - {{name: answers, path: {_scalar(path)}, status: {status}}}"


def _settings(survey: Survey) -> Iterable[str]:
    if survey.entrypoint:
        yield f"entrypoint: [{', '.join(map(_scalar, survey.entrypoint))}]"
    if survey.command:
        yield f"command: [{', '.join(map(_scalar, survey.command))}]"
    if survey.tmpfs:
        yield f"tmpfs: [{', '.join(map(_scalar, survey.tmpfs))}]"
    if survey.files:
        yield "files:"
        for path, name in survey.files.items():
            yield f"  {_scalar(path)}: {_scalar(name)}"
    if survey.volumes:
        yield "# Old and new never write to the volumes at once, which costs a gap at each deployment."
        yield "# Without this line they do, and there is no gap."
        yield "strategy: {order: stop-first}"
    if survey.networks:
        yield "# The network of what stays in Compose; start that first."
        yield f"# networks: [{', '.join(map(_scalar, survey.networks))}]"
    if survey.environment:
        yield "env:"
        for name, value in survey.environment.items():
            yield f"  {name}: {json.dumps(value, ensure_ascii=False)}"
    else:
        yield "# env: {LOG_LEVEL: info}"
    if survey.secrets:
        yield "# Names only: the values come from the environment of the one who deploys."
        yield f"# secrets: [{', '.join(survey.secrets.value)}]"
    else:
        yield "# secrets: [DATABASE_URL]  # names only; the values come from the environment"


def _gates(survey: Survey, baseline: str) -> Iterable[str]:
    if not survey.python_paths:
        return
    paths = [_scalar(path) for path in survey.python_paths]
    yield "gates:"
    yield "  bandit:"
    yield f"    paths: [{', '.join(paths)}]"
    yield '    exclude: ["**/test", "**/tests"]'
    yield "    skips: [B104]  # a container has to listen on 0.0.0.0"
    if baseline:
        yield "    # Findings of today do not count, new ones do. To shrink it, fix some and run"
        yield f"    # bandit -r {' '.join(paths)} -s B104 -f json -o {baseline}"
        yield f"    baseline: {_scalar(baseline)}"


def _unconfirmed(survey: Survey) -> Iterable[str]:
    if survey.unconfirmed:
        yield "# Guesses. Check each value, then remove its line: until then validate refuses the file."
        yield "unconfirmed:"
        for key, reason in survey.unconfirmed.items():
            yield f"  {key}: {json.dumps(reason, ensure_ascii=False)}"


def _environments(survey: Survey) -> Iterable[str]:
    hosts = ", ".join(json.dumps(host) for host in survey.hosts)
    yield "environments:"
    yield "  staging:"
    yield '    hosts: [local]  # later: ["ssh://deploy@staging.example.com"]'
    yield from _volumes(survey, "staging")
    if survey.port is not None:
        yield f"    route: {{port: {survey.routes[0]}}}  # later: url: https://staging.example.com"
    yield "  production:"
    yield "    after: staging  # takes only an image that passed there"
    yield f"    hosts: [local]{f'  # later: [{hosts}]' if hosts else ''}"
    yield from _volumes(survey, "production")
    if survey.port is not None:
        yield f"    route: {{port: {survey.routes[1]}}}{_address(survey.names)}"
        yield "    # bake: 60s  # watched for so long with the old release still warm"


def _address(names: Sequence[str]) -> str:
    if not names:
        return ""
    first, *others = names
    more = f"; route: {{hosts: [{', '.join(map(_scalar, others))}]}}" if others else ""
    return f"  # later: url: https://{first}{more}"


def _volumes(survey: Survey, environment: str) -> Iterable[str]:
    """Give each environment volumes of its own: on one host they would share them."""
    if survey.volumes:
        yield "    volumes:"
        prefix = f"{survey.service.value}-{environment}"
        for name, path in survey.volumes:
            yield f"      - {_scalar(f'{prefix}-{name}:{path}')}"


def deploy_workflow(survey: Survey, config: str) -> str:
    """Write the workflow that deploys what is pushed.

    Args:
        survey: names the branch.
        config: path of deploy.yaml from the top of the checkout.
    """
    return f"""\
name: {_workflow_name("Deploy", survey, config)}

on:
  push:
    branches: [{_scalar(survey.branch)}]
  workflow_dispatch:

permissions: {{}}

jobs:
  deploy:
    permissions:
      contents: read  # to read deploy.yaml
      deployments: write  # to record the deployment on GitHub
      packages: read  # to pull the image
    # Where the hosts are other machines the image has to be in a registry: call ci.yml before this.
    # {EXAMPLE}
    uses: {ACTION}/.github/workflows/deploy.yml@{TAG}
{_with({"config": config} if config != "deploy.yaml" else {})}\
{SECRETS}{EACH}{SSH}{PROOF_KEY}"""


def rollback_workflow(survey: Survey, config: str) -> str:
    """Write the workflow that is the rollback button; arguments as for `deploy_workflow`."""
    inputs = {
        "environment": "${{ inputs.environment }}",
        "version": "${{ inputs.version }}",
        "reason": "${{ inputs.reason }}",
    }
    if config != "deploy.yaml":
        inputs["config"] = config
    return f"""\
name: {_workflow_name("Roll back", survey, config)}
run-name: >-
  Roll back ${{{{ inputs.environment }}}} to ${{{{ inputs.version || 'the last stable release' }}}},
  by ${{{{ github.actor }}}}: ${{{{ inputs.reason }}}}

on:
  workflow_dispatch:
    inputs:
      environment:
        description: Where to roll back
        type: environment
        required: true
      version:
        description: Version to restore; empty for the last stable one
        type: string
        required: false
        default: ""
      reason:
        description: Why, for the history
        type: string
        required: true

permissions: {{}}

jobs:
  rollback:
    permissions:
      contents: read  # to read deploy.yaml
      deployments: write  # to record the rollback on GitHub
      packages: read  # to pull an image that is not on the host any more
    uses: {ACTION}/.github/workflows/rollback.yml@{TAG}
{_with(inputs)}\
{SECRETS}{CHOSEN}{SSH}"""


def _workflow_name(what: str, survey: Survey, config: str) -> str:
    return what if "/" not in config else f"{what} {survey.service.value}"


def _with(inputs: dict[str, str]) -> str:
    lines = [f"      {name}: {_workflow_scalar(value)}\n" for name, value in inputs.items()]
    return "".join(["    with:\n", *lines]) if lines else ""


def _workflow_scalar(value: str) -> str:
    return value if value.startswith("${{") else _scalar(value)


def _scalar(text: str) -> str:
    """Write a text so that YAML reads the same text, inside brackets too."""
    if _PLAIN.fullmatch(text) and not _SAYS_OTHERWISE.fullmatch(text):
        return text
    return json.dumps(text)
