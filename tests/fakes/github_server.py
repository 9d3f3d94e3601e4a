"""GitHub's REST API for one repository, in memory, behind a real HTTP server.

Every request is held against what docs.github.com documents for the endpoint: its fields, which of
them are required, their types and values, and the permission that a job's token needs. What does
not fit is refused as GitHub refuses it.

The endpoints, their fields and values were compared with GitHub's published OpenAPI description
(the npm package @octokit/openapi, 23.0.2): none is here that is not there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["BOT", "FakeGitHub", "Fault", "Refused", "serving"]

TOKEN = "ghs_fake-token-of-a-job"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_VERSIONS = ("2022-11-28", "2026-03-10")
_LONGEST_BODY = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method and path: `fields` are name → type or values; a name with ! is required."""

    method: str
    path: str
    needs: tuple[str, ...]
    """Any of these, as `permission=level`."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    query: tuple[str, ...] = ()


_LIST = ("per_page", "page")
ENDPOINTS = (
    # https://docs.github.com/rest/deployments/deployments
    Endpoint(
        method="GET",
        path="deployments",
        needs=("deployments=read",),
        query=("sha", "ref", "task", "environment", *_LIST),
    ),
    Endpoint(
        method="POST",
        path="deployments",
        needs=("deployments=write",),
        fields={
            "ref!": str,
            "task": str,
            "auto_merge": bool,
            "required_contexts": list,
            "payload": (dict, str),
            "environment": str,
            "description": str,
            "transient_environment": bool,
            "production_environment": bool,
        },
    ),
    # https://docs.github.com/rest/deployments/statuses
    Endpoint(
        method="GET",
        path=r"deployments/(\d+)/statuses",
        needs=("deployments=read",),
        query=_LIST,
    ),
    Endpoint(
        method="POST",
        path=r"deployments/(\d+)/statuses",
        needs=("deployments=write",),
        fields={
            "state!": STATES,
            "target_url": str,
            "log_url": str,
            "description": str,
            "environment": str,
            "environment_url": str,
            "auto_inactive": bool,
        },
    ),
    # https://docs.github.com/rest/deployments/environments
    Endpoint(method="GET", path="environments/([^/]+)", needs=("actions=read",)),
    # https://docs.github.com/rest/issues/issues
    Endpoint(
        method="GET",
        path="issues",
        needs=("issues=read",),
        query=(
            *("milestone", "state", "assignee", "type", "creator", "mentioned", "labels"),
            *("sort", "direction", "since", *_LIST),
        ),
    ),
    Endpoint(
        method="POST",
        path="issues",
        needs=("issues=write",),
        fields={
            "title!": str,
            "body": str,
            "milestone": (int, str),
            "labels": list,
            "assignees": list,
            "type": str,
        },
    ),
    Endpoint(
        method="PATCH",
        path=r"issues/(\d+)",
        needs=("issues=write", "pull_requests=write"),
        fields={
            "title": str,
            "body": str,
            "state": ("open", "closed"),
            "state_reason": ("completed", "not_planned", "duplicate", "reopened"),
            "milestone": (int, str),
            "labels": list,
            "assignees": list,
            "type": str,
        },
    ),
    # https://docs.github.com/rest/issues/comments
    Endpoint(
        method="GET",
        path=r"issues/(\d+)/comments",
        needs=("issues=read", "pull_requests=read"),
        query=("since", *_LIST),
    ),
    Endpoint(
        method="POST",
        path=r"issues/(\d+)/comments",
        needs=("issues=write", "pull_requests=write"),
        fields={"body!": str},
    ),
    Endpoint(
        method="PATCH",
        path=r"issues/comments/(\d+)",
        needs=("issues=write", "pull_requests=write"),
        fields={"body!": str},
    ),
    # https://docs.github.com/rest/git/tags and …/refs
    Endpoint(
        method="POST",
        path="git/tags",
        needs=("contents=write",),
        fields={
            "tag!": str,
            "message!": str,
            "object!": str,
            "type!": ("commit", "tree", "blob"),
            "tagger": dict,
        },
    ),
    Endpoint(
        method="POST",
        path="git/refs",
        needs=("contents=write",),
        fields={"ref!": str, "sha!": str},
    ),
    # https://docs.github.com/rest/commits/commits#compare-two-commits
    Endpoint(method="GET", path="compare/(.+)", needs=("contents=read",), query=_LIST),
)


class Refused(Exception):
    """A request that GitHub does not do."""

    def __init__(self, status: int, message: str, *errors: Any, **headers: str) -> None:
        super().__init__(message)
        self.status, self.errors = status, errors
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the next request gets instead of an answer."""

    status: int = 502
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"message": "Server Error"}'
    after_doing: bool = False
    """GitHub does it, and the answer is lost."""
    hangs_up: bool = False


@dataclass(slots=True)
class FakeGitHub:
    """The repository and what a job's token may do there."""

    repository: str = "acme/shop"
    prefix: str = ""
    """`/api/v3` on Enterprise Server."""
    permissions: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(
            ("contents", "deployments", "issues", "pull_requests"), "write"
        )
    )
    commits: list[str] = field(default_factory=list)
    """Ids, the oldest first: one branch."""
    messages: dict[str, str] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """METHOD path, below the repository."""
    url: str = ""
    stalled: threading.Event | None = None
    """Nothing is answered before this is set."""
    _guard: threading.RLock = field(default_factory=threading.RLock)

    # What a test looks at

    def states(self, number: int) -> list[str]:
        """Return a deployment's states, the first one first."""
        return [status["state"] for status in self.statuses[number]]

    def live(self) -> set[tuple[str, str, str]]:
        """Return environment, task and version of what GitHub shows as live."""
        return {
            (found["environment"], found["task"], found["payload"]["version"])
            for found in self.deployments
            if self.states(found["id"])[-1:] == ["success"]
        }

    # The endpoints

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        """Do what is asked, or raise Refused."""
        for endpoint in ENDPOINTS:
            found = re.fullmatch(endpoint.path, path)
            if endpoint.method == method and found:
                self._require(endpoint.needs)
                _check_query(endpoint, query)
                if method != "GET":
                    _check_fields(endpoint, body)
                with self._guard:
                    return self._do(endpoint, found.groups(), query, body)
        raise Refused(404, "Not Found")

    def _do(
        self, endpoint: Endpoint, parts: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Any:
        do: dict[tuple[str, str], Callable[..., Any]] = {
            ("GET", "deployments"): lambda: self._list_deployments(query),
            ("POST", "deployments"): lambda: self._deploy(body),
            ("GET", r"deployments/(\d+)/statuses"): lambda n: self._history(int(n)),
            ("POST", r"deployments/(\d+)/statuses"): lambda n: self._status(int(n), body),
            ("GET", "environments/([^/]+)"): self._environment,
            ("GET", "issues"): lambda: self._list_issues(query),
            ("POST", "issues"): lambda: self._issue(body),
            ("PATCH", r"issues/(\d+)"): lambda n: self._change(int(n), body),
            ("GET", r"issues/(\d+)/comments"): lambda n: self._comments_of(int(n)),
            ("POST", r"issues/(\d+)/comments"): lambda n: self._comment(int(n), body),
            ("PATCH", r"issues/comments/(\d+)"): lambda n: self._edit(int(n), body),
            ("POST", "git/tags"): lambda: self._tag(body),
            ("POST", "git/refs"): lambda: self._ref(body),
            ("GET", "compare/(.+)"): lambda spec: self._compare(spec, query),
        }
        return do[endpoint.method, endpoint.path](*parts)

    def _require(self, needs: tuple[str, ...]) -> None:
        levels = ("none", "read", "write")
        for need in needs:
            name, _, level = need.partition("=")
            if levels.index(self.permissions.get(name, "none")) >= levels.index(level):
                return
        raise Refused(
            403,
            "Resource not accessible by integration",
            x_accepted_github_permissions="; ".join(needs),
        )

    def _list_deployments(self, query: dict[str, str]) -> list[dict[str, Any]]:
        wanted = {k: v for k, v in query.items() if k in ("sha", "ref", "task", "environment")}
        return [d for d in reversed(self.deployments) if all(d[k] == v for k, v in wanted.items())]

    def _deploy(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["ref"] not in self.commits:
            raise Refused(422, f"No ref found for: {body['ref']}")
        if body.get("auto_merge", True):
            raise Refused(409, "Conflict merging main into the ref")
        if body.get("required_contexts") != []:
            raise Refused(409, "Conflict: Commit status checks failed for the ref")
        made = {
            "id": 100 + len(self.deployments),
            "sha": body["ref"],
            "payload": {},
            "task": "deploy",
            "environment": "production",
            "creator": BOT,
            **body,
        }
        self.deployments.append(made)
        self.statuses[made["id"]] = []
        return made

    def _history(self, number: int) -> list[dict[str, Any]]:
        if number not in self.statuses:
            raise Refused(404, "Not Found")
        return list(reversed(self.statuses[number]))

    def _status(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        self._history(number)
        if len(body.get("description", "")) > 140:
            raise Refused(422, "Validation Failed", {"field": "description", "code": "custom"})
        for name in ("log_url", "environment_url", "target_url"):
            if name in body and not re.match(r"https?://", body[name]):
                raise Refused(422, "Validation Failed", {"field": name, "code": "invalid"})
        environment = next(d["environment"] for d in self.deployments if d["id"] == number)
        if body["state"] == "success" and body.get("auto_inactive", True):
            for other in self.deployments:
                same = other["environment"] == environment and other["id"] < number
                if same and self.states(other["id"])[-1:] == ["success"]:
                    self.statuses[other["id"]].append({"state": "inactive"})
        made = {"id": sum(map(len, self.statuses.values())) + 1, **body}
        self.statuses[number].append(made)
        return made

    def _environment(self, name: str) -> dict[str, Any]:
        if name not in self.environments:
            raise Refused(404, "Not Found")
        return {"name": name, **self.environments[name]}

    def _list_issues(self, query: dict[str, str]) -> list[dict[str, Any]]:
        state = query.get("state", "open")
        return [i for i in reversed(self.issues) if state in ("all", i["state"])]

    def _issue(self, body: dict[str, Any]) -> dict[str, Any]:
        _check_body(body)
        made = {"number": len(self.issues) + 1, "state": "open", "user": BOT, **body}
        made["html_url"] = f"https://github.com/{self.repository}/issues/{made['number']}"
        self.issues.append(made)
        return made

    def _change(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        _check_body(body)
        return _amended(self.issues, "number", number, body)

    def _comments_of(self, number: int) -> list[dict[str, Any]]:
        return [c for c in self.comments if c["issue"] == number]

    def _comment(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        _check_body(body)
        made = {"id": 1000 + len(self.comments), "issue": number, "user": BOT, **body}
        made["html_url"] = f"https://github.com/{self.repository}/pull/{number}#{made['id']}"
        self.comments.append(made)
        return made

    def _edit(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        _check_body(body)
        return _amended(self.comments, "id", number, body)

    def _tag(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["object"] not in self.commits:
            raise Refused(422, "Validation Failed", {"field": "object", "code": "invalid"})
        made = {"sha": f"{len(self.tags):040x}", **body}
        self.tags[made["sha"]] = made
        return made

    def _ref(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["ref"]
        if name.count("/") < 2 or not name.startswith("refs/") or ".." in name:
            raise Refused(422, f"{name} is not a valid ref name.")
        if name in self.refs:
            raise Refused(422, "Reference already exists")
        if body["sha"] not in (*self.commits, *self.tags):
            raise Refused(422, "Object does not exist")
        self.refs[name] = body["sha"]
        return {"ref": name, "object": {"sha": body["sha"]}}

    def _compare(self, spec: str, query: dict[str, str]) -> dict[str, Any]:
        base, _, head = spec.partition("...")
        if base not in self.commits or head not in self.commits:
            raise Refused(404, "Not Found")
        start, end = self.commits.index(base), self.commits.index(head)
        ahead = self.commits[start + 1 : end + 1]
        shown = ahead[: int(query.get("per_page", 250))]
        status = "identical" if start == end else "ahead" if end > start else "behind"
        return {
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": max(start - end, 0),
            "total_commits": len(ahead),
            "html_url": f"https://github.com/{self.repository}/compare/{spec}",
            "commits": [self._commit(sha) for sha in shown],
        }

    def _commit(self, sha: str) -> dict[str, Any]:
        return {
            "sha": sha,
            "html_url": f"https://github.com/{self.repository}/commit/{sha}",
            "commit": {"message": self.messages.get(sha, "change"), "author": {"name": "Ada"}},
            "author": {"login": "ada", "html_url": "https://github.com/ada"},
        }


def _check_query(endpoint: Endpoint, query: dict[str, str]) -> None:
    unknown = sorted(set(query) - set(endpoint.query))
    if unknown:
        raise Refused(422, f"Invalid request. {unknown} are no parameters of this endpoint.")
    if not 1 <= int(query.get("per_page", "30")) <= 100:
        raise Refused(422, "Invalid request. per_page is at most 100.")


def _check_fields(endpoint: Endpoint, body: Any) -> None:
    if not isinstance(body, dict):
        raise Refused(400, "Problems parsing JSON")
    known = {name.rstrip("!"): kind for name, kind in endpoint.fields.items()}
    for name in (n.rstrip("!") for n in endpoint.fields if n.endswith("!")):
        if name not in body:
            raise Refused(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
    for name, value in body.items():
        kind = known.get(name)
        if kind is None:
            raise Refused(422, f'Invalid request.\n\n"{name}" is not a permitted key.')
        values = isinstance(kind, tuple) and all(isinstance(k, str) for k in kind)
        fits = value in kind if values else isinstance(value, kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise Refused(422, f"Invalid request.\n\nFor '{name}', {value!r} is not a {kind}.")


def _amended(
    items: list[dict[str, Any]], key: str, number: int, body: dict[str, Any]
) -> dict[str, Any]:
    """Change the item with this number, which has to be there."""
    found = next((item for item in items if item[key] == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    found.update(body)
    return found


def _check_body(body: dict[str, Any]) -> None:
    if len(body.get("body", "")) > _LONGEST_BODY:
        raise Refused(
            422, "Validation Failed", {"field": "body", "code": "custom", "message": "too long"}
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    github: FakeGitHub

    def _respond(self) -> None:
        if self.github.stalled is not None:
            self.github.stalled.wait(30)
        fault = self.github.faults.pop(0) if self.github.faults else None
        split = urlsplit(self.path)
        prefix = f"{self.github.prefix}/repos/{self.github.repository}/"
        body = self._body()
        self.github.requests.append(f"{self.command} {split.path.removeprefix(prefix)}")
        if fault is not None and not fault.after_doing:
            self._lose(fault)
            return
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        try:
            self._check_headers()
            if not split.path.startswith(prefix):
                raise Refused(404, "Not Found")
            data = self.github.answer(self.command, split.path.removeprefix(prefix), query, body)
        except Refused as refused:
            answer = {"message": str(refused), "errors": list(refused.errors)}
            self._send(refused.status, json.dumps(answer), refused.headers)
            return
        if fault is not None:
            self._lose(fault)
            return
        headers: dict[str, str] = {}
        if isinstance(data, list):
            data, headers = self._page(data, split.path, query)
        self._send({"POST": 201}.get(self.command, 200), json.dumps(data), headers)

    def _body(self) -> Any:
        try:
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        except ValueError:
            return None

    def _check_headers(self) -> None:
        if not self.headers.get("User-Agent", "").startswith("deploy-action/"):
            raise Refused(403, "Request forbidden by administrative rules.")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Bad credentials")
        if self.headers.get("X-GitHub-Api-Version") not in _VERSIONS:
            raise Refused(400, "Not a supported version")
        if self.headers.get("Accept") != "application/vnd.github+json":
            raise Refused(415, "Unsupported 'Accept' header")

    def _page(
        self, data: list[Any], path: str, query: dict[str, str]
    ) -> tuple[Any, dict[str, str]]:
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        shown = data[size * (number - 1) : size * number]
        if len(data) <= size * number:
            return shown, {}
        more = {**query, "page": str(number + 1)}
        text = "&".join(f"{name}={value}" for name, value in more.items())
        return shown, {
            "Link": f'<{self.github.url.removesuffix(self.github.prefix)}{path}?{text}>; rel="next"'
        }

    def _lose(self, fault: Fault) -> None:
        if fault.hangs_up:
            self.close_connection = True
            return
        self._send(fault.status, fault.body, dict(fault.headers))

    def _send(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        content = text.encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _respond  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(github: FakeGitHub, host: str = "127.0.0.1") -> Iterator[FakeGitHub]:
    """Serve the repository on a free port of an address of this machine."""
    handler = type("Handler", (_Handler,), {"github": github})
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    github.url = f"http://{host}:{server.server_address[1]}{github.prefix}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield github
    finally:
        if github.stalled is not None:
            github.stalled.set()
        server.shutdown()
        server.server_close()
        thread.join()
