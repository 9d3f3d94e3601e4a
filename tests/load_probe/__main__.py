"""The load probe as a program: python -m tests.load_probe URL --seconds 10."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from tests.load_probe import Load, Probe, ProbeResult

from deploy_action.errors import DeployActionError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one load; return 0 when nothing was lost, 1 when something was or nothing answered."""
    options = _parser().parse_args(argv)
    load = Load(
        keep_alive=options.keep_alive,
        new=options.new,
        post=options.post,
        slow=options.slow,
        timeout_seconds=options.timeout,
        rate=options.rate,
        max_seconds=options.seconds,
        max_requests=options.requests,
        host_header=options.host,
        version_json=options.version_json,
        ca_file=options.ca_file,
        allow_remote=options.allow_remote,
    )
    probe = Probe(options.url, load)
    try:
        probe.start()
        try:
            result = probe.join()
        except KeyboardInterrupt:
            result = probe.stop()
    except DeployActionError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    text = json.dumps(_plain(result), indent=2) if options.json else "\n".join(_lines(result))
    sys.stdout.write(f"{text}\n")
    return 0 if result.ok and not result.lost else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.load_probe",
        description="Send requests and count how many are lost, each way of losing one apart.",
        epilog="Example: python -m tests.load_probe http://127.0.0.1:8080/ --seconds 10. "
        "Exit codes: 0 nothing lost, 1 something lost, 2 bad input.",
    )
    default = Load()
    parser.add_argument("url", help="what to ask for")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument(
        "--requests", type=int, default=default.max_requests, help="at most so many"
    )
    parser.add_argument("--rate", type=float, help="at most so many a second (default: no limit)")
    for name, what in (
        ("keep-alive", "workers on connections that are used again"),
        ("new", "workers with a connection for every request"),
        ("post", "workers that POST to /echo and compare"),
        ("slow", "workers that ask for /slow?seconds=5"),
    ):
        count = getattr(default, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=count, help=f"{what} (default: {count})")
    parser.add_argument(
        "--timeout", type=float, default=default.timeout_seconds, help="of a request"
    )
    parser.add_argument("--host", default="", help="the host name to ask for, if not the URL's")
    parser.add_argument("--version-json", default="", help="where the JSON body says its version")
    parser.add_argument("--ca-file", help="the authority to trust instead of the public ones")
    parser.add_argument("--allow-remote", action="store_true", help="load another machine")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _plain(result: ProbeResult) -> dict[str, object]:
    return dataclasses.asdict(result) | {"lost": result.lost, "loss_bound": result.loss_bound}


def _lines(result: ProbeResult) -> list[str]:
    latency = result.latency
    pace = (
        f"{result.seconds:.1f} s, {result.ok / max(result.seconds, 1e-9):,.0f} answers a second, "
        f"median {latency.median * 1000:.1f} ms, 99 % {latency.p99 * 1000:.1f} ms, "
        f"longest {latency.maximum * 1000:.1f} ms"
    )
    lines = [str(result), pace]
    lines += [
        f"{kind}: {count.sent:,} sent, {count.lost:,} lost" for kind, count in result.kinds.items()
    ]
    lines += [
        f"version {seen.version}: {seen.answers:,} answers, "
        f"from {seen.first_seconds:.2f} s to {seen.last_seconds:.2f} s"
        for seen in result.versions
    ]
    lines += [
        f"lost at {one.seconds:.3f} s: {one.kind}, {one.loss}, {one.detail}"
        for one in result.examples[:10]
    ]
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
