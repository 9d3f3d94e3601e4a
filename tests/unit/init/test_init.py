"""init: whatever the repository looks like, what is written validates, and says its sources."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action import config
from deploy_action.commands.init import run as command
from deploy_action.errors import BadInput, ErrorCode, ExitCode
from deploy_action.events.stream import EventStream
from deploy_action.gates import bandit, python_files
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.result import Findings, Passed
from deploy_action.init import initialise, survey
from deploy_action.init.render import ACTION
from deploy_action.init.sources import Guess
from deploy_action.inputs import Inputs
from deploy_action.problem import Severity
from deploy_action.process import run

Repository = Callable[..., Path]

FLASK = {
    "Dockerfile": """\
# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
EXPOSE 9999
RUN <<EOF
pip install .
EXPOSE 1
EOF
FROM python:3.13-slim
ARG LISTEN=8000
COPY --from=build / /
EXPOSE ${LISTEN}/tcp 9/udp
CMD ["gunicorn", "--bind", \\
     # a comment in between
     "0.0.0.0:8000", "shop:app"]
""",
    "requirements.txt": "flask==3.1\ngunicorn\n",
    "src/shop/__init__.py": '@app.route("/healthz")\ndef ok(): ...\n@app.route("/status")\n',
    "tests/test_shop.py": 'client.get("/ready")\n',
    ".env.example": "LOG_LEVEL=info\nDATABASE_URL=postgres://\nexport STRIPE_API_KEY=\n",
}
NODE = {
    "Dockerfile": "FROM node:24\nCOPY . .\nCMD node server.js\n",
    "package.json": '{"dependencies": {"express": "^5"}}',
    "server.js": "app.get('/health', ok)\napp.listen(process.env.PORT || 4100)\n",
    "node_modules/x/index.js": "app.get('/readyz', ok); app.listen(1)\n",
}
GO = {
    "deploy/Dockerfile": 'FROM scratch\nCOPY server /\nENTRYPOINT ["/server"]\n',
    "go.mod": "module github.com/acme/api\n",
    "cmd/server/main.go": 'mux.Handle("/readyz", r)\nhttp.ListenAndServe(":9090", mux)\n',
    "cmd/server/main_test.go": 'http.ListenAndServe(":1234", mux)\n',
}
SPRING = {
    "Dockerfile": "FROM eclipse-temurin:21\n",
    "pom.xml": "<artifactId>spring-boot-starter-actuator</artifactId>",
    "src/main/resources/application.properties": "server.port=8443\n",
}
WORKER = {
    "Dockerfile": 'FROM python:3.13\nENTRYPOINT ["celery"]\nCMD ["-A", "jobs", "worker"]\n',
    "jobs.py": "x = 1\n",
}
CURL = {
    "Dockerfile": "FROM nginx\nEXPOSE 443 8080\n"
    "HEALTHCHECK --interval=5s CMD curl -fs http://127.0.0.1:8080/-/up || exit 1\n"
}
PROBE = {"Dockerfile": "FROM nginx\nEXPOSE 80\nHEALTHCHECK CMD /probe\n"}
MONOREPO = {
    "services/api/Dockerfile": "FROM a\nEXPOSE 8080\n",
    "services/api/main.py": "x = 1\n",
    "services/web/Dockerfile": "FROM a\nEXPOSE 3000\n",
    "services/web/index.js": "",
}
STRANGE = {
    "Dockerfile": "\ufeff\x00FROM\nEXPOSE $NOTHING x/y 99999 -1\nHEALTHCHECK\nENV\nCMD\nRUN <<X\n\\",
    "no: yes #.py/a.py": "",
    "true/b.py": "",
    "1.10/c.py": "",
}
NOTHING: dict[str, str] = {"README.md": "hello"}
LIBRARY = {
    "pyproject.toml": "[project]\nname = 'x'\n[dependency-groups]\ntest = ['flask']\n",
    "x/a.py": "",
}
JS_LIBRARY = {"package.json": '{"name": "express", "devDependencies": {"koa": "1"}}', "i.js": ""}
COMPOSE = {
    "Dockerfile": "FROM node\nEXPOSE 3000\nVOLUME /data\nCMD node .\n",
    "docker-compose.yml": """\
name: shop
services:
  web:
    build: {context: .}
    ports: ["80:3000"]
    env_file: web.env
    environment:
      LOG_LEVEL: ${LOG_LEVEL:-info}
      DB_HOST: db
      DATABASE_URL: postgres://shop:hunter2@db/shop
      APP_SECRET: change-me
      UNSET: ${UNSET}
    volumes: ["uploads:/uploads", "./nginx.conf:/etc/nginx.conf:ro", "/var/run/docker.sock:/var/run/docker.sock"]
    healthcheck: {test: [CMD-SHELL, "curl http://localhost:3000/api/heartbeat"]}
    depends_on: {db: {condition: service_healthy}}
    x-unknown: !reset null
  db: {image: "postgres:16"}
""",
    "nginx.conf": "",
    "web.env": "FROM_FILE=1\n",
    "docker-compose.dev.yml": "services: {web: {build: ., ports: ['1:1']}}\n",
}
KAMAL = {
    "Dockerfile": "FROM ruby\nEXPOSE 3000\n",
    "config/deploy.yml": """\
service: crm
image: acme/crm
registry: {server: registry.example.com}
servers: {web: {hosts: [10.0.0.1]}, job: [10.0.0.2]}
ssh: {user: deploy}
proxy: {hosts: [crm.example.com, www.crm.example.com]}
env: {clear: {RAILS_LOG: info, SOLID: true}, secret: [RAILS_MASTER_KEY]}
volumes: ["crm_storage:/rails/storage"]
accessories: {db: {image: postgres}}
""",
}
ALPINE = {
    "packaging/docker/alpine/Containerfile.prod": "FROM a\nADD . /x\nEXPOSE 80\n",
    "packaging/docker/alpine/Dockerfile.dev": "FROM a\nEXPOSE 81\n",
    ".devcontainer/Dockerfile": "FROM a\n",
    "main.go": "",
}
COPIED = {"src/web/Dockerfile": "FROM a\nCOPY src/web/app.cs .\nEXPOSE 80\n", "src/web/app.cs": ""}
STAGES = {
    "docker/dockerfile": "ARG A\nFROM a AS release\nEXPOSE 3001\nCMD x\nFROM b AS upload-artifact\n",
    "server.js": "",
}
TWO_OF_ONE = {
    "src/web/Dockerfile": "FROM mcr.microsoft.com/dotnet/aspnet:8.0\n",
    "src/api/Dockerfile": "FROM mcr.microsoft.com/dotnet/aspnet:8.0\n",
    "compose.yaml": "services:\n"
    "  shop-web: {build: {context: ., dockerfile: src/web/Dockerfile}}\n"
    "  shop-api: {build: {context: ., dockerfile: src/api/Dockerfile}}\n",
    "compose.override.yaml": "services: {shop-api: {ports: ['5200:8080']}}\n",
}
IMAGE_ONLY = {
    "compose.yaml": "services:\n  board: {image: 'ghcr.io/acme/board:2.1', ports: ['80:3000']}\n"
    "  cache: {image: 'redis:8'}\n"
}
CONFLICT = {
    "Dockerfile": "FROM a\nEXPOSE 80\n",
    "compose.yaml": "services: {web: {build: ., ports: ['1:8080']}}\n",
}
RIVALS = {
    "docker/one/Dockerfile": "FROM a\nEXPOSE 80\n",
    "docker/two/Dockerfile": "FROM a\nEXPOSE 80\n",
    "go.mod": "",
}
NO_DOCKERFILE = {"pom.xml": "spring-boot"}
MOUNTED = {
    "Dockerfile": "FROM a\nEXPOSE 80\n",
    "a.js": "app.use('/v2', require('./b'))",
    "b.js": "router.get('/health', ok)",
}
FASTCGI = {"Dockerfile": "FROM php:8.3-fpm\n"}
OVERRIDE = {
    "Dockerfile": "FROM nginx:1\n",
    "compose.yaml": "services: {web: {build: .}}\n",
    "compose.override.yaml": "services: {web: {ports: ['8888:8888']}}\n",
}
SAMPLES = (
    COMPOSE, KAMAL, ALPINE, COPIED, STAGES, IMAGE_ONLY, CONFLICT, RIVALS, NO_DOCKERFILE, MOUNTED,
    FASTCGI, OVERRIDE,
)  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    done = run(["git", *arguments], cwd=root, timeout_seconds=10)
    assert done.exit_code == 0, done.stderr


def commit(root: Path) -> None:
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(root, *author, "commit", "-q", "--allow-empty", "-m", "first")


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep git from the settings of the machine, and from a repository around the directory."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a checkout with files and a remote: `repository(FLASK, remote="git@…")`."""

    def make(
        files: dict[str, str], *, remote: str | None = None, name: str = "Some Repo_1"
    ) -> Path:
        root = tmp_path / name
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content, encoding="utf-8")
        root.mkdir(exist_ok=True)
        if remote is not None:
            git(root, "init", "-q", "-b", "main")
            git(root, "remote", "add", "origin", remote)
        return root

    return make


def _confirm(file: Path) -> set[str]:
    """Remove the section `unconfirmed`, and return the keys in it."""
    text = file.read_text()
    keys = set((yaml.safe_load(text).get("unconfirmed") or {}).keys())
    kept = re.sub(r"^unconfirmed:\n(?:  .*\n)+", "", text, flags=re.MULTILINE)
    file.write_text(kept)
    return keys


def _written(root: Path) -> dict[str, Any]:
    initialise(root)
    settings: dict[str, Any] = yaml.safe_load((root / "deploy.yaml").read_text())
    return settings


@pytest.mark.parametrize("remote", [None, "https://github.com/acme/shop.git"])
@pytest.mark.parametrize("files", [FLASK, NODE, GO, SPRING, WORKER, CURL, PROBE, STRANGE, *SAMPLES])
def test_what_is_written_validates(
    repository: Repository, files: dict[str, str], remote: str | None
) -> None:
    """deploy.yaml has no error but its guesses, and none with them confirmed; the workflows are YAML of three jobs' keys,
    and the scanner finds files in each path that it is given.
    """
    root = repository(files, remote=remote)
    written = initialise(root)
    refused, problems = config.check(root / "deploy.yaml")
    assert {p.rule for p in problems if p.severity is Severity.ERROR} <= {"unconfirmed"}
    guesses = [p for p in problems if p.rule == "unconfirmed"]
    assert len(_confirm(root / "deploy.yaml")) == len(guesses)
    assert (refused is None) == bool(guesses)
    loaded, problems = config.check(root / "deploy.yaml")
    assert loaded is not None, problems
    assert [p for p in problems if p.severity is not Severity.NOTICE] == []
    assert list(loaded.environments) == ["staging", "production"]
    assert loaded.environments["production"].after == "staging"
    gate = loaded.environments["staging"].gates.get("bandit")
    if isinstance(gate, BanditOptions):
        assert gate.skips == ("B104",), "a container has to listen on every address"
        assert not python_files.select(root, gate.paths, gate.exclude).problems
    assert [file.path.name for file in written] == ["deploy.yaml", "deploy.yml", "rollback.yml"]
    for file in written[1:]:
        [job] = yaml.safe_load(file.path.read_text())["jobs"].values()
        assert job["uses"] == f"{ACTION}/.github/workflows/{file.path.name}@v1"
        assert set(job) <= {"permissions", "uses", "with", "secrets"}
        asked = {scope for scope, level in job["permissions"].items() if level == "write"}
        assert asked == {"deployments"}
        for name in job["secrets"]:
            assert f"secrets.{name} " in file.path.read_text(), "named, not inherited"


@pytest.mark.parametrize(
    ("files", "port", "health"),
    [
        (FLASK, 8000, {"path": "/healthz"}),
        (NODE, 4100, {"path": "/health"}),
        (GO, 9090, {"path": "/readyz"}),
        (SPRING, 8443, {"path": "/actuator/health"}),
        (WORKER, None, {"kind": "running"}),
        (CURL, 8080, {"path": "/-/up"}),
        (PROBE, 80, {"kind": "docker", "deadline": "120s"}),
        (COMPOSE, 3000, {"path": "/api/heartbeat"}),
        (KAMAL, 80, {"path": "/up"}),
        (STAGES, 3001, {"kind": "tcp"}),
    ],
)
def test_port_and_health_are_found(
    repository: Repository, files: dict[str, str], port: int | None, health: dict[str, str]
) -> None:
    """Ports and routes of dependencies, tests and earlier stages are not taken."""
    settings = _written(repository(files))
    assert settings.get("port") == port
    assert settings["health"] == health


@pytest.mark.parametrize(
    ("files", "build"),
    [
        (FLASK, {"context": "."}),
        (GO, {"context": ".", "dockerfile": "deploy/Dockerfile"}),
        (ALPINE, {"context": ".", "dockerfile": "packaging/docker/alpine/Containerfile.prod"}),
        (COPIED, {"context": ".", "dockerfile": "src/web/Dockerfile"}),
        (STAGES, {"context": ".", "dockerfile": "docker/dockerfile", "target": "release"}),
        (COMPOSE, {"context": "."}),
        (IMAGE_ONLY, None),
    ],
)
def test_the_build_is_found(
    repository: Repository, files: dict[str, str], build: dict[str, str] | None
) -> None:
    """A Dockerfile in a directory of its own builds from above; others from where they are."""
    assert _written(repository(files)).get("build") == build


@pytest.mark.parametrize(
    ("remote", "service", "image"),
    [
        ("https://github.com/Acme/Shop.git", "shop", "ghcr.io/acme/shop"),
        ("https://github.com/acme/shop/", "shop", "ghcr.io/acme/shop"),
        ("git@github.com:acme/shop_api.v2.git", "shop-api-v2", "ghcr.io/acme/shop-api-v2"),
        ("ssh://git@github.com:22/acme/shop", "shop", "ghcr.io/acme/shop"),
        ("ssh://git@ssh.github.com:443/acme/shop.git", "shop", "ghcr.io/acme/shop"),
        ("https://u:ghp_s3cret@github.com/acme/shop", "shop", "ghcr.io/acme/shop"),
        ("git@gitlab.com:group/sub/shop.git", "shop", "registry.gitlab.com/group/sub/shop"),
        ("https://git.example.com/acme/shop.git", "shop", "ghcr.io/your-organisation/shop"),
        ("ssh://git@[2001:db8::1]:22/acme/shop.git", "shop", "ghcr.io/your-organisation/shop"),
        ("/srv/git/shop.git", "some-repo-1", "ghcr.io/your-organisation/some-repo-1"),
        ("../shop", "some-repo-1", "ghcr.io/your-organisation/some-repo-1"),
        ("file:///srv/git/shop.git", "some-repo-1", "ghcr.io/your-organisation/some-repo-1"),
        ("https://github.com/acme/--", "service", "ghcr.io/your-organisation/service"),
        ("", "some-repo-1", "ghcr.io/your-organisation/some-repo-1"),
    ],
)
def test_remotes(repository: Repository, remote: str, service: str, image: str) -> None:
    """Every way to write a remote gives the same names, and none shows its credentials."""
    root = repository(NODE, remote=remote)
    written = initialise(root)
    settings = yaml.safe_load((root / "deploy.yaml").read_text())
    assert (settings["service"], settings["image"]) == (service, image)
    assert "s3cret" not in str(written)
    assert all("s3cret" not in file.path.read_text() for file in written)


def test_a_service_of_a_monorepo_gets_its_own_names_and_workflows(repository: Repository) -> None:
    """Run in a sub-directory, init writes the workflows at the top and names them after it."""
    root = repository(MONOREPO, remote="https://github.com/acme/shop")
    written = initialise(root / "services" / "web")
    assert [file.path.relative_to(root).as_posix() for file in written] == [
        "services/web/deploy.yaml",
        ".github/workflows/deploy-web.yml",
        ".github/workflows/rollback-web.yml",
    ]
    settings = yaml.safe_load(written[0].path.read_text())
    assert (settings["service"], settings["image"]) == ("web", "ghcr.io/acme/shop/web")
    for file in written[1:]:
        [job] = yaml.safe_load(file.path.read_text())["jobs"].values()
        assert job["with"]["config"] == "services/web/deploy.yaml"


@pytest.mark.parametrize("remote", [None, "https://github.com/acme/shop"])
def test_a_monorepo_is_asked_which(repository: Repository, remote: str | None) -> None:
    """One deploy.yaml is one service: nothing is chosen, and each command that is named works."""
    root = repository(MONOREPO, remote=remote)
    with pytest.raises(BadInput) as refused:
        initialise(root)
    assert refused.value.code is ErrorCode.SEVERAL_SERVICES
    assert not (root / "deploy.yaml").exists()
    for part in ("api", "web"):
        assert f"deploy-action init --config services/{part}/deploy.yaml" in str(
            refused.value.remedy
        )
        initialise(root / "services" / part)
        assert _loads(root / "services" / part / "deploy.yaml").service == part


def test_services_of_one_context_are_asked_by_name(repository: Repository) -> None:
    """Compose builds two services from one directory: `service` chooses, a second file is written
    beside the first one, and an unknown name is refused.
    """
    root = repository(TWO_OF_ONE)
    for name in ("", "nobody"):
        with pytest.raises(BadInput) as refused:
            survey(root, service=name)
        assert refused.value.code is ErrorCode.SEVERAL_SERVICES
    for name, port in (("shop-web", 8080), ("shop-api", 8080)):
        result = survey(root, service=name)
        initialise(root, name=f"deploy.{name}.yaml", result=result)
        environment = _loads(root / f"deploy.{name}.yaml").environments["staging"]
        assert (environment.service, environment.port) == (name, port)
        assert environment.build is not None
        assert environment.build.dockerfile == f"src/{name[5:]}/Dockerfile"


@pytest.mark.parametrize("files", [NOTHING, LIBRARY, JS_LIBRARY])
def test_a_library_has_nothing_to_deploy(repository: Repository, files: dict[str, str]) -> None:
    """It is refused, and nothing is written; an image from elsewhere can be named."""
    root = repository(files)
    with pytest.raises(BadInput) as refused:
        initialise(root)
    assert refused.value.code is ErrorCode.NOTHING_TO_DEPLOY
    assert refused.value.exit_code is ExitCode.BAD_INPUT
    assert not (root / "deploy.yaml").exists()
    initialise(root, result=survey(root, image="ghcr.io/acme/tool"))
    _confirm(root / "deploy.yaml")
    environment = _loads(root / "deploy.yaml").environments["staging"]
    assert (environment.image, environment.build) == ("ghcr.io/acme/tool", None)


@pytest.mark.parametrize(
    ("files", "keys"),
    [
        (SPRING, {"port"}),
        (NODE, {"port"}),
        (FLASK, set()),
        (CURL, set()),
        (WORKER, set()),
        (COMPOSE, set()),
        (STAGES, {"build"}),
        (CONFLICT, {"port"}),
        (RIVALS, {"build"}),
        (NO_DOCKERFILE, {"image", "port"}),
        (MOUNTED, {"health"}),
        (FASTCGI, {"port"}),
        (OVERRIDE, {"port"}),
        (GO, {"build", "port"}),
    ],
)
def test_what_is_only_guessed_has_to_be_confirmed(
    repository: Repository, files: dict[str, str], keys: set[str]
) -> None:
    """What the repository says is not asked again; what it does not say is no valid value yet."""
    root = repository(files)
    initialise(root)
    _, problems = config.check(root / "deploy.yaml")
    rules = {p.rule for p in problems if p.severity is Severity.ERROR}
    assert rules == ({"unconfirmed"} if keys else set())
    assert _confirm(root / "deploy.yaml") == keys


@pytest.mark.parametrize(
    ("file", "text", "path"),
    [
        ("a.py", 'router = APIRouter(prefix="/api")\n@router.get("/health")', "/api/health"),
        ("a.py", 'bp = Blueprint("x", __name__, url_prefix="/v1")\n@bp.route("/up")', "/v1/up"),
        ("A.java", '@RequestMapping("/api")\nclass A {\n  @GetMapping("/health")', "/api/health"),
        ("a.go", 'api := r.Group("/api")\napi.GET("/healthz", h)', "/api/healthz"),
        (
            "a.go",
            'r.Route("/internal", func(r chi.Router) {\n\tr.Get("/ready", h)',
            "/internal/ready",
        ),
        ("a.go", 'mux.HandleFunc("GET /healthz", h)', "/healthz"),
        ("a.ex", 'scope "/api" do\n  get "/health", H, :show\nend', "/api/health"),
        ("routes.rb", 'get "up" => "rails/health#show"', "/up"),
        ("urls.py", 'path("healthz/", view)', "/healthz"),
        ("a.rs", '#[get("/alive")]', "/alive"),
        ("a.rs", '    "/health" => get(health),', "/health"),
        ("src/app/api/health/route.ts", "export function GET() {}", "/api/health"),
        ("main.ts", 'app.setGlobalPrefix("api")\napp.get("/health", ok)', "/api/health"),
        ("a.go", 'inner.Get("/system/ping", p)\n\tmiddleware.Heartbeat("/ping"),', "/ping"),
        ("a.py", 'requests.get(other + "/health")', None),
        ("a.py", 'values.get("up")', None),
        ("urls.py", 'path("status/", a)\npath("x/", include(y))', "/status?"),
        ("a.py", '@app.get("/images/health")', None),
        ("a.py", '# @app.get("/health")', None),
    ],
)
def test_routes_have_the_prefixes_around_them(
    repository: Repository, file: str, text: str, path: str | None
) -> None:
    """The path is the one that the application answers at; no route of others, or of a part; one
    whose router may be mounted elsewhere is marked.
    """
    root = repository({"Dockerfile": "FROM a\nEXPOSE 80\n", file: text + "\n"})
    found = survey(root).health_path
    assert (found.value + "?" * (not found.sure) if found else None) == path


@pytest.mark.parametrize(
    ("url", "path", "port"),
    [
        ("http://localhost:${PORT:-9090}/${BELOW}health", "/health", 9090),
        ("http://localhost:8080/${BELOW:-shop/}health", "/shop/health", 8080),
    ],
)
def test_variables_of_a_healthcheck_have_their_defaults(
    repository: Repository, url: str, path: str, port: int
) -> None:
    """What nobody sets is empty, as the shell of the check has it."""
    check = f"FROM a\nCMD x\nHEALTHCHECK CMD curl -f {url} || exit 1\n"
    found = survey(repository({"Dockerfile": check}))
    assert (found.health_path, found.port) == (
        Guess(value=path, source="HEALTHCHECK in Dockerfile"),
        Guess(value=port, source="HEALTHCHECK in Dockerfile"),
    )


def test_volumes_are_proposed_for_each_environment(repository: Repository) -> None:
    """VOLUME of the Dockerfile and mounts of Compose; environments on one host share none, and
    mounts of files that the repository has are no volumes.
    """
    root = repository(COMPOSE)
    _written(root)
    loaded = _loads(root / "deploy.yaml")
    mounted = {
        name: {volume.target: volume.source for volume in environment.volumes}
        for name, environment in loaded.environments.items()
    }
    assert mounted["staging"].keys() == {"/data", "/uploads"} == mounted["production"].keys()
    assert not set(mounted["staging"].values()) & set(mounted["production"].values())
    assert loaded.environments["staging"].strategy.order == "stop-first"


def test_text_files_that_compose_mounts_are_named(repository: Repository) -> None:
    """Not what is binary or looks like a secret."""
    mounts = ("conf/nginx.conf", "key.pem", "logo.png")
    root = repository(
        {
            "Dockerfile": "FROM nginx:1.27\nEXPOSE 80\n",
            "conf/nginx.conf": "events {}\n",
            "key.pem": "-----BEGIN PRIVATE KEY-----\n",
            "logo.png": "\0",
            "compose.yaml": "services:\n  web:\n    build: .\n    volumes:\n"
            + "".join(f"      - ./{name}:/etc/{name}:ro\n" for name in mounts),
        }
    )
    _written(root)
    for environment in _loads(root / "deploy.yaml").environments.values():
        assert environment.files == {"/etc/conf/nginx.conf": "events {}\n"}
        assert environment.volumes == ()


def test_what_a_readme_mounts_is_asked(repository: Repository) -> None:
    """Nothing else may say where data is kept; a database's own command is not the application's."""
    readme = (
        "```sh\ndocker run -d -v pg:/var/lib/postgresql/data postgres\n"
        "docker run -d \\\n  -p 80:80 \\\n  -v chat:/app/storage/ \\\n"
        "  -v ./a.conf:/etc/a.conf chat\n"
        "docker run -v.:/data chat\n```\n"
    )
    root = repository({"Dockerfile": 'FROM x\nEXPOSE 80\nCMD ["x"]\n', "README.md": readme})
    initialise(root)
    assert "volumes" in _confirm(root / "deploy.yaml")
    loaded = _loads(root / "deploy.yaml")
    for environment in loaded.environments.values():
        assert [volume.target for volume in environment.volumes] == ["/app/storage", "/data"]


def test_compose_gives_environment_and_networks(repository: Repository) -> None:
    """Values with their defaults become env, secrets stay names, databases stay in Compose."""
    root = repository(COMPOSE)
    settings = _written(root)
    assert settings["env"] == {"LOG_LEVEL": "info", "DB_HOST": "db", "FROM_FILE": "1"}
    text = (root / "deploy.yaml").read_text()
    assert "# secrets: [DATABASE_URL, APP_SECRET, UNSET]" in text
    assert "# networks: [shop_default]" in text
    assert "hunter2" not in text


def test_a_development_setup_of_compose_gives_only_its_ports(repository: Repository) -> None:
    """A service that mounts the sources is not what runs on a server."""
    compose = (
        "services:\n  web:\n    build: .\n    command: dev\n    ports: ['80:4000']\n"
        "    volumes: ['.:/app']\n    environment: {DEBUG: '1'}\n"
    )
    settings = _written(repository({"Dockerfile": "FROM a\n", "compose.yaml": compose}))
    assert settings["port"] == 4000
    assert not {"command", "env", "volumes"} & settings.keys()


def test_kamal_is_taken_over(repository: Repository) -> None:
    """Names, environment, volumes and hosts; what has no place in deploy.yaml is named."""
    root = repository(KAMAL)
    [file, *_] = initialise(root)
    settings = yaml.safe_load(file.path.read_text())
    assert (settings["service"], settings["image"]) == ("crm", "registry.example.com/acme/crm")
    assert settings["env"] == {"RAILS_LOG": "info", "SOLID": "true"}
    text = file.path.read_text()
    assert '# later: ["ssh://deploy@10.0.0.1"]' in text
    assert "# later: url: https://crm.example.com; route: {hosts: [www.crm.example.com]}" in text
    assert "# secrets: [RAILS_MASTER_KEY]" in text
    assert any("job, db" in guess for guess in file.guesses)


def test_a_product_of_images_only_is_deployed_by_its_image(repository: Repository) -> None:
    """Without a build the image of Compose is taken, without its tag."""
    environment = _loads(_path(repository(IMAGE_ONLY))).environments["staging"]
    assert (environment.image, environment.port) == ("ghcr.io/acme/board", 3000)


def test_ports_of_the_hosts_are_free(repository: Repository) -> None:
    """Neither another deploy.yaml of the repository nor Compose has them."""
    other = "version: 1\nroute: {port: 8081}\nenvironments: {a: {route: {port: 8083}}}\n"
    compose = "services: {db: {image: 'postgres:16', ports: ['8082:5432']}}\n"
    files = {**CURL, "other/deploy.yaml": other, "compose.yaml": compose}
    settings = _written(repository(files))["environments"]
    assert [settings[name]["route"]["port"] for name in settings] == [8084, 8085]


def _path(root: Path) -> Path:
    initialise(root)
    return root / "deploy.yaml"


def _loads(file: Path) -> config.DeployConfig:
    _confirm(file)
    return config.load(file)


def test_guesses_name_their_source(repository: Repository) -> None:
    """Whoever reads a guess can look at what it was taken from."""
    [first, *_] = initialise(repository(FLASK, remote="https://github.com/acme/shop"))
    assert "port 8000: from EXPOSE in Dockerfile" in first.guesses
    assert "health /healthz: from src/shop/__init__.py:1" in first.guesses
    assert "image ghcr.io/acme/shop: from the git remote origin" in first.guesses
    assert any("DATABASE_URL, STRIPE_API_KEY" in guess for guess in first.guesses)


def test_secrets_are_suggested_as_a_comment_only(repository: Repository) -> None:
    """A declared secret that is not set would stop the first deployment."""
    root = repository(FLASK)
    assert "secrets" not in _written(root)
    assert "# secrets: [DATABASE_URL, STRIPE_API_KEY]" in (root / "deploy.yaml").read_text()


@pytest.mark.parametrize("existing", ["deploy.yaml", ".github/workflows/rollback-some-repo-1.yml"])
def test_nothing_is_overwritten_and_nothing_half_written(
    repository: Repository, existing: str
) -> None:
    """One file that exists stops all of it; with force it is replaced."""
    mine = {existing: "mine", ".github/workflows/deploy.yml": "mine"}
    root = repository({**NODE, **mine})
    before = sorted(path for path in root.rglob("*") if path.is_file())
    with pytest.raises(BadInput) as refused:
        initialise(root)
    assert refused.value.exit_code is ExitCode.BAD_INPUT
    assert existing in str(refused.value)
    assert "--force" in str(refused.value)
    assert (root / existing).read_text() == "mine"
    assert sorted(path for path in root.rglob("*") if path.is_file()) == before
    initialise(root, force=True)
    assert (root / existing).read_text() != "mine"


def test_a_workflow_of_the_same_name_stays(repository: Repository) -> None:
    """A repository that deploys in another way has a deploy.yml: ours gets another name."""
    root = repository({**NODE, ".github/workflows/deploy.yml": "mine"})
    names = [file.path.name for file in initialise(root)]
    assert names == ["deploy.yaml", "deploy-some-repo-1.yml", "rollback-some-repo-1.yml"]
    assert (root / ".github/workflows/deploy.yml").read_text() == "mine"


def test_a_dangling_link_counts_as_existing(repository: Repository) -> None:
    """Writing through it would make a file somewhere else."""
    root = repository(NODE)
    (root / "deploy.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(BadInput):
        initialise(root)
    initialise(root, force=True)
    assert not (root / "elsewhere.yaml").exists()
    assert not (root / "deploy.yaml").is_symlink()


def test_written_files_are_readable_by_all_and_leave_nothing_beside_them(
    repository: Repository,
) -> None:
    """The files are ordinary ones, and no temporary file stays."""
    root = repository(NODE)
    for file in initialise(root):
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o644
    assert not list(root.rglob(".deploy.yaml*"))


def test_no_directory_is_an_error(tmp_path: Path) -> None:
    """A mistyped directory is said, not made."""
    with pytest.raises(BadInput):
        initialise(tmp_path / "gone")


def test_a_work_tree_finds_the_remote_of_its_repository(
    repository: Repository, tmp_path: Path
) -> None:
    """In a work tree or submodule .git is a file that points to the real directory."""
    main = repository(NODE, remote="git@github.com:acme/shop.git")
    commit(main)
    tree = tmp_path / "tree"
    git(main, "worktree", "add", "-q", str(tree))
    (tree / "Dockerfile").write_text("FROM a\n")
    result = survey(tree)
    assert result.image is not None
    assert result.image.value == "ghcr.io/acme/shop"
    assert result.checkout == tree.resolve()


@pytest.mark.parametrize(
    ("branches", "of_the_remote", "checked_out", "expected"),
    [
        (["master"], "", "fix-1", "master"),
        (["main"], "trunk", "fix-1", "trunk"),
        ([], "", "dev/2", "dev/2"),
        ([], "", "", "main"),
    ],
)
def test_the_workflow_follows_the_default_branch(
    repository: Repository,
    branches: list[str],
    of_the_remote: str,
    checked_out: str,
    expected: str,
) -> None:
    """The remote's comes before usual names, and these before the one that is checked out."""
    root = repository(NODE, remote="git@github.com:acme/shop.git")
    git(root, "checkout", "-q", "-b", checked_out or "other")
    commit(root)
    for branch in branches:
        git(root, "branch", branch)
    if of_the_remote:
        head = f"refs/remotes/origin/{of_the_remote}"
        git(root, "update-ref", head, "HEAD")
        git(root, "symbolic-ref", "refs/remotes/origin/HEAD", head)
    if not checked_out:
        git(root, "checkout", "-q", "--detach")
    initialise(root)
    workflow = yaml.safe_load((root / ".github/workflows/deploy.yml").read_text())
    assert workflow[True]["push"]["branches"] == [expected]


def test_without_git_the_names_are_those_of_the_directory(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has no git can start too."""
    root = repository(FLASK, remote="https://github.com/acme/shop")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = survey(root)
    assert (result.service.value, result.image, result.branch) == ("some-repo-1", None, "main")


def test_findings_of_today_become_a_baseline(repository: Repository) -> None:
    """The gate passes on the day of init, refuses a new finding, and no code is in the file."""
    found = "import subprocess\nsubprocess.run(HUNTER, shell=True)\n"
    root = repository({**CURL, "shop/a.py": found})
    done = command(Inputs(config=root / "deploy.yaml"), EventStream([]))
    assert any(file.path.endswith("bandit-baseline.json") for file in done.files)
    assert "HUNTER" not in (root / "bandit-baseline.json").read_text()
    options = _loads(root / "deploy.yaml").environments["staging"].gates["bandit"]
    assert isinstance(options, BanditOptions)
    assert options.baseline == "bandit-baseline.json"
    assert isinstance(bandit.run(options, root), Passed)
    (root / "shop/b.py").write_text(found)
    assert isinstance(bandit.run(options, root), Findings)
