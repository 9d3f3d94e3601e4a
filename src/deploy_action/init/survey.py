"""Decides from a repository what its deploy.yaml should say; writes nothing."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from deploy_action.config.secret_detection import looks_secret, name_looks_secret
from deploy_action.config.text_file import text_of
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.init.checkout import Checkout, find_checkout
from deploy_action.init.compose import ComposeService
from deploy_action.init.deployable import Deployable, find_composition, find_deployables
from deploy_action.init.files import find_files, read_text
from deploy_action.init.kamal import FILE as KAMAL
from deploy_action.init.kamal import Kamal, read_kamal
from deploy_action.init.sources import Guess, Sources, read_sources

__all__ = ["Survey", "survey"]

_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 40
_USUAL_PORT = 8080
_MOST_NAMED = 6
_FIRST_ROUTE = 8081
_CREDENTIALS = re.compile(r"DATABASE_URL|_DSN$|REDIS_URL|^KEY$|_KEY$|KEY_BASE$|^SALT$")
_RUN_MOUNT = re.compile(r"(?:-v[ =]?|--volume[ =])[\"']?[^\s:\"']+:(/[^\s:\"'`\\]+)")
_SUPPORT = re.compile(r"postgres|mysql|mariadb|redis|valkey|mongo|rabbitmq|elasticsearch|minio")
_SECRET_FILE = re.compile(r"(?:^|/)(?:docker\.sock|[\w.-]*\.(?:conf|ya?ml|json|toml|hjson|ini))$")
# What images of the public registries listen on, if nothing else is said.
_BASES = (
    (r"nginx-unprivileged", 8080),
    (r"dotnet(?:/core)?/aspnet:(?:[23567]\.)", 80),
    (r"dotnet/aspnet", 8080),
    (r"(?:^|/)(?:nginx|httpd|caddy|wordpress|drupal|nextcloud|matomo|traefik)(?::|$)", 80),
    (r"php:.*apache|uvicorn-gunicorn", 80),
    (r"(?:^|/)(?:tomcat|jetty)(?::|$)", 8080),
)
_TLS = {443, 8443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What deploy.yaml should say, and where each value comes from.

    `port` is None for a worker; `health_path` is None if none is known, and then `docker_health`
    tells how long the image's HEALTHCHECK may need, if there is one.
    """

    service: Guess[str]
    image: Guess[str] | None
    context: str | None
    """Directory to build in; None without a Dockerfile."""
    dockerfile: str
    """Relative to `context`."""
    target: str = ""
    port: Guess[int] | None
    health_path: Guess[str] | None
    docker_health: float | None
    volumes: tuple[tuple[str, str], ...] = ()
    """Names, and paths in the container."""
    tmpfs: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths in the container, and those of the repository's files relative to deploy.yaml."""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    """Networks of Compose on which the services are that this one needs."""
    hosts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Host names by which clients reach production."""
    routes: tuple[int, int] = (_FIRST_ROUTE, _FIRST_ROUTE + 1)
    """Ports of the hosts that no other service of the repository has."""
    python_paths: tuple[str, ...]
    secrets: Guess[tuple[str, ...]] | None
    checkout: Path
    """Where the workflows belong: the top of the checkout, or the directory itself."""
    branch: str
    unconfirmed: Mapping[str, str] = field(default_factory=dict)
    """Keys whose value a person has to confirm, and what it is guessed from."""
    notes: tuple[str, ...] = field(default=())


def survey(root: Path, *, service: str = "", image: str = "") -> Survey:
    """Read the directory to deploy and the checkout that it is in.

    Args:
        service: chooses one of several that can be deployed.
        image: the image to deploy, if it is not built from this directory.

    Raises:
        BadInput: this is no directory, there is nothing to deploy, or there are several services to choose from.
    """
    if not root.is_dir():
        raise BadInput(
            f"{root} is not a directory", remedy="run deploy-action init in your repository"
        )
    root = root.resolve()
    checkout = find_checkout(root)
    top = checkout.root if checkout else root
    composition = find_composition(root, top)
    kamal = read_kamal(root)
    deployables = find_deployables(root, top, composition, kamal)
    chosen = _choose(deployables, service, root)
    base = root / (chosen.context or ".") if chosen else root
    own = (root / chosen.dockerfile).parent if chosen and chosen.dockerfile else root
    if service and own != root and any(own.glob("*.*")):
        base = own  # of several services in one context
    sources = read_sources(root if chosen and (chosen.context or ".").startswith("..") else base)
    if chosen is None and not image and not (sources.framework or kamal):
        raise BadInput(
            f"{root.name} has nothing to deploy: no Dockerfile, no compose.yaml with a service of"
            " its own, and no framework that serves requests; it looks like a library",
            remedy="deploy-action init --image ghcr.io/ORGANISATION/NAME, if an image of it exists",
            code=ErrorCode.NOTHING_TO_DEPLOY,
        )
    chosen = chosen or Deployable(name="")
    return _Reader(
        root=root,
        checkout=checkout,
        chosen=chosen,
        composition=composition,
        kamal=kamal,
        sources=sources,
        image=image,
        service=service,
    ).read()


def _choose(deployables: tuple[Deployable, ...], service: str, root: Path) -> Deployable | None:
    if service:
        for each in deployables:
            if each.name == service:
                return each
    if len(deployables) < 2 and not service:
        return next(iter(deployables), None)
    lines = []
    for each in deployables[:_MOST_NAMED]:
        directory = each.dockerfile.rpartition("/")[0]
        of_its_own = directory and each.context == directory
        place = (
            f"--config {directory}/deploy.yaml"
            if of_its_own
            else (f"--service {each.name} --config deploy.{each.name}.yaml")
        )
        lines.append(f"  deploy-action init {place}")
    if len(deployables) > _MOST_NAMED:
        lines.append(f"  … {len(deployables) - _MOST_NAMED} more: name one with --service")
    what = f"no service {service} among them" if service else "none is the main one"
    raise BadInput(
        f"{root.name} has {len(deployables)} services that can be deployed, and {what};"
        " one deploy.yaml describes one of them, databases and the like stay in Compose",
        remedy="run one of\n" + "\n".join(lines),
        code=ErrorCode.SEVERAL_SERVICES,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """All that is known about what was chosen."""

    root: Path
    checkout: Checkout | None
    chosen: Deployable
    composition: tuple[ComposeService, ...]
    kamal: Kamal | None
    sources: Sources
    image: str
    service: str

    def read(self) -> Survey:
        chosen, container = self.chosen, self.chosen.container
        name, image = self._service(), self._image()
        port = self._port()
        health = self._health_path() if port else None
        environment, secrets = self._environment()
        volumes, tmpfs = self._volumes(name.value)
        compose = self._run_by()
        unconfirmed = dict(self._unconfirmed(port, health))
        return Survey(
            service=name,
            image=image,
            context=chosen.context,
            dockerfile=os.path.relpath(chosen.dockerfile, chosen.context)
            if chosen.context
            else "Dockerfile",
            target=container.target,
            port=port,
            health_path=health,
            docker_health=container.health_seconds,
            volumes=volumes,
            tmpfs=tmpfs,
            files=self._files(),
            command=compose.command if compose else (),
            entrypoint=compose.entrypoint if compose else (),
            environment=environment,
            networks=self._networks(),
            hosts=self.kamal.hosts if self.kamal else (),
            names=self.kamal.names if self.kamal else (),
            routes=self._routes(),
            python_paths=self._python_paths(),
            secrets=secrets,
            checkout=self.checkout.root if self.checkout else self.root,
            branch=self.checkout.branch if self.checkout else "main",
            unconfirmed=unconfirmed,
            notes=tuple(self._notes()),
        )

    def _run_by(self) -> ComposeService | None:
        """Return the Compose service, unless it is a development setup."""
        compose = self.chosen.compose
        return None if compose is None or compose.develops else compose

    def _unconfirmed(
        self, port: Guess[int] | None, health: Guess[str] | None
    ) -> Iterator[tuple[str, str]]:
        chosen = self.chosen
        if chosen.context is None and not (chosen.compose or self.image or self.kamal):
            yield "image", "there is no Dockerfile; who builds the image, and what is it called?"
        if missing := self._not_in_context():
            yield "build", f"{missing} is copied but not in the repository: what makes it?"
        elif chosen.rivals:
            others = ", ".join(chosen.rivals)
            yield "build", f"{others} could be the Dockerfile to deploy as well"
        elif chosen.container.target and not (chosen.compose and chosen.compose.target):
            yield "build", f"the last stage runs nothing; {chosen.container.target} looks right"
        if port and not port.sure:
            yield "port", f"{port.value} is {port.source}"
        if health and not health.sure:
            yield "health", health.source
        compose = self._run_by()
        mounts = [*(self.kamal.volumes if self.kamal else ()), *(compose.mounts if compose else ())]
        known = {*self.chosen.container.volumes, *(target for _, target in mounts)}
        if told := [path for path in self._documented_mounts() if path not in known]:
            yield "volumes", f"README.md mounts {', '.join(told)} in its docker run"

    def _not_in_context(self) -> str:
        """Return the first thing that the Dockerfile copies and the repository does not have."""
        context = self.root / (self.chosen.context or ".")
        sources = self.chosen.container.sources
        return next((name for name in sources if not os.path.lexists(context / name)), "")

    def _service(self) -> Guess[str]:
        part = self._part()
        if self.kamal:
            name, source = self.kamal.service, KAMAL
        elif part:
            name, source = part, "the name of its directory or Compose service"
        elif self.checkout and self.checkout.remote:
            name, source = self.checkout.remote.name, f"the git remote {self.checkout.remote_name}"
        else:
            name, source = self.root.name, "the name of the directory"
        clean = _NAME.sub("-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
        return Guess(value=clean or "service", source=source if clean else "nothing")

    def _part(self) -> str:
        """Name the part of a repository with several services; empty for the only one."""
        if self.service:
            return self.service
        checkout, chosen = self.checkout, self.chosen
        if checkout is not None and checkout.root != self.root:
            return self.root.name if (chosen.context or ".").startswith(".") else chosen.name
        return ""

    def _image(self) -> Guess[str] | None:
        if self.image:
            return Guess(value=self.image, source="--image")
        compose = self.chosen.compose
        if self.chosen.context is None and compose and compose.image:
            name = re.sub(r"(?::[\w.-]*)?(?:@.*)?$", "", compose.image)
            return Guess(value=name, source=compose.file.name)
        if self.kamal and "/" in self.kamal.image and not self.kamal.image.startswith("localhost"):
            return Guess(value=self.kamal.image, source=KAMAL)
        checkout = self.checkout
        image = checkout.remote.image if checkout and checkout.remote else None
        if checkout is None or image is None:
            return None
        suffix = _NAME.sub("-", self._part().lower()).strip("-")
        image = f"{image}/{suffix}" if suffix else image
        return Guess(value=image, source=f"the git remote {checkout.remote_name}")

    def _port(self) -> Guess[int] | None:
        """Return the port on which the container most likely listens; None for a worker."""
        container, file, compose = (
            self.chosen.container,
            self.chosen.dockerfile,
            self.chosen.compose,
        )
        if self.kamal and self.kamal.port:
            return Guess(value=self.kamal.port, source=f"the proxy's app_port in {KAMAL}")
        exposed = [port for port in container.exposed if port not in _TLS] or container.exposed
        published = [port for port in (compose.ports if compose else ()) if port not in _TLS]
        stated = {
            container.command_port: f"the command in {file}",
            container.health_port: f"HEALTHCHECK in {file}",
            container.port_variable: f"ENV in {file}",
            _port_of(container.base): f"what {container.base} listens on",
        }
        where = compose.file.name if compose else ""
        for port in exposed:
            if port in stated or port in published:
                return Guess(value=port, source=f"EXPOSE in {file}")
        for port in published:
            if port in stated:
                return Guess(value=port, source=f"ports in {where}")
        if len(exposed) == 1 and not published:
            return Guess(value=exposed[0], source=f"EXPOSE in {file}")
        if exposed:
            said = f"ports in {where}" if published else f"the first EXPOSE in {file}"
            others = ", ".join(str(port) for port in exposed)
            return Guess(
                value=(published or exposed)[0], source=f"{said}; EXPOSE says {others}", sure=False
            )
        known = [(port, source) for port, source in stated.items() if port]
        known += [(port, f"ports in {where}") for port in published[:1]]
        for port, source in known[:1]:
            sure = len({value for value, _ in known}) == 1
            return Guess(value=port, source=source, sure=sure)
        if container.is_worker:
            return None
        if re.search(r"php:.*fpm", container.base):
            fastcgi = "FastCGI, and the edge speaks HTTP: put a web server into the image"
            return Guess(value=9000, source=fastcgi, sure=False)
        nothing = Guess(value=_USUAL_PORT, source="a usual port: nothing names one", sure=False)
        return self.sources.port or self.sources.framework_port or nothing

    def _health_path(self) -> Guess[str] | None:
        container, compose = self.chosen.container, self.chosen.compose
        if container.health_path == "/":
            return None  # curl takes a redirect for an answer, as a login page gives it
        if container.health_path:
            return Guess(
                value=container.health_path, source=f"HEALTHCHECK in {self.chosen.dockerfile}"
            )
        if compose and compose.health_path:
            return Guess(value=compose.health_path, source=f"healthcheck in {compose.file.name}")
        found = self.sources.health_path
        if self.kamal and self.kamal.health_path:
            return Guess(value=self.kamal.health_path, source=f"the proxy in {KAMAL}")
        if container.health_seconds is not None and not (found and found.sure):
            return None
        return found

    def _volumes(self, name: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        compose, volumes = self._run_by(), {}
        mounts = [*(self.kamal.volumes if self.kamal else ())]
        for source, target in (*mounts, *(compose.mounts if compose else ())):
            if _SECRET_FILE.search(target) or self._is_kept(source):
                continue
            own = _NAME.sub("-", source.lower()).strip("-") if "/" not in source else ""
            volumes[target] = own.removeprefix(f"{name}-") or self._called(target)
        for path in (*self.chosen.container.volumes, *self._documented_mounts()):
            volumes.setdefault(path, self._called(path))
        tmpfs = compose.tmpfs if compose else ()
        taken: dict[str, str] = {}
        for path, wanted in volumes.items():
            if path in {mount.partition(":")[0].rstrip("/") for mount in tmpfs}:
                continue
            free = wanted if wanted not in taken else _NAME.sub("-", path.lower()).strip("-")
            taken[free] = path
        return tuple(taken.items()), tmpfs

    def _documented_mounts(self) -> tuple[str, ...]:
        """Return what the `docker run` of a README mounts: nothing else may say where data is kept."""
        text = read_text(self.root / "README.md")
        runs = re.findall(r"docker run(?:[^\n]*\\\n)*[^\n]*", text)
        own = (run for run in runs if not _SUPPORT.search(run))
        targets = [target.rstrip("/") for run in own for target in _RUN_MOUNT.findall(run)]
        return tuple(t for t in dict.fromkeys(targets) if t and not _SECRET_FILE.search(t))

    def _called(self, path: str) -> str:
        return _NAME.sub("-", path.rpartition("/")[2].lower()).strip("-") or "data"

    def _files(self) -> dict[str, str]:
        """Return the text files that Compose mounts from the repository."""
        compose = self._run_by()
        files: dict[str, str] = {}
        for source, target in compose.mounts if compose else ():
            if compose is None or not self._is_kept(source):
                continue
            name = os.path.relpath(compose.file.parent / source, self.root)
            try:
                text = text_of(self.root, name)
            except ValueError:
                continue
            if not looks_secret(text) and posixpath.isabs(target):
                files[posixpath.normpath(target)] = name
        return files

    def _is_kept(self, source: str) -> bool:
        """Tell whether a mount's source is a file or directory of the repository."""
        compose = self.chosen.compose
        return (
            source.startswith(".")
            and compose is not None
            and (compose.file.parent / source).exists()
        )

    def _environment(self) -> tuple[dict[str, str], Guess[tuple[str, ...]] | None]:
        compose = self._run_by()
        given: dict[str, str | None] = dict(compose.environment) if compose else {}
        source = compose.file.name if compose else ""
        if self.kamal:
            given |= dict(self.kamal.environment)
            given |= dict.fromkeys(self.kamal.secrets)
            source = KAMAL
        names = [
            name
            for name, value in given.items()
            if value is None or _is_secret(name) or looks_secret(value)
        ]
        environment = {
            name: value for name, value in given.items() if value is not None and name not in names
        }
        if names:
            return environment, Guess(value=tuple(names), source=source)
        return environment, self.sources.secrets

    def _networks(self) -> tuple[str, ...]:
        compose = self.chosen.compose
        support = {service.name for service in self.composition if service.is_support}
        if compose is None or not support & set(compose.needs):
            return ()
        return tuple(f"{compose.project}_{name}" for name in compose.networks or ("default",))

    def _routes(self) -> tuple[int, int]:
        taken = {port for service in self.composition for port in service.host_ports}
        top = self.checkout.root if self.checkout else self.root
        for name in find_files(top, depth=4):
            if re.fullmatch(r"(?:.*/)?deploy[\w.-]*\.ya?ml", name) and name != KAMAL:
                taken |= set(_claimed(read_text(top / name)))
        free = (port for port in range(_FIRST_ROUTE, 65_536) if port not in taken)
        return next(free), next(free)

    def _python_paths(self) -> tuple[str, ...]:
        context = self.chosen.context or "."
        inside = "." if context.startswith("..") else context
        return tuple((Path(inside) / p).as_posix() for p in self.sources.python_paths)

    def _notes(self) -> Iterator[str]:
        sources, compose = self.sources, self.chosen.compose
        if sources.framework:
            yield f"it looks like {sources.framework.value} ({sources.framework.source})"
        elif sources.language:
            yield f"most of its files are {sources.language}"
        if self.chosen.context is None:
            yield "there is no Dockerfile: the image must come from elsewhere"
        if compose and compose.develops:
            yield (
                f"{compose.file.name} mounts sources, as a development setup does;"
                " only its ports and health check are taken"
            )
        if compose and not compose.develops:
            given = self._files()
            kept = [
                source
                for source, target in compose.mounts
                if self._is_kept(source) and posixpath.normpath(target) not in given
            ]
            if kept:
                yield f"{compose.file.name} mounts {', '.join(kept)}: copy them into the image"
        stays = [service.name for service in self.composition if service.is_support]
        if stays:
            yield f"{', '.join(dict.fromkeys(stays))}: stay in Compose"
        others = [
            service.name
            for service in self.composition
            if compose and not service.is_support and service.name != compose.name
        ]
        if others:
            yield (
                f"{', '.join(dict.fromkeys(others))}: also in Compose; a deploy.yaml of its own"
                " each, a worker's without port"
            )
        if self.kamal and self.kamal.left_out:
            yield f"{', '.join(self.kamal.left_out)} of {KAMAL}: not in this deploy.yaml"
        if self.checkout is None:
            yield "this is no git checkout (as far as git can tell): the name of the image is made up"


def _is_secret(name: str) -> bool:
    return name_looks_secret(name) or bool(_CREDENTIALS.search(name))


def _port_of(base: str) -> int | None:
    return next((port for pattern, port in _BASES if re.search(pattern, base)), None)


def _claimed(text: str) -> Iterator[int]:
    """Yield the ports on the hosts that a deploy.yaml claims."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    waiting = [data] if isinstance(data, dict) else []
    sections = [*waiting, *(data.get("environments") or {}).values()] if waiting else []
    for section in sections:
        route = section.get("route") if isinstance(section, dict) else None
        port = route.get("port") if isinstance(route, dict) else None
        if isinstance(port, int):
            yield port
