"""What the source of an application says about itself: framework, port, health route, secrets."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from deploy_action.init.files import SKIPPED, read_text
from deploy_action.init.routes import Route, health_routes, mounts

__all__ = ["Guess", "Sources", "read_sources"]

T = TypeVar("T")

MOST_FILES = 3_000

_TEST_FILE = re.compile(r"(?:^test_|_test\.|\.test\.|\.spec\.|^conftest\.|Tests?\.(?:java|cs|kt)$)")
_LANGUAGES = {
    ".py": "Python", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
    ".ts": "TypeScript", ".go": "Go", ".rb": "Ruby", ".java": "Java", ".kt": "Kotlin",
    ".php": "PHP", ".rs": "Rust", ".cs": "C#", ".ex": "Elixir", ".exs": "Elixir",
    ".scala": "Scala", ".clj": "Clojure", ".swift": "Swift", ".tsx": "TypeScript",
}  # fmt: skip
_ALSO_READ = frozenset({".properties", ".yml", ".yaml"})

_PORTS = (
    # os.environ.get("PORT", "8000"), process.env.PORT || 3000, getenv("PORT", 8080)
    re.compile(r"\bPORT\b[\"'\])]*\s*(?:\|\||\?\?|,|:)\s*(?:\w+\()?[\"'`:]*(\d{2,5})\b"),
    # http.ListenAndServe(":8080", …), Addr: ":8080", router.Run("0.0.0.0:8080")
    re.compile(
        r"(?:ListenAndServe|Run|Start|Listen|bind|Addr)\b[^\n\"]{0,20}\"[\w.\[\]]*:(\d{2,5})\""
    ),
    re.compile(r"[\"']port[\"'],\s*(\d{2,5})\b"),
    re.compile(r"\.listen\(\s*(\d{2,5})\b"),
    re.compile(r"\.run\([^)\n]*\bport\s*=\s*(\d{2,5})\b"),
    re.compile(r"^server\.port\s*[=:]\s*(\d{2,5})\s*$", re.MULTILINE),
)
# The files that name the dependencies, a word in them, and the framework's default port.
_FRAMEWORKS = (
    ("Spring Boot", ("pom.xml", "build.gradle", "build.gradle.kts"), "spring-boot", 8080),
    ("Django", ("requirements.txt", "pyproject.toml", "Pipfile"), "django", 8000),
    ("FastAPI", ("requirements.txt", "pyproject.toml", "Pipfile"), "fastapi", 8000),
    ("gunicorn", ("requirements.txt", "pyproject.toml", "Pipfile"), "gunicorn", 8000),
    ("Flask", ("requirements.txt", "pyproject.toml", "Pipfile"), "flask", 5000),
    ("Next.js", ("package.json",), '"next"', 3000),
    ("NestJS", ("package.json",), '"@nestjs/core"', 3000),
    ("Fastify", ("package.json",), '"fastify"', 3000),
    ("Koa", ("package.json",), '"koa"', 3000),
    ("Express", ("package.json",), '"express"', 3000),
    ("Gin", ("go.mod",), "gin-gonic/gin", 8080),
    ("Echo", ("go.mod",), "labstack/echo", 1323),
    ("Rails", ("Gemfile",), "rails", 3000),
    ("Sinatra", ("Gemfile",), "sinatra", 4567),
    ("Phoenix", ("mix.exs",), ":phoenix", 4000),
)
_ENV_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|TOKEN|_KEY$|^KEY$|API_?KEY|CREDENTIAL|DATABASE_URL|_DSN$|REDIS_URL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess(Generic[T]):
    """A guessed value, and where it comes from: a file and line, or a reason."""

    value: T
    source: str
    sure: bool = True
    """Whether the source says it; else a person has to confirm it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the sources say; `None` where they say nothing."""

    language: str | None = None
    framework: Guess[str] | None = None
    port: Guess[int] | None = None
    framework_port: Guess[int] | None = None
    health_path: Guess[str] | None = None
    python_paths: tuple[str, ...] = ()
    """Directories that have Python in them, without tests; ``.`` if the top has."""
    secrets: Guess[tuple[str, ...]] | None = None


def read_sources(root: Path) -> Sources:
    """Read the sources below a directory, without tests, dependencies and built files."""
    languages: Counter[str] = Counter()
    ports: list[tuple[int, Guess[int]]] = []
    routes: list[tuple[Route, str]] = []
    prefixes: tuple[list[str], list[str]] = ([], [])
    python: set[str] = set()
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        language = _LANGUAGES.get(path.suffix)
        if language:
            languages[language] += 1
        if path.suffix == ".py":
            python.add(name.partition("/")[0] if "/" in name else ".")
        text = read_text(path)
        ports += _ports(text, name)
        if language:
            routes += [(route, name) for route in health_routes(text, name)]
        for known, more in zip(prefixes, mounts(text), strict=True):
            known.extend(more)
    framework, framework_port = _framework(root)
    health_path = _health_path(routes, *prefixes)
    if framework and framework.value == "Spring Boot":
        health_path = _actuator(root) or health_path
    port = min(ports, key=lambda ranked: (ranked[0], ranked[1].source), default=None)
    return Sources(
        language=max(languages, key=lambda name: languages[name], default=None),
        framework=framework,
        port=port[1] if port else None,
        framework_port=framework_port,
        health_path=health_path,
        python_paths=(".",) if "." in python else tuple(sorted(python)),
        secrets=_secrets(root),
    )


def _files(root: Path) -> Iterator[Path]:
    count = 0
    for base, directories, names in os.walk(root):
        directories[:] = sorted(
            name for name in directories if name not in SKIPPED and not name.startswith(".")
        )
        for name in sorted(names):
            suffix = Path(name).suffix
            if (suffix not in _LANGUAGES and suffix not in _ALSO_READ) or _TEST_FILE.search(name):
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield Path(base, name)


def _ports(text: str, name: str) -> Iterator[tuple[int, Guess[int]]]:
    for rank, pattern in enumerate(_PORTS):
        if match := pattern.search(text):
            port = int(match[1])
            if 0 < port < 65_536:
                yield rank, Guess(value=port, source=f"{name}:{_line(text, match)}", sure=False)
                return


def _health_path(
    routes: list[tuple[Route, str]], whole: list[str], parts: list[str]
) -> Guess[str] | None:
    """Choose a route; it is unsure where its router may be mounted below a prefix."""
    if not routes:
        return None
    route, file = min(routes, key=_generality)
    path = whole[0].rstrip("/") + route.path if len(set(whole)) == 1 else route.path
    source = f"{file}:{route.line}"
    if (route.mounted and parts) or len(set(whole)) > 1:
        source += f", without a prefix such as {(parts or whole)[0]} that its router may have"
        return Guess(value=path, source=source, sure=False)
    return Guess(value=path, source=source)


def _generality(found: tuple[Route, str]) -> tuple[int, int, int, str]:
    """Sort first what tells most, is nearest to the root, and is nobody's part."""
    route, file = found
    return route.rank, file.count("/"), route.path.count("/"), file


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start(1)) + 1


def _framework(root: Path) -> tuple[Guess[str] | None, Guess[int] | None]:
    for framework, files, word, port in _FRAMEWORKS:
        for file in files:
            text = _dependencies(read_text(root / file).lower(), file)
            if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w])", text):
                usual = f"{framework}'s usual port ({file})"
                return (
                    Guess(value=framework, source=file),
                    Guess(value=port, source=usual, sure=False),
                )
    return None, None


def _dependencies(text: str, file: str) -> str:
    """Return what the application needs to run, without its own name and its tests' needs."""
    try:
        if file == "package.json":
            return json.dumps(json.loads(text).get("dependencies", {}))
        if file == "pyproject.toml":
            data = tomllib.loads(text)
            poetry = data.get("tool", {}).get("poetry", {}).get("dependencies", {})
            return "\n".join([*data.get("project", {}).get("dependencies", []), *poetry])
    except (ValueError, AttributeError, TypeError):
        return ""
    return text


def _actuator(root: Path) -> Guess[str] | None:
    for file in ("pom.xml", "build.gradle", "build.gradle.kts"):
        if "spring-boot-starter-actuator" not in read_text(root / file):
            continue
        for settings in sorted((root / "src/main/resources").rglob("application*.*")):
            # management.endpoints.web.base-path
            if base := re.search(r"base-path\s*[:=]\s*(/[\w/-]+)", read_text(settings)):
                return Guess(value=f"{base[1]}/health", source=f"base-path in {settings.name}")
        return Guess(value="/actuator/health", source=f"the actuator in {file}")
    return None


def _secrets(root: Path) -> Guess[tuple[str, ...]] | None:
    for file in _ENV_EXAMPLES:
        names = re.findall(
            r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", read_text(root / file), re.MULTILINE
        )
        secrets = tuple(dict.fromkeys(name for name in names if _SECRET_NAME.search(name)))
        if secrets:
            return Guess(value=secrets, source=file)
    return None
