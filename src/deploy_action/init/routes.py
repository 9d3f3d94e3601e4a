"""Finds health routes in sources, with the prefixes that the code around them gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Route", "health_routes", "mounts"]

# The first of them that the sources have: "ready" says more than "alive".
_NAMES = (
    "readyz", "ready", "readiness", "healthz", "health", "healthcheck", "health-check", "_health",
    "-/ready", "-/healthy", "heartbeat", "livez", "liveness", "alive", "up", "ping", "status",
)  # fmt: skip
_NAME = "|".join(map(re.escape, _NAMES))
_PATH = rf"(/?(?:[\w.-]+/){{0,3}}?({_NAME}))/?"
# app.get("/health"), mux.HandleFunc("GET /healthz"), @GetMapping("/up"), #[get("/alive")],
# .route("/health", …), get "up" => …, path("health/", …), MapHealthChecks("/health")
_ROUTE = re.compile(
    r"(?:(\w+)(?:\(\))?\s*(?:\.|::|->)\s*)?"
    r"(?:@?\b(?:get|Get|GET|all|any|route|Route|resource|path|re_path|Handle|HandleFunc|HandlerFunc"
    r"|GetMapping|RequestMapping|HttpGet|MapGet|MapHealthChecks|UseHealthChecks|add_route"
    r"|add_url_rule|scope|Heartbeat)\b)"
    rf"\s*[(\s]\s*(?:(?:path|value)\s*=\s*)?r?[\"'`](?:GET )?\^?{_PATH}\$?[\"'`]"
)
# "/health" => get(health), as in the tables of Rust, Ruby and PHP
_ENTRY = re.compile(rf"^()\s*[\"'](?=/){_PATH}[\"']\s*=>")
# Segments that lead to the application itself; others lead to the health of a part of it.
_GENERAL = re.compile(r"api|v\d+|_?internal|public|management|admin|actuator|system|app|rest|-|")
_FILE_ROUTE = re.compile(
    rf"(?:^|/)(?:app|pages|routes)/((?:[\w.-]+/)*?({_NAME}))(?:/(?:route|\+server|index))?\.[jt]sx?$"
)
_PREFIX = re.compile(
    r"(?:@RequestMapping|@Controller|@Path|\.Group|\.Route|\.group|scope|prefix|\.scope|nest)"
    r"\s*[(\s]\s*(?:(?:path|value)\s*=\s*)?[\"'`](/?[\w./{}:-]*)[\"'`]|\bnamespace\s+:(\w+)"
)
_NAMED_PREFIX = re.compile(
    r"(\w+)\s*(?::=|=)\s*[\w.]*(?:(?:Group|group|Route)\(\s*|(?:APIRouter|Blueprint)"
    r"\([^)]*?prefix\s*=\s*)[\"'`](/[\w./-]*)[\"'`]"
)
_GLOBAL_PREFIX = re.compile(
    r"setGlobalPrefix\(\s*[\"'`]/?([\w/-]+)|^\s*server\.servlet\.context-path\s*[=:]\s*/?([\w/-]+)",
    re.MULTILINE,
)
_MOUNT = re.compile(
    r"(?:\.use|include_router|register_blueprint|\.mount|\.nest)\s*\([^)\n]*?[\"'`](/[\w/-]+)[\"'`]"
    r"|\bpath\(\s*[\"']([\w/<>:-]+)[\"'],\s*include\("
)
_APPLICATION = re.compile(
    r"app|application|server|mux|http|echo\w*|e|engine|fastify|web|endpoints|config|HttpMethod"
    r"|r|router\b.*mux"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route that tells health; `mounted` if its router may have a prefix elsewhere."""

    rank: int
    path: str
    line: int
    mounted: bool = False


def health_routes(text: str, file: str) -> Iterator[Route]:
    """Yield the routes of a file."""
    if by_file := _FILE_ROUTE.search(file):
        path = "/" + re.sub(r"(?:^|/)\([\w-]+\)", "", by_file[1])
        yield Route(rank=_NAMES.index(by_file[2]), path=path, line=1)
    lines = text.split("\n") if re.search(_PATH, text) else []
    named = dict(_NAMED_PREFIX.findall(text)) if lines else {}
    for number, line in enumerate(lines):
        match = _ROUTE.search(line) or _ENTRY.search(line)
        if not match or line.lstrip().startswith(("//", "#  ", "# ", "*")):
            continue
        receiver = match[1] or ""
        if receiver not in ("", "app") and not match[2].startswith("/"):
            continue  # values.get("up")
        prefixes = [*_around(lines, number), named.get(receiver, "")]
        parts = [part.strip("/") for part in (*prefixes, match[2])]
        path = "/" + "/".join(part for part in parts if part)
        before = path.removesuffix(match[3]).split("/")
        if not all(_GENERAL.fullmatch(segment) for segment in before):
            continue
        own = receiver in named or bool(_APPLICATION.fullmatch(receiver))
        yield Route(
            rank=_NAMES.index(match[3]),
            path=path,
            line=number + 1,
            mounted=(bool(receiver) and not own) or "path(" in line,
        )


def mounts(text: str) -> tuple[list[str], list[str]]:
    """Return the prefixes of the whole application, and those of parts of it."""
    return ["/" + (a or b) for a, b in _GLOBAL_PREFIX.findall(text)], [
        "/" + (a or b).strip("/") for a, b in _MOUNT.findall(text)
    ]


def _around(lines: list[str], number: int) -> list[str]:
    """Return the prefixes of the blocks around a line, outermost first."""
    prefixes: list[str] = []
    indent = _indent(lines[number])
    for line in reversed(lines[:number]):
        here = _indent(line)
        if not line.strip() or here >= indent:
            # An annotation of the class that was entered just now.
            is_annotation = (
                here == indent and line.lstrip().startswith("@") and indent < _indent(lines[number])
            )
            if not is_annotation:
                continue
        indent = min(indent, here)
        if match := _PREFIX.search(line):
            prefixes.insert(0, match[1] or match[2] or "")
    return prefixes


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
